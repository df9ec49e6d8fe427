"""Sort the frames of a take so that the shot's frame comes first; pure."""

from collections.abc import Sequence

from previs.comfyui.protocol.graph import Graph
from previs.records.takes import Frame
from previs.workflow import output_ranks


def shown_first(graph: Graph, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Return the frames by rank of their output nodes, of equals the largest first; one node's frames stay together.

    Frames of records of earlier versions, which name no node, stay in their order. A sound comes after pictures.
    """
    nodes = list(dict.fromkeys(frame.node for frame in frames))
    if len(nodes) <= 1:
        return tuple(frames)
    ranks = output_ranks(graph, [node for node in nodes if node])
    areas = {node: max(_area(frame) for frame in frames if frame.node == node) for node in nodes}
    sounds = {node: all(frame.kind == "audio" for frame in frames if frame.node == node) for node in nodes}

    def key(frame: Frame) -> tuple[bool, int, int, int]:
        rank = ranks.get(frame.node or "", len(nodes))
        return sounds[frame.node], rank, -areas[frame.node], nodes.index(frame.node)

    return tuple(sorted(frames, key=key))


def _area(frame: Frame) -> int:
    return (frame.width or 0) * (frame.height or 0)
