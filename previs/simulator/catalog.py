"""What a simulated server has installed: node classes, models, and what it says of itself."""

import copy
import json
import posixpath
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

FEATURES = {"supports_preview_metadata": True, "max_upload_size": 100 * 1024 * 1024}

MODEL_FOLDERS = (
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
)

_FORMER_FOLDERS = {"unet": "diffusion_models", "clip": "text_encoders"}

_LARGEST_HEADER = 1024 * 1024

_LOADED_FROM = {
    "checkpoints": ("CheckpointLoaderSimple", "ckpt_name"),
    "loras": ("LoraLoader", "lora_name"),
    "vae": ("VAELoader", "vae_name"),
    "text_encoders": ("CLIPLoader", "clip_name"),
    "diffusion_models": ("UNETLoader", "unet_name"),
    "clip_vision": ("CLIPVisionLoader", "clip_name"),
    "style_models": ("StyleModelLoader", "style_model_name"),
    "controlnet": ("ControlNetLoader", "control_net_name"),
    "upscale_models": ("UpscaleModelLoader", "model_name"),
}

_MEMORY = 24 * 1024**3

SYSTEM_STATS: dict[str, Any] = {
    "system": {
        "os": "posix",
        "ram_total": _MEMORY,
        "ram_free": _MEMORY // 2,
        "comfyui_version": "0.3.64",
        "required_frontend_version": "1.27.10",
        "installed_templates_version": "0.1.95",
        "required_templates_version": "0.1.95",
        "python_version": "3.11 (simulated)",
        "pytorch_version": "none (simulated)",
        "embedded_python": False,
        "argv": ["previs", "simulate"],
    },
    "devices": [
        {
            "name": "simulated",
            "type": "cpu",
            "index": None,
            "vram_total": _MEMORY,
            "vram_free": _MEMORY // 2,
            "torch_vram_total": _MEMORY,
            "torch_vram_free": _MEMORY // 2,
        }
    ],
}
"""With the keys of ComfyUI 0.3.64."""


@lru_cache(maxsize=1)
def bundled() -> Mapping[str, Any]:
    """Node classes that usual graphs need, an excerpt of ComfyUI 0.3.64's own ``object_info`` with some model names."""
    text = files("previs.simulator").joinpath("object_info.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def with_images(class_info: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """A node class as ``object_info`` tells it while such images lie in the input folder."""
    told = copy.deepcopy(dict(class_info))
    for section in ("required", "optional"):
        for declared in told["input"].get(section, {}).values():
            if len(declared) > 1 and declared[1].get("image_upload") and isinstance(declared[0], list):
                declared[0] = names
    return told


def models(object_info: Mapping[str, Any], folder: str) -> list[str] | None:
    """Files in a folder of models, or none where ComfyUI has no such folder."""
    if folder not in MODEL_FOLDERS:
        return None
    class_type, name = _LOADED_FROM.get(folder, ("", ""))
    if class_type not in object_info:
        return []
    kind, *config = object_info[class_type]["input"]["required"][name]
    return list(kind if isinstance(kind, list) else config[0].get("options", []))


def metadata(files: Mapping[tuple[str, str], Mapping[str, Any]], folder: str, name: str) -> Mapping[str, Any] | None:
    """What the header of a model file tells, or none where ComfyUI reads no header.

    Args:
        files: by folder and name.
        folder: of models; former names are known too.
        name: of the file; its way is taken from the folder, and does not lead out of it.
    """
    if not name.endswith(".safetensors"):
        return None
    inside = posixpath.normpath(posixpath.join("/", name)).lstrip("/")
    told = files.get((_FORMER_FOLDERS.get(folder, folder), inside))
    return told if told is not None and len(json.dumps(told)) <= _LARGEST_HEADER else None
