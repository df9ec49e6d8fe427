"""Which model files a graph names, and the hash of one that the header of the file tells; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from previs.comfyui.protocol.graph import Graph

# The only files whose header a ComfyUI reads aloud (``/view_metadata`` in its server.py); case counts there.
_WITH_HEADER = ".safetensors"

# Of classes whose input's name says nothing of the folder, or something else than usual: folders of ComfyUI's core as
# its nodes and its templates (``properties.models``) name them, then those of ComfyUI-WanVideoWrapper.
_BY_CLASS = {
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("LTXAVTextEncoderLoader", "text_encoder"): "text_encoders",
    ("LatentUpscaleModelLoader", "model_name"): "latent_upscale_models",
    ("ModelPatchLoader", "name"): "model_patches",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("LoadWanVideoT5TextEncoder", "model_name"): "text_encoders",
    ("WanVideoModelLoader", "model"): "diffusion_models",
    ("WanVideoTextEncodeCached", "model_name"): "text_encoders",
    ("WanVideoVAELoader", "model_name"): "vae",
}

# Of all other classes, of the core or custom, by an input's name without its number.
_BY_INPUT = {
    "audio_encoder_name": "audio_encoders",
    "base_ckpt_name": "checkpoints",
    "ckpt_name": "checkpoints",
    "clip_name": "text_encoders",
    "control_net_name": "controlnet",
    "gligen_name": "gligen",
    "hypernetwork_name": "hypernetworks",
    "ipadapter_file": "ipadapter",
    "lora": "loras",
    "lora_name": "loras",
    "photomaker_model_name": "photomaker",
    "refiner_ckpt_name": "checkpoints",
    "style_model_name": "style_models",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
}
_NUMBER = re.compile(r"_?\d+$", re.ASCII)

# Of the tensors without the header: by Stability's ModelSpec 1.0, and by kohya's trainers.
_HASHES = ("modelspec.hash_sha256", "sshs_model_hash")
_SHA256 = re.compile(r"(?:0x)?([0-9a-f]{64})")


@dataclass(frozen=True, order=True, slots=True)
class ModelFile:
    """A file in one of ComfyUI's folders of models; as text ``loras/anime/rain.safetensors``.

    The name alone is not enough: ``diffusion_pytorch_model.safetensors`` is one file in ``vae`` and another in
    ``controlnet``.

    Attributes:
        folder: as ComfyUI names it, whatever it is called on a server's disk.
        name: that loaders take, with subfolders in the way of the server's system.
    """

    folder: str
    name: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"


def model_files(graph: Graph) -> frozenset[ModelFile]:
    """The model files of a graph of which a server may tell something: ``.safetensors`` in inputs that are known."""
    return frozenset(
        ModelFile(folder, name)
        for node in graph.values()
        for input_name, value in node["inputs"].items()
        if (folder := _folder(node["class_type"], input_name))
        for name in _names(value)
        if name.endswith(_WITH_HEADER)
    )


def told_hash(metadata: Mapping[str, object]) -> str | None:
    """The SHA-256 of a model's tensors, in 64 digits, as the ``__metadata__`` of its file tells it, if it does.

    It is what whoever saved the file said, and nobody has checked it.
    """
    for key in _HASHES:
        told = metadata.get(key)
        if isinstance(told, str) and (found := _SHA256.fullmatch(told.strip().lower())):
            return found[1]
    return None


def _folder(class_type: str, input_name: str) -> str | None:
    return _BY_CLASS.get((class_type, input_name)) or _BY_INPUT.get(_NUMBER.sub("", input_name))


def _names(value: object) -> Iterator[str]:
    """The name in an input, or in what some packs have there: an object, which may be switched off.

    So rgthree's ``{"on": true, "lora": NAME}`` and Custom-Scripts' ``{"content": NAME}``.
    """
    if isinstance(value, dict):
        if value.get("on", True):
            yield from (each for each in (value.get("lora"), value.get("content")) if isinstance(each, str))
    elif isinstance(value, str):
        yield value
