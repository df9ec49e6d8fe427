"""Write what is bound in a graph as rows of a table that a person reviews."""

from collections.abc import Callable, Iterator

from previs.comfyui.protocol.input_check import format_value
from previs.errors import WorkflowFaults
from previs.workflow import SavedGraph
from previs.workflow.binding.traversal import place_of

SECONDS = 3.0


def lines_of(name: str, read: Callable[[str], SavedGraph]) -> Iterator[str]:
    """Yield a graph's rows, or the faults that stop it."""
    yield f"## {name}"
    try:
        workflow = read(name)
    except WorkflowFaults as error:
        yield from (f"  {line}" for line in str(error).splitlines())
        return
    for each in workflow.bindings:
        if each.what != "output_prefix":
            what = f"{each.what} ({each.role})" if each.what == "reference" else each.what
            place = place_of(workflow.graph, each.node_id).removeprefix("node ")
            now = format_value(workflow.graph[each.node_id]["inputs"][each.input])[:40]
            yield f"  {what:24}{each.input:16}{place:52} {each.rule}: {now}"
    for gap in dict.fromkeys(workflow.gaps.values()):
        yield f"  no {', '.join(what for what, why in workflow.gaps.items() if why == gap)}: {gap}"
    if length_rule := workflow.length_rule:
        rate = workflow.graph[length_rule.rate[0]]["inputs"][length_rule.rate[1]] if length_rule.rate else 1
        yield f"  {SECONDS:g} s are {length_rule.value(SECONDS, rate)} {'frames' if length_rule.rate else 's'}"
