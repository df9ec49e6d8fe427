"""List what a simulated server has installed: node classes, models, system facts."""

import copy
import json
import posixpath
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

FEATURES = {"supports_preview_metadata": True, "max_upload_size": 100 * 1024 * 1024}

MODEL_FOLDERS = (
    *("checkpoints", "configs", "loras", "vae", "text_encoders", "diffusion_models", "clip_vision", "style_models"),
    *("embeddings", "diffusers", "vae_approx", "controlnet", "gligen", "upscale_models", "custom_nodes"),
    *("hypernetworks", "photomaker", "classifiers", "model_patches", "audio_encoders"),
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
"""Answer to ``/system_stats``, with the keys of ComfyUI 0.3.64."""


@lru_cache(maxsize=1)
def bundled() -> Mapping[str, Any]:
    """Return an excerpt of ComfyUI 0.3.64's ``object_info``: classes of common graphs, and some model names."""
    text = files("previs.simulator").joinpath("object_info.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def with_images(class_info: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Return a node class whose image choices are these files of the input folder."""
    listed = copy.deepcopy(dict(class_info))
    for section in ("required", "optional"):
        for declared in listed["input"].get(section, {}).values():
            if len(declared) > 1 and declared[1].get("image_upload") and isinstance(declared[0], list):
                declared[0] = names
    return listed


def models(object_info: Mapping[str, Any], folder: str) -> list[str] | None:
    """Return the files in a folder of models, or None if ComfyUI has no such folder."""
    if folder not in MODEL_FOLDERS:
        return None
    class_type, name = _LOADED_FROM.get(folder, ("", ""))
    if class_type not in object_info:
        return []
    kind, *config = object_info[class_type]["input"]["required"][name]
    return list(kind if isinstance(kind, list) else config[0].get("options", []))


def metadata(files: Mapping[tuple[str, str], Mapping[str, Any]], folder: str, name: str) -> Mapping[str, Any] | None:
    """Return the header of a model file, or None if ComfyUI reads no header there.

    The folder may have its current or former name; ``..`` in the file's name does not leave the folder.
    """
    if not name.endswith(".safetensors"):
        return None
    inside = posixpath.normpath(posixpath.join("/", name)).lstrip("/")
    header = files.get((_FORMER_FOLDERS.get(folder, folder), inside))
    return header if header is not None and len(json.dumps(header)) <= _LARGEST_HEADER else None
