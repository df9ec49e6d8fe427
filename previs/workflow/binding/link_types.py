"""What flows through a graph's links: known from a server's classes, or from the names that ComfyUI's own nodes use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.classes import ANY, InputRule, NodeClass
from previs.comfyui.protocol.graph import Graph, is_link
from previs.workflow.binding.bindings import Slot

Classes = Mapping[str, NodeClass | None]

CONDITIONING = "CONDITIONING"
LATENT = "LATENT"
IMAGE = "IMAGE"
MASK = "MASK"
NOISE = "NOISE"
VISION = "CLIP_VISION_OUTPUT"

_PICTURES = frozenset({IMAGE, LATENT, "VIDEO", ""})
# Input names of ComfyUI 0.3.64's own nodes, exact ones and then by how they begin.
_EXACT = {
    **dict.fromkeys(("model", "model1", "model2"), "MODEL"),
    **dict.fromkeys(("clip", "clip1", "clip2"), "CLIP"),
    **dict.fromkeys(("latent", "latents", "latent_image", "stage_c", "video_latent"), LATENT),
    **dict.fromkeys(("mask", "alpha", "control_masks", "character_mask", "source_alpha", "destination_alpha"), MASK),
    **dict.fromkeys(("cond", "cond1", "cond2"), CONDITIONING),
    **dict.fromkeys(("width", "height", "length", "batch_size", "seed", "noise_seed", "steps", "amount"), "INT"),
    **dict.fromkeys(("fps", "frame_rate", "seconds", "cfg", "denoise"), "FLOAT"),
    "vae": "VAE",
    "noise": NOISE,
    "guider": "GUIDER",
    "sampler": "SAMPLER",
    "sigmas": "SIGMAS",
    "control_net": "CONTROL_NET",
    "style_model": "STYLE_MODEL",
    "clip_vision": "CLIP_VISION",
    "upscale_model": "UPSCALE_MODEL",
    "gligen_textbox_model": "GLIGEN",
    "model_patch": "MODEL_PATCH",
    "photomaker": "PHOTOMAKER",
    "audio": "AUDIO",
    "audio_encoder_output": "AUDIO_ENCODER_OUTPUT",
    "camera_conditions": "WAN_CAMERA_EMBEDDING",
    "video": "VIDEO",
}
_BEGINNINGS = (
    ("clip_vision", VISION),
    ("positive", CONDITIONING),
    ("negative", CONDITIONING),
    ("conditioning", CONDITIONING),
    ("cond_", CONDITIONING),
    ("empty_conditioning", CONDITIONING),
    ("samples", LATENT),
    ("image", IMAGE),
    ("pixels", IMAGE),
)
# What some of ComfyUI's own nodes give beside pictures, or instead.
_OUTPUTS = {
    **dict.fromkeys(("LoadImage", "LoadImageOutput"), (IMAGE, MASK)),
    **dict.fromkeys(("LoadImageMask", "ImageToMask", "GrowMask", "InvertMask", "FeatherMask", "SolidMask"), (MASK,)),
    "WanVaceToVideo": (CONDITIONING, CONDITIONING, LATENT, "INT"),
    "WanAnimateToVideo": (CONDITIONING, CONDITIONING, LATENT, "INT", "INT", "INT"),
    "WanCameraEmbedding": ("WAN_CAMERA_EMBEDDING", "INT", "INT", "INT"),
    "GetImageSize": ("INT", "INT", "INT"),
    "GetVideoComponents": (IMAGE, "AUDIO", "FLOAT"),
    "PrimitiveInt": ("INT",),
    "PrimitiveFloat": ("FLOAT",),
}


@dataclass(frozen=True, slots=True)
class Wiring:
    """A graph, and what can be known of its classes.

    Attributes:
        graph: with no circles.
        classes: as a server tells them; none of them where no server was asked.
    """

    graph: Graph
    classes: Classes = field(default_factory=dict)

    def class_of(self, node_id: str) -> NodeClass | None:
        """Give what is known of a node's class."""
        return self.classes.get(self.graph[node_id]["class_type"])

    def value(self, slot: Slot) -> Any:  # noqa: ANN401 - an input may hold anything
        """Return what an input holds."""
        return self.graph[slot[0]]["inputs"][slot[1]]

    def label(self, node_id: str) -> str:
        """Name a node by its class and id: ``KSampler 3``."""
        return f"{self.graph[node_id]['class_type']} {node_id}"

    def rule(self, node_id: str, name: str) -> InputRule | None:
        """Give the rule of an input, if it is known."""
        known = self.class_of(node_id)
        return known.inputs.get(name) if known else None

    def kind(self, node_id: str, name: str) -> str:
        """Say what comes through a link: ``IMAGE``, ``LATENT`` …; empty if it cannot be known."""
        value = self.graph[node_id]["inputs"][name]
        source, output = self.class_of(value[0]), int(value[1])
        outputs = source.outputs if source else _OUTPUTS.get(self.graph[value[0]]["class_type"], ())
        if output < len(outputs) and outputs[output] != ANY:
            return outputs[output]
        rule = self.rule(node_id, name)
        if rule and rule.type != ANY and "," not in rule.type:
            return rule.type
        return _named(name)

    def linked(self, node_id: str, *kinds: str) -> Iterator[tuple[str, str, int]]:
        """All links into a node of some kinds, as (input, source node id, source output index)."""
        for name, value in self.graph[node_id]["inputs"].items():
            if is_link(value) and self.kind(node_id, name) in kinds:
                yield name, value[0], value[1]

    def pictures(self, node_id: str) -> Iterator[tuple[str, str, int]]:
        """All links into a node through which a picture comes, or what could be one."""
        return self.linked(node_id, *_PICTURES)


def _named(name: str) -> str:
    if name in _EXACT:
        return _EXACT[name]
    return next((kind for beginning, kind in _BEGINNINGS if name.startswith(beginning)), "")
