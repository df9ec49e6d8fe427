"""Build the graphs that settings describe, from ComfyUI's own nodes."""

from dataclasses import dataclass
from typing import Any

from previs.comfyui.protocol.graph import Graph, Node
from previs.workflow.binding.bindings import Binding, What

OUTPUT_PREFIX = "previs"

_LOW_THRESHOLD = 0.4
_HIGH_THRESHOLD = 0.8


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Hold every value of one picture, checked and in ComfyUI's terms.

    Attributes:
        references: Pairs of name for ``LoadImage`` and strength.
        controlnet: Model for the references' edges; without one, the picture starts from the first reference.
        denoise: Share that is repainted; 1 unless the picture starts from a reference.
    """

    checkpoint: str
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    batch_size: int
    denoise: float
    controlnet: str | None
    references: tuple[tuple[str, float], ...]


def _node(class_type: str, **inputs: Any) -> Node:  # noqa: ANN401 - an input is a link, a number, a text or a choice
    return {"class_type": class_type, "inputs": inputs}


def _scaled_reference(picture: ImageSettings, node_id: str, name: str) -> Graph:
    """Load a reference and scale it to fill the picture's frame, cropping the rest."""
    return {
        node_id: _node("LoadImage", image=name),
        f"{node_id}_scaled": _node(
            "ImageScale",
            image=[node_id, 0],
            upscale_method="lanczos",
            width=picture.width,
            height=picture.height,
            crop="center",
        ),
    }


def _controlnet_chain(picture: ImageSettings) -> tuple[Graph, list[Any], list[Any]]:
    """Chain a ControlNet for each reference's edges; return the links to the last positive and negative."""
    graph: Graph = {"controlnet": _node("ControlNetLoader", control_net_name=picture.controlnet)}
    positive, negative = ["positive", 0], ["negative", 0]
    for number, (name, strength) in enumerate(picture.references, 1):
        reference = f"reference_{number}"
        graph |= _scaled_reference(picture, reference, name)
        graph[f"{reference}_edges"] = _node(
            "Canny", image=[f"{reference}_scaled", 0], low_threshold=_LOW_THRESHOLD, high_threshold=_HIGH_THRESHOLD
        )
        graph[f"{reference}_control"] = _node(
            "ControlNetApplyAdvanced",
            positive=positive,
            negative=negative,
            control_net=["controlnet", 0],
            image=[f"{reference}_edges", 0],
            strength=strength,
            start_percent=0.0,
            end_percent=1.0,
        )
        positive, negative = [f"{reference}_control", 0], [f"{reference}_control", 1]
    return graph, positive, negative


def _image_start(picture: ImageSettings) -> tuple[Graph, list[Any]]:
    """Encode the first reference; return the link to its latent."""
    name, _ = picture.references[0]
    graph = _scaled_reference(picture, "reference_1", name)
    graph["start"] = _node("VAEEncode", pixels=["reference_1_scaled", 0], vae=["checkpoint", 2])
    if picture.batch_size == 1:
        return graph, ["start", 0]
    graph["batch"] = _node("RepeatLatentBatch", samples=["start", 0], amount=picture.batch_size)
    return graph, ["batch", 0]


def _empty_latent(picture: ImageSettings) -> tuple[Graph, list[Any]]:
    latent = _node("EmptyLatentImage", width=picture.width, height=picture.height, batch_size=picture.batch_size)
    return {"empty": latent}, ["empty", 0]


def build_graph(picture: ImageSettings) -> Graph:
    """Build text to image, ControlNet, or image to image, depending on the references."""
    graph: Graph = {
        "checkpoint": _node("CheckpointLoaderSimple", ckpt_name=picture.checkpoint),
        "positive": _node("CLIPTextEncode", text=picture.prompt, clip=["checkpoint", 1]),
        "negative": _node("CLIPTextEncode", text=picture.negative_prompt, clip=["checkpoint", 1]),
    }
    positive, negative = ["positive", 0], ["negative", 0]
    if picture.references and picture.controlnet is not None:
        control, positive, negative = _controlnet_chain(picture)
        graph |= control
    starts = picture.references and picture.controlnet is None
    start_nodes, latent = _image_start(picture) if starts else _empty_latent(picture)
    graph |= start_nodes
    graph["sampler"] = _node(
        "KSampler",
        model=["checkpoint", 0],
        seed=picture.seed,
        steps=picture.steps,
        cfg=picture.cfg,
        sampler_name=picture.sampler,
        scheduler=picture.scheduler,
        positive=positive,
        negative=negative,
        latent_image=latent,
        denoise=picture.denoise,
    )
    graph["decode"] = _node("VAEDecode", samples=["sampler", 0], vae=["checkpoint", 2])
    graph["save"] = _node("SaveImage", images=["decode", 0], filename_prefix=OUTPUT_PREFIX)
    return graph


# Inputs of these graphs that a shot, or an override, may set.
_SLOTS: tuple[tuple[What, str, str], ...] = (
    ("prompt", "positive", "text"),
    ("negative_prompt", "negative", "text"),
    ("seed", "sampler", "seed"),
    ("width", "empty", "width"),
    ("height", "empty", "height"),
    ("batch_size", "empty", "batch_size"),
    ("batch_size", "batch", "amount"),
    ("checkpoint", "checkpoint", "ckpt_name"),
)
_RULE = "workflow settings"


def bindings_of(graph: Graph) -> tuple[Binding, ...]:
    """Return the bindings of a graph that was built here."""
    bindings = [Binding(what, node_id, name, _RULE) for what, node_id, name in _SLOTS if node_id in graph]
    pictures = [node_id for node_id, node in graph.items() if node["class_type"] == "LoadImage"]
    for node_id in pictures:
        controls = f"{node_id}_control" in graph
        bindings.append(Binding("reference", node_id, "image", _RULE, "control" if controls else "start"))
        scaled = f"{node_id}_scaled"
        bindings += [Binding("width", scaled, "width", _RULE), Binding("height", scaled, "height", _RULE)]
        strength = (f"{node_id}_control", "strength") if controls else ("sampler", "denoise")
        bindings.append(Binding("strength", *strength, _RULE))
    return (*bindings, Binding("output_prefix", "save", "filename_prefix", _RULE))
