"""Provide the graph of the recorded sessions."""

from typing import Any

from previs.comfyui.protocol.graph import Graph
from tests.copies import copied

TEXT_TO_IMAGE: Graph = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5,
            "steps": 4,
            "cfg": 7.5,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "夜", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "low quality", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "shot", "images": ["8", 0]}},
}


def graph(seed: int = 5, text: str = "夜", **of_save: Any) -> Graph:
    made = copied(TEXT_TO_IMAGE)
    made["3"]["inputs"]["seed"] = seed
    made["6"]["inputs"]["text"] = text
    made["9"]["inputs"] |= of_save
    return made
