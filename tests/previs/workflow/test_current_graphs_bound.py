"""Check the bindings of the local graphs that ComfyUI 0.33.0's own editor exports against a reviewed table.

``REWRITE_GOLDEN=1 pytest tests/previs/workflow/test_current_graphs_bound.py`` rewrites the table.
"""

import functools
import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import WorkflowFaults
from previs.workflow import SavedGraph, ShotValues, read_bindings, saving_nodes
from previs.workflow.saved import read_graph
from tests.previs.workflow.tables import table_lines

GOLDEN = Path(__file__).parent / "golden" / "bindings-0.33.0.txt"
RECORDINGS = Path(__file__).parents[2] / "recordings-0.33.0"
STOPPED = re.findall(r"^  (\S+) cannot be used:$", GOLDEN.read_text("utf-8"), re.MULTILINE) if GOLDEN.exists() else []


@functools.cache
def object_info() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(gzip.decompress((RECORDINGS / "object_info.json.gz").read_bytes()))
    return content


@functools.cache
def classes() -> dict[str, NodeClass]:
    return {name: read_class(name, each) for name, each in object_info().items()}


@functools.cache
def graphs() -> dict[str, Graph]:
    """Return the exported graphs that save something and need no paid service, by name."""
    lines = gzip.decompress((RECORDINGS / "exported.jsonl.gz").read_bytes()).splitlines()
    exported = {each["name"]: each["graph"] for each in map(json.loads, lines)}
    return {name: graph for name, graph in sorted(exported.items()) if not serviced(graph) and saving_nodes(graph)}


def serviced(graph: Graph) -> bool:
    return any(object_info().get(node["class_type"], {}).get("api_node") for node in graph.values())


def read(name: str, graph: Graph | None = None, **how: Any) -> SavedGraph:
    return read_graph(graph or graphs()[name], name=name, known=[], **({"classes": classes()} | how))


@functools.cache
def as_exported(name: str) -> SavedGraph:
    """Read a graph once for all tests."""
    return read(name)


def test_what_is_bound_is_what_a_person_would_choose() -> None:
    table = "\n".join(line for name in graphs() for line in table_lines(name, as_exported)) + "\n"
    if os.environ.get("REWRITE_GOLDEN"):
        GOLDEN.write_text(table, "utf-8")
    assert table == GOLDEN.read_text("utf-8")


def test_nearly_all_graphs_bind_without_a_question() -> None:
    bound: list[SavedGraph] = []
    for name in graphs():
        try:
            bound.append(as_exported(name))
        except WorkflowFaults:
            assert name in STOPPED
    wordless = [each for each in bound if "prompt" in each.gaps]
    print(f"{len(bound)} of {len(graphs())} local graphs bind, {len(wordless)} of them without a prompt")  # noqa: T201 - shown with -s
    assert len(graphs()) == 150
    assert len(bound) >= 0.92 * len(graphs())
    assert len(wordless) == 14


def test_two_prompts_make_two_graphs_or_a_notice() -> None:
    for name in graphs().keys() - set(STOPPED):
        workflow = as_exported(name)
        one, other = (workflow.bind(ShotValues(prompt, None, 1)) for prompt in ("a boat", "a city"))
        notices = workflow.report(ShotValues("a boat", None, 1)).notices
        assert (one == other) == ("prompt is not used: the graph takes no text" in notices), name


@pytest.mark.parametrize("name", STOPPED)
def test_the_lines_in_the_faults_resolve_them(name: str) -> None:
    with pytest.raises(WorkflowFaults) as caught:
        read(name)
    found = [line.strip() for fault in caught.value.faults for line in fault.remedy.splitlines() if line[:6].isspace()]
    lines = dict.fromkeys(line for line in found if not line.startswith("#"))
    explicit = read_bindings("\n".join(lines).encode(), name="x.bindings.yaml")
    workflow = read(name, explicit=explicit)
    stated = {f"{each.node_id}.{each.input}" for each in workflow.bindings if each.rule == "bindings file"}
    assert stated == {address for addresses in explicit.addresses.values() for address in addresses}


def test_bindings_that_were_written_read_back_alike() -> None:
    for name in graphs().keys() - set(STOPPED):
        workflow = as_exported(name)
        again = read(name, explicit=read_bindings(workflow.bindings_text().encode(), name="x.bindings.yaml"))
        assert {(each.what, each.slot) for each in again.bindings} == {(b.what, b.slot) for b in workflow.bindings}
        assert again.bindings_text() == workflow.bindings_text()
