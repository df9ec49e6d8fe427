"""Find the model files that a graph names, and read a file's hash from its header; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from previs.comfyui.protocol.graph import Graph

# ComfyUI returns the header of these files alone (``/view_metadata`` in its server.py), and case matters there.
_WITH_HEADER = ".safetensors"

# Folders by class and input, where the input's name alone does not identify the folder. First ComfyUI's core, as its
# nodes and templates (``properties.models``) name the folders, then ComfyUI-WanVideoWrapper.
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

# Folders by an input's name without its number, for all other classes.
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

# Keys of hashes over the tensors without the header: Stability's ModelSpec 1.0, and kohya's trainers.
_HASHES = ("modelspec.hash_sha256", "sshs_model_hash")
_SHA256 = re.compile(r"(?:0x)?([0-9a-f]{64})")


@dataclass(frozen=True, order=True, slots=True)
class ModelFile:
    """Represent a file in one of ComfyUI's model folders; as text ``loras/anime/rain.safetensors``.

    The name alone does not identify a file: ``diffusion_pytorch_model.safetensors`` is one file in ``vae`` and another
    in ``controlnet``.

    Attributes:
        folder: ComfyUI's name of the folder, which may differ from the name on a server's disk.
        name: Name that loaders take, with subfolders written as on the server's system.
    """

    folder: str
    name: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"


def model_files(graph: Graph) -> frozenset[ModelFile]:
    """Return a graph's model files whose hash a server may know: ``.safetensors`` files in known inputs."""
    return frozenset(
        ModelFile(folder, name)
        for node in graph.values()
        for input_name, value in node["inputs"].items()
        if (folder := _BY_CLASS.get((node["class_type"], input_name)) or _BY_INPUT.get(_NUMBER.sub("", input_name)))
        for name in _names(value)
        if name.endswith(_WITH_HEADER)
    )


def header_hash(metadata: Mapping[str, object]) -> str | None:
    """Return the SHA-256 of a model's tensors, 64 digits, from its file's ``__metadata__``, or None if absent.

    The program that saved the file wrote it, and nobody has verified it.
    """
    for key in _HASHES:
        value = metadata.get(key)
        if isinstance(value, str) and (found := _SHA256.fullmatch(value.strip().lower())):
            return found[1]
    return None


def _names(value: object) -> Iterator[str]:
    """Yield the name in an input, or in the object, possibly switched off, that some custom nodes use instead.

    Such objects are rgthree's ``{"on": true, "lora": NAME}`` and Custom-Scripts' ``{"content": NAME}``.
    """
    if isinstance(value, dict):
        if value.get("on", True):
            yield from (each for each in (value.get("lora"), value.get("content")) if isinstance(each, str))
    elif isinstance(value, str):
        yield value
