"""Find the output nodes whose files no client can fetch: nodes that only show or send, and foreign folders."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph, Node, is_link, readable
from previs.comfyui.protocol.input_check import format_value
from previs.comfyui.protocol.wire import as_text
from previs.errors import Fault
from previs.workflow.binding.traversal import NEVER_SAVE, OUTPUT_PREFIX, place_of, unused

Classes = Mapping[str, NodeClass | None]

SAVE_INSTEAD = "save with SaveImage, SaveVideo or the like"

# Besides those: ComfyUI 0.33.0's own, and nodes that are output nodes because they show a preview of what they hand on
# (Efficiency nodes, ComfyUI-Easy-Use).
_SHOW = NEVER_SAVE | {
    *("CreateBoundingBoxes", "ImageCompare", "ImageCompositor", "LossGraphNode", "Preview3D", "Preview3DAdvanced"),
    *("PreviewGaussianSplat", "PreviewPointCloud", "SAM3_TrackPreview"),
}
_HAND_ON = re.compile(r"KSampler.* \(Eff(iciency|icient|\.)\)|easy preSampling\w*|easy pre[A-Z]\w*")
_SHOW_NAME = re.compile(r"preview|^display|compare|^show", re.IGNORECASE)
_SEND_NAME = re.compile(r"websocket", re.IGNORECASE)

# Switches by which nodes save or not: VideoHelperSuite's save_output, and its like in other packs.
_SWITCHES = re.compile(r"save_(output|images?|video|files?|to_(output|disk)|result)|save")
_OFF = frozenset({"false", "no", "off", "disable", "disabled"})
# ComfyUI-Easy-Use's choice of Hide, Preview, Save, Hide/Save, Sender …; Impact's samplers have none.
_CHOICE = "image_output"
# WAS's Image Save names its files to clients only if it shows previews.
_NAMES_FILES = {"Image Save": "show_previews"}

_FOLDER = re.compile(
    r"(output_|save_|saved?_to_|base_|custom_|target_|absolute_|destination_)?"
    r"(path|folder|folder_?(path|name)|dir|directory|root|root_dir|file_?path|file_?name)",
    re.IGNORECASE,
)
_OUTSIDE = re.compile(r"[/~\\]|[A-Za-z]:[\\/]|\.\.([\\/]|$)|.*[\\/]\.\.([\\/]|$)")
_MAYBE_INSIDE = re.compile(r".*[\\/]outputs?([\\/]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unsaved:
    """Describe an output node whose files are not in the server's output folder, or are not named to clients.

    Attributes:
        input: Input that causes this; ``class_type`` if the class does.
        certain: Whether this is so on every server; a folder that is called ``output`` may be the server's own.
    """

    node_id: str
    input: str
    value: str
    remedy: str
    certain: bool = True

    def fault(self, graph: Graph) -> Fault:
        """Return the finding as a fault."""
        return Fault(place_of(graph, self.node_id), self.input, self.value, self.remedy)


def unsaved_outputs(graph: Graph, classes: Classes | None = None) -> list[Unsaved]:
    """Return the output nodes that save nothing where it can be fetched, in the order of the graph.

    The graph may be any JSON object: what is no node is left out, here and by :func:`saving_nodes`.
    """
    return _judged(graph, classes)[0]


def saving_nodes(graph: Graph, classes: Classes | None = None) -> list[str]:
    """Return the output nodes that save, or may save, as far as their inputs and classes show."""
    return _judged(graph, classes)[1]


def _judged(graph: Graph, classes: Classes | None = None) -> tuple[list[Unsaved], list[str]]:
    """Return what :func:`unsaved_outputs` and :func:`saving_nodes` do."""
    nodes, known = readable(graph), classes or {}
    outputs = _outputs(nodes, known)
    unsaved = [found for node_id in outputs for found in _unsaved(nodes, node_id, known)]
    lost = {each.node_id for each in unsaved if each.certain}
    return unsaved, [node_id for node_id in outputs if node_id not in lost]


def unsaved_notices(graph: Graph) -> Iterator[str]:
    """Yield a sentence for each output that is not kept, if another one is; else the graph cannot be rendered."""
    unsaved, saving = _judged(graph)
    if saving:
        for each in unsaved:
            yield f"not kept: {each.fault(graph)}" if each.certain else str(each.fault(graph))


def _outputs(graph: Graph, classes: Classes) -> list[str]:
    """Return the output nodes; if none is known to be one, the nodes that no node uses and that no server describes."""
    found = [node_id for node_id, node in graph.items() if _is_output(node, classes)]
    return found or [node_id for node_id in unused(graph) if classes.get(graph[node_id]["class_type"]) is None]


def _is_output(node: Node, classes: Classes) -> bool:
    """Return whether a node is an output node by its description, or else by its inputs or its name."""
    class_type, inputs = node["class_type"], node["inputs"]
    if (known := classes.get(class_type)) is not None:
        return known.is_output
    by_input = any(name in inputs for name in (OUTPUT_PREFIX, "save_output", _CHOICE))
    return by_input or class_type in _SHOW or bool(_SEND_NAME.search(class_type))


def _unsaved(graph: Graph, node_id: str, classes: Classes) -> Iterator[Unsaved]:
    """Yield the first reason why a node's files cannot be fetched."""
    node = graph[node_id]
    known = classes.get(node["class_type"])
    values = {**_defaults(known), **node["inputs"]}
    if remedy := _class_remedy(node["class_type"], values):
        yield Unsaved(node_id, "class_type", format_value(node["class_type"]), remedy)
        return
    for name, value in values.items():
        if is_link(value):
            continue
        if remedy := _switch_remedy(node["class_type"], name, value):
            yield Unsaved(node_id, name, format_value(value), remedy)
            return
        if _FOLDER.fullmatch(name) and _OUTSIDE.match(text := as_text(value).strip()):
            yield _outside(node_id, name, text)
            return


def _defaults(known: NodeClass | None) -> dict[str, Any]:
    """Return the values that a node takes where the graph has none."""
    return {name: rule.default for name, rule in known.inputs.items() if not rule.required} if known else {}


def _class_remedy(class_type: str, values: Mapping[str, Any]) -> str:
    if class_type not in _SHOW and OUTPUT_PREFIX in values:
        return ""
    if _SEND_NAME.search(class_type):
        return f"it sends its picture over the socket once and keeps no file: {SAVE_INSTEAD}"
    if class_type in _SHOW or _SHOW_NAME.search(class_type) or _HAND_ON.fullmatch(class_type):
        return f"it only shows its result and keeps no file: {SAVE_INSTEAD}"
    return ""


def _switch_remedy(class_type: str, name: str, value: object) -> str:
    off = value is False or (isinstance(value, str) and value.strip().lower() in _OFF)
    if off and _SWITCHES.fullmatch(name):
        return "the file goes to the server's temporary folder, or nowhere: set it to true"
    if off and _NAMES_FILES.get(class_type) == name:
        return "with this value the node does not name its files to clients: set it to true"
    if name == _CHOICE and isinstance(value, str) and "save" not in value.lower():
        return "with this value the node saves nothing: choose Save"
    return ""


def _outside(node_id: str, name: str, text: str) -> Unsaved:
    remedy = "it saves outside the server's output folder, from where no file can be fetched: give a folder within it"
    if _MAYBE_INSIDE.match(text):
        maybe = "its files can only be fetched if this is in the server's output folder: give a folder within it"
        return Unsaved(node_id, name, format_value(text), maybe, certain=False)
    return Unsaved(node_id, name, format_value(text), remedy)
