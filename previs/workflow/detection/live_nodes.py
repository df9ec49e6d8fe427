"""Find the nodes that a graph's outputs depend on, output by output."""

from previs.comfyui.protocol.graph import links
from previs.workflow.binding.link_types import CONDITIONING, Wiring
from previs.workflow.binding.traversal import outputs_of, upstream
from previs.workflow.detection.text_sources import prompt_role


def live_nodes(wiring: Wiring) -> list[str]:
    """Return the nodes that outputs depend on, each after its sources.

    Of a node that takes a positive and a negative conditioning, each output depends on only one of them.
    """
    outputs = outputs_of(wiring.graph)
    needed: dict[str, set[int]] = {node_id: set() for node_id in outputs}
    order = upstream(wiring.graph, outputs)
    for node_id in reversed(order):
        if node_id not in needed:
            continue
        unneeded = _unneeded_role(wiring, node_id, needed[node_id])
        for name, source, output in links(wiring.graph[node_id]):
            if not unneeded or prompt_role(name) != unneeded:
                needed.setdefault(source, set()).add(output)
    return [node_id for node_id in order if node_id in needed]


def _unneeded_role(wiring: Wiring, node_id: str, outputs: set[int]) -> str:
    """Return the role that none of some outputs depends on, for a node that takes a pair; else nothing."""
    roles = {prompt_role(name) for name, _, _ in wiring.linked(node_id, CONDITIONING)}
    known = wiring.class_of(node_id)
    if known is None or not {"positive", "negative"} <= roles or len(outputs) != 1:
        return ""
    conditionings = [index for index, kind in enumerate(known.outputs) if kind == CONDITIONING]
    (output,) = outputs
    if output not in conditionings or len(conditionings) == 1:
        return ""
    return "negative" if output == conditionings[0] else "positive"
