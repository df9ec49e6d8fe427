"""Find what a graph's picture shows, by following the graph's links; draw nothing."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.graph import Graph, Node, is_link, links
from previs.simulator.schedule import LOADERS

Size = tuple[int, int]

Value = Any
"""Any JSON value."""

DEFAULT_SIZE: Size = (512, 512)

_TEXTS = ("text", "t5xxl", "text_g", "text_l", "clip_l", "clip_g", "prompt")
_CONDITIONINGS = ("positive", "guider", "conditioning", "conditioning_1", "conditioning_to", "cond1")
_PICTURES = ("images", "image", "image1", "samples", "pixels", "latent_image", "latent", "video", "mask")
_NO_PICTURE_IN = frozenset({"model", "clip", "vae", "control_net", "negative", "text"})
_UPSCALE_MODEL_FACTOR = 4


@dataclass(frozen=True, slots=True)
class Reference:
    """Represent an uploaded picture that guides a sampler, perhaps only by its edges; its strength may exceed 1."""

    file: str
    strength: float
    edges: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Describe one picture, or a batch of pictures, before it is drawn.

    Attributes:
        seed: Seed of the last sampler; None if nothing was sampled.
        text: Positive prompt.
        references: Pictures that guide the sampler.
        file: Input file that the picture copies, if nothing was sampled.
        edges: Whether the file was reduced to its edges.
        color: 24 bits of RGB, if the picture is a plain surface.
        fps: Pictures per second of a video.
        flat: 24 bits of RGB, if all of the picture is to be one colour, whatever the graph says.
        frozen: Whether all pictures of the batch are the first.
    """

    size: Size = DEFAULT_SIZE
    batch: int = 1
    seed: int | None = None
    text: str = ""
    references: tuple[Reference, ...] = ()
    file: str | None = None
    edges: bool = False
    color: int | None = None
    fps: float = 24.0
    flat: int | None = field(default=None, repr=False)
    frozen: bool = field(default=False, repr=False)


def is_sampler(node: Node) -> bool:
    """Return whether a node denoises a latent in steps."""
    return "latent_image" in node["inputs"] and not {"seed", "noise_seed", "noise"}.isdisjoint(node["inputs"])


def prompt_text(graph: Graph) -> str:
    """Return all texts of a graph, one a line."""
    return "\n".join(value for node in graph.values() for value in node["inputs"].values() if isinstance(value, str))


@dataclass(slots=True)
class Reading:
    """Read a valid graph, whose values have the right types, backwards from its outputs."""

    graph: Graph
    size_of: Callable[[str], Size]

    def scene(self, node_id: str) -> Scene:
        """Return the picture that a node outputs; an empty surface if the graph has no picture before it."""
        node = self.graph[node_id]
        inputs = node["inputs"]
        if node["class_type"] in LOADERS:
            return Scene(file=inputs["image"], size=self.size_of(inputs["image"]))
        if is_sampler(node):
            return self._sampled(node)
        source = _first(node, _PICTURES)
        before = self.scene(source) if source else Scene(batch=self._integer(node, "batch_size", 1))
        return self._changed(node, before)

    def steps(self, node_id: str) -> int:
        """Return the number of a sampler's steps, from its own input or from the scheduler before it."""
        return max(1, self._integer(self.graph[node_id], "steps", 0) or self._steps_before(node_id))

    def _steps_before(self, node_id: str) -> int:
        source = _first(self.graph[node_id], ("sigmas",))
        return self._integer(self.graph[source], "steps", 0) or self._steps_before(source) if source else 1

    def _sampled(self, node: Node) -> Scene:
        latent = _first(node, ("latent_image",))
        base = self.scene(latent) if latent is not None else Scene()
        denoise = node["inputs"].get("denoise", 1.0)
        kept = 1 - float(denoise) if isinstance(denoise, int | float) else 0.0
        own = (Reference(base.file, kept, edges=False),) if base.file else ()
        guiding = {reference.file: reference for reference in self._references(node)}
        return dataclasses.replace(
            base,
            seed=self._seed(node),
            text=self._text(node) or base.text,
            references=own + base.references + tuple(guiding.values()),
            file=None,
            color=None,
        )

    def _changed(self, node: Node, scene: Scene) -> Scene:
        width, height = self._integer(node, "width", 0), self._integer(node, "height", 0)
        size = (width, height) if width and height else _scaled(scene.size, self._factor(node, scene))
        amount, length = self._integer(node, "amount", 1), self._integer(node, "length", scene.batch)
        color = node["inputs"].get("color")
        fps = node["inputs"].get("fps")
        return dataclasses.replace(
            scene,
            size=size,
            batch=max(1, min(length, scene.batch) * amount),
            edges=scene.edges or node["class_type"] == "Canny",
            color=color if isinstance(color, int) else scene.color,
            fps=float(fps) if isinstance(fps, int | float) else scene.fps,
        )

    def _factor(self, node: Node, scene: Scene) -> float:
        inputs = node["inputs"]
        if "upscale_model" in inputs:
            return _UPSCALE_MODEL_FACTOR
        if isinstance(inputs.get("megapixels"), int | float):
            return float((inputs["megapixels"] * 1024 * 1024 / (scene.size[0] * scene.size[1])) ** 0.5)
        if isinstance(inputs.get("largest_size"), int):
            return float(inputs["largest_size"] / max(scene.size))
        scale = inputs.get("scale_by", 1.0)
        return float(scale) if isinstance(scale, int | float) else 1.0

    def _value(self, value: Value, depth: int = 8) -> Value:
        while is_link(value) and depth:
            source = self.graph[value[0]]["inputs"]
            if "string_a" in source:
                parts = (self._value(source[name], depth - 1) for name in ("string_a", "string_b"))
                return str(source.get("delimiter", "")).join(str(part) for part in parts)
            value, depth = source.get("value"), depth - 1
        return value

    def _integer(self, node: Node, name: str, default: int) -> int:
        value = self._value(node["inputs"].get(name))
        return value if isinstance(value, int) else default

    def _seed(self, node: Node) -> int:
        source = _first(node, ("noise",))
        node = self.graph[source] if source else node
        return self._integer(node, "seed", 0) or self._integer(node, "noise_seed", 0)

    def _text(self, node: Node) -> str:
        texts = [self._value(node["inputs"].get(name)) for name in _TEXTS]
        own = next((text for text in texts if isinstance(text, str) and text.strip()), "")
        source = _first(node, _CONDITIONINGS)
        return own.strip() if own else self._text(self.graph[source]) if source else ""

    def _references(self, sampler: Node) -> Iterator[Reference]:
        source = _first(sampler, _CONDITIONINGS)
        queue: list[tuple[str, float, bool]] = [(source, 1.0, False)] if source else []
        seen: set[str] = set()
        while queue:
            node_id, strength, edges = queue.pop()
            node = self.graph[node_id]
            if node["class_type"] in LOADERS:
                yield Reference(node["inputs"]["image"], strength, edges)
            own = node["inputs"].get("strength")
            strength = float(own) if isinstance(own, int | float) else strength
            edges = edges or node["class_type"] == "Canny"
            before = [found for name, found, _ in links(node) if name not in _NO_PICTURE_IN and found not in seen]
            seen.update(before)
            queue += [(found, strength, edges) for found in before]


def _first(node: Node, names: tuple[str, ...]) -> str | None:
    return next((value[0] for name in names if is_link(value := node["inputs"].get(name))), None)


def _scaled(size: Size, factor: float) -> Size:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
