"""Determine the types of a graph's links, from a server's classes or the input names of ComfyUI's own nodes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.classes import ANY, MATCH_TYPE, InputRule, NodeClass
from previs.comfyui.protocol.graph import Graph, is_link
from previs.workflow.binding.bindings import Slot

Classes = Mapping[str, NodeClass | None]

CONDITIONING = "CONDITIONING"
LATENT = "LATENT"
IMAGE = "IMAGE"
MASK = "MASK"
NOISE = "NOISE"
VISION = "CLIP_VISION_OUTPUT"

# Types of links that carry no prompt. Links of other types, such as pipes and contexts, may carry several values.
ORDINARY = frozenset(
    {CONDITIONING, LATENT, IMAGE, MASK, NOISE, VISION, "MODEL", "CLIP", "VAE", "CLIP_VISION", "CONTROL_NET"}
    | {"STYLE_MODEL", "UPSCALE_MODEL", "MODEL_PATCH", "PHOTOMAKER", "GLIGEN", "SAMPLER", "SIGMAS", "AUDIO", "VIDEO"}
    | {"AUDIO_ENCODER", "AUDIO_ENCODER_OUTPUT", "STRING", "INT", "FLOAT", "BOOLEAN", "COMBO"}
)
_PICTURES = frozenset({IMAGE, LATENT, "VIDEO", ""})
# Input names of ComfyUI 0.3.64's own nodes: whole names, then prefixes.
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
_PREFIXES = (
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
# Output types of ComfyUI's own nodes that have others beside pictures, or none.
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
    **dict.fromkeys(("PrimitiveString", "PrimitiveStringMultiline"), ("STRING",)),
}


def _open(kind: str) -> bool:
    """Return whether an input takes links of several types."""
    return kind == ANY or "," in kind


@dataclass(frozen=True, slots=True)
class Wiring:
    """Combine a graph without cycles with a server's node classes, of which there are none if no server was asked."""

    graph: Graph
    classes: Classes = field(default_factory=dict)
    carriers: dict[tuple[str, str], bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    samplers: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    _links: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def links_from(self, node_id: str) -> list[tuple[str, str, int]]:
        """Return the links out of a node, as (user's id, input, output index)."""
        if not self._links:
            for user, node in self.graph.items():
                for name, value in node["inputs"].items():
                    if is_link(value):
                        self._links.setdefault(value[0], []).append((user, name, value[1]))
        return self._links.get(node_id, [])

    def class_of(self, node_id: str) -> NodeClass | None:
        """Return what is known of a node's class."""
        return self.classes.get(self.graph[node_id]["class_type"])

    def value(self, slot: Slot) -> Any:  # noqa: ANN401 - an input may hold anything
        """Return what an input holds."""
        return self.graph[slot[0]]["inputs"][slot[1]]

    def label(self, node_id: str) -> str:
        """Name a node by its class and id: ``KSampler 3``."""
        return f"{self.graph[node_id]['class_type']} {node_id}"

    def rule(self, node_id: str, name: str) -> InputRule | None:
        """Return the rule of an input, if known."""
        known = self.class_of(node_id)
        if known is None:
            return None
        return known.inputs.get(name) or known.rules(self.graph[node_id]["inputs"]).get(name)

    def kind(self, node_id: str, name: str) -> str:
        """Return the type of a link: ``IMAGE``, ``LATENT`` …; empty if unknown."""
        slot: Slot | None = (node_id, name)
        while slot:
            source, output = self.value(slot)
            if kind := self._output_kind(source, output):
                return kind
            slot = self._handed_on(source)
        rule = self.rule(node_id, name)
        if rule and not _open(rule.type):
            return rule.type
        return _EXACT.get(name) or next((kind for start, kind in _PREFIXES if name.startswith(start)), "")

    def _output_kind(self, node_id: str, output: int) -> str:
        known = self.class_of(node_id)
        outputs = known.outputs if known else _OUTPUTS.get(self.graph[node_id]["class_type"], ())
        return outputs[output] if output < len(outputs) and outputs[output] not in (ANY, MATCH_TYPE) else ""

    def _handed_on(self, node_id: str) -> Slot | None:
        """Return the first link of a node that takes several types, and whose output has the type of that link."""
        links = (name for name, value in self.graph[node_id]["inputs"].items() if is_link(value))
        taking = (name for name in links if (rule := self.rule(node_id, name)) and _open(rule.type))
        return next(((node_id, name) for name in taking), None)

    def linked(self, node_id: str, *kinds: str) -> Iterator[tuple[str, str, int]]:
        """Yield links of some types into a node, as (input, source node id, source output index)."""
        for name, value in self.graph[node_id]["inputs"].items():
            if is_link(value) and self.kind(node_id, name) in kinds:
                yield name, value[0], value[1]

    def pictures(self, node_id: str) -> Iterator[tuple[str, str, int]]:
        """Yield links into a node that carry a picture, or may."""
        return self.linked(node_id, *_PICTURES)
