"""List what a simulated server has installed: node classes and models."""

import copy
import gzip
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from previs.simulator.versions import OLDEST, VERSIONS, VersionName

_GZIP = b"\x1f\x8b"
"""First bytes of a file in gzip."""

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


@lru_cache
def bundled(version: VersionName = OLDEST) -> Mapping[str, Any]:
    """Return the node classes that a version has installed, with the names of some common models.

    Of 0.3.64 they are an excerpt of its ``object_info``: 102 classes of common graphs, as JSON. Of 0.33.0 they are all
    886 classes, as JSON in gzip (170 KB), since graphs of its templates need any of them.
    """
    content = files("previs.simulator").joinpath(VERSIONS[version].object_info).read_bytes()
    return dict(json.loads(gzip.decompress(content) if content.startswith(_GZIP) else content))


def with_images(class_info: Mapping[str, Any], names: list[str]) -> Mapping[str, Any]:
    """Return a node class whose image choices are these files of the input folder."""
    if not any(_chooses_image(declared) for declared in _inputs(class_info)):
        return class_info
    listed = copy.deepcopy(dict(class_info))
    for declared in _inputs(listed):
        if _chooses_image(declared):
            declared[0] = names
    return listed


def _inputs(class_info: Mapping[str, Any]) -> Iterator[list[Any]]:
    for section in ("required", "optional"):
        yield from class_info["input"].get(section, {}).values()


def _chooses_image(declared: Sequence[Any]) -> bool:
    return len(declared) > 1 and isinstance(declared[0], list) and bool(declared[1].get("image_upload"))


def models(object_info: Mapping[str, Any], folder: str, version: VersionName = OLDEST) -> list[str] | None:
    """Return the files in a folder of models, or None if that version has no such folder."""
    if folder not in VERSIONS[version].folders:
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
