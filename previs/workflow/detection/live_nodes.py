"""Find the nodes that a graph's outputs depend on, output by output."""

from collections.abc import Iterable, Iterator

from previs.comfyui.protocol.graph import links
from previs.workflow.binding.link_types import CONDITIONING, ORDINARY, Wiring
from previs.workflow.binding.traversal import outputs_of, upstream
from previs.workflow.detection.text_sources import prompt_role
from previs.workflow.detection.texts import conditioning_inputs, has_pipes

_Need = tuple[int, str]
"""An output that is needed, and the role of the conditioning needed of a pipe; empty for all that it carries."""


def live_nodes(wiring: Wiring) -> list[str]:
    """Return the nodes that outputs depend on, each after its sources.

    Of a node that takes a positive and a negative conditioning, each output depends on only one of them; and of a pipe
    from which only conditioning is taken, only on what makes that.
    """
    outputs = outputs_of(wiring.graph)
    needed: dict[str, set[_Need]] = {node_id: set() for node_id in outputs}
    order = upstream(wiring.graph, outputs)
    for node_id in reversed(order):
        if node_id in needed:
            for source, need in _needs(wiring, node_id, needed[node_id]):
                needed.setdefault(source, set()).add(need)
    return [node_id for node_id in order if node_id in needed]


def _needs(wiring: Wiring, node_id: str, wanted: set[_Need]) -> Iterator[tuple[str, _Need]]:
    """Yield the sources of what is wanted of a node, with what is needed of each."""
    known = wiring.class_of(node_id)
    kinds = {need: known.outputs[need[0]] for need in wanted if known and need[0] < len(known.outputs)}
    from_pipes = [need for need in wanted if _is_piped(wiring, node_id, need[1], kinds.get(need, ""))]
    for output, role in from_pipes:
        role_before, names = conditioning_inputs(wiring, node_id, output, role or "positive")
        for name in names:
            source, index = wiring.value((node_id, name))
            yield source, (index, role_before)
    if wanted and len(from_pipes) == len(wanted):
        return
    unneeded = _unneeded_role(wiring, node_id, {output for output, _ in wanted})
    for name, source, output in links(wiring.graph[node_id]):
        if not unneeded or prompt_role(name) != unneeded:
            yield source, (output, "")


def _is_piped(wiring: Wiring, node_id: str, role: str, kind: str) -> bool:
    """Return whether only conditioning is wanted of what a node takes from a pipe, or puts into one."""
    takes = kind == CONDITIONING and has_pipes(wiring, node_id)
    return takes or bool(role and kind and kind not in ORDINARY)


def _unneeded_role(wiring: Wiring, node_id: str, outputs: Iterable[int]) -> str:
    """Return the role that none of some outputs depends on, for a node that takes a pair; else nothing."""
    roles = {prompt_role(name) for name, _, _ in wiring.linked(node_id, CONDITIONING)}
    known = wiring.class_of(node_id)
    if known is None or not {"positive", "negative"} <= roles:
        return ""
    conditionings = [index for index, kind in enumerate(known.outputs) if kind == CONDITIONING]
    wanted = set(outputs)
    if len(conditionings) == 1 or not wanted or not wanted <= set(conditionings):
        return ""
    first = conditionings[0] in wanted
    return "" if first and len(wanted) > 1 else "negative" if first else "positive"
