"""Check the bindings of ComfyUI's own templates against a reviewed table, and laws that hold for all of them.

``REWRITE_GOLDEN=1 pytest tests/previs/workflow/test_templates_bound.py`` rewrites the table.
"""

import contextlib
import functools
import importlib.metadata
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph, is_link
from previs.errors import WorkflowFaults
from previs.workflow import PlacedReference, SavedGraph, ShotValues, read_bindings
from previs.workflow.formats.editor import classes_in, convert
from previs.workflow.saved import read_graph
from tests.copies import copied
from tests.previs.workflow.tables import table_lines

GOLDEN = Path(__file__).parent / "golden" / "bindings.txt"
OBJECT_INFO = Path(__file__).parents[2] / "recordings" / "object_info.json"


@functools.cache
def classes() -> dict[str, NodeClass]:
    return {name: read_class(name, detected) for name, detected in json.loads(OBJECT_INFO.read_text("utf-8")).items()}


@functools.cache
def templates() -> dict[str, Graph]:
    """Return the templates whose classes the recorded server has, by name."""
    found = {}
    for file in importlib.metadata.files("comfyui-workflow-templates") or ():
        if file.suffix != ".json":
            continue
        document = json.loads(Path(str(file.locate())).read_text("utf-8"))
        if isinstance(document, dict) and "nodes" in document and classes_in(document) <= classes().keys():
            found[file.stem] = convert(document, classes(), name=file.stem).graph
    return dict(sorted(found.items()))


# Templates that stop with the lines that settle them.
AMBIGUOUS = (
    "area_composition",
    "area_composition_square_area_for_subject",
    "hidream_e1_1",
    "image_lotus_depth_v1_1",
    "latent_upscale_different_prompt_model",
    "sdxl_refiner_prompt_example",
)
READABLE = sorted(set(re.findall(r"^## (.*)$", GOLDEN.read_text("utf-8"), re.MULTILINE)) - set(AMBIGUOUS))
NAMES = st.sampled_from(READABLE)


def read(name: str, graph: Graph | None = None, **how: Any) -> SavedGraph:
    return read_graph(graph or templates()[name], name=f"{name}.json", known=[], **({"classes": classes()} | how))


@functools.cache
def as_saved(name: str) -> SavedGraph:
    """Read a template once for all tests."""
    return read(name)


def test_what_is_bound_in_the_templates_is_what_a_person_would_choose() -> None:
    table = "\n".join(line for name in templates() for line in table_lines(name, as_saved)) + "\n"
    if os.environ.get("REWRITE_GOLDEN"):
        GOLDEN.write_text(table, "utf-8")
    assert table == GOLDEN.read_text("utf-8")


def test_all_but_a_few_templates_are_unambiguous() -> None:
    assert len(templates()) == 101
    assert sorted(templates()) == sorted([*READABLE, *AMBIGUOUS])
    for name in READABLE:
        as_saved(name)


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_the_lines_in_a_fault_resolve_it(name: str) -> None:
    with pytest.raises(WorkflowFaults) as caught:
        read(name)
    (fault,) = caught.value.faults
    yaml_block = "\n".join(
        line.removeprefix("      ") for line in fault.remedy.splitlines() if line.startswith("      ")
    )
    explicit = read_bindings(yaml_block.encode(), name="x.bindings.yaml")
    key = next(iter(explicit.addresses))
    assert [each.rule for each in read(name, explicit=explicit).bindings if each.what == key] == ["bindings file"][
        : len(explicit.addresses[key])
    ]


@pytest.mark.parametrize("name", READABLE)
def test_templates_are_read_alike_without_a_server(name: str) -> None:
    assert detected(read(name, classes={})) == detected(as_saved(name))


def detected(workflow: SavedGraph) -> tuple[Any, ...]:
    return workflow.bindings, workflow.gaps, workflow.strengths, workflow.length_rule


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
sizes = st.none() | st.integers(2, 256).map(lambda eighth: eighth * 8)
values = st.builds(
    ShotValues,
    words,
    st.none(),
    st.integers(0, 2**64 - 1),
    duration=st.none() | st.floats(0.1, 60),
)


def bindable(workflow: SavedGraph, drawn: ShotValues, data: st.DataObject) -> ShotValues:
    """Return the values that the graph can take."""
    if "width" not in workflow.gaps:
        drawn = replace(drawn, width=data.draw(sizes), height=data.draw(sizes))
    if "negative_prompt" not in workflow.gaps:
        drawn = replace(drawn, negative_prompt=data.draw(st.none() | words))
    places = [each for each in workflow.bindings if each.what == "reference"]
    filled = data.draw(st.lists(st.sampled_from(range(len(places))), unique=True)) if places else []
    references = tuple(PlacedReference(f"previs/{i}.png", f"ref_{i}", role=places[i].role) for i in sorted(filled))
    return replace(drawn, references=references)


def values_of(graph: Graph) -> dict[tuple[str, str], Any]:
    return {(node_id, name): value for node_id, node in graph.items() for name, value in node["inputs"].items()}


@settings(deadline=None)
@given(NAMES, values, st.data())
def test_binding_changes_nothing_but_what_it_names(name: str, drawn: ShotValues, data: st.DataObject) -> None:
    workflow, before = as_saved(name), copied(templates()[name])
    drawn = bindable(workflow, drawn, data)
    bound = workflow.bind(drawn)
    assert workflow.graph == before
    report = {(row.node_id, row.input): row for row in workflow.report(drawn).rows}
    for slot, value in values_of(bound).items():
        if value != values_of(before)[slot]:
            assert report[slot].to_come == value
            assert report[slot].now == values_of(before)[slot]
    assert {i: node["class_type"] for i, node in bound.items()} == {i: n["class_type"] for i, n in before.items()}


@settings(deadline=None)
@given(NAMES, values, st.data())
def test_binding_twice_is_binding_once(name: str, drawn: ShotValues, data: st.DataObject) -> None:
    workflow = as_saved(name)
    drawn = bindable(workflow, drawn, data)
    once = workflow.bind(drawn)
    assert read(name, once).bind(drawn) == once


@settings(deadline=None)
@given(NAMES, st.data())
def test_binding_is_stable_under_renumbered_nodes_in_any_order(name: str, data: st.DataObject) -> None:
    graph = templates()[name]
    numbers = data.draw(st.permutations(range(len(graph))))
    renamed = {node_id: str(number + 1) for node_id, number in zip(graph, numbers, strict=True)}
    shuffled = {
        renamed[node_id]: with_links(graph[node_id], renamed) for node_id in data.draw(st.permutations(list(graph)))
    }
    assert meaning(read(name, shuffled), {}) == meaning(as_saved(name), renamed)


def with_links(node: Any, renamed: Mapping[str, str]) -> Any:
    inputs = {
        name: [renamed[value[0]], value[1]] if is_link(value) else value for name, value in node["inputs"].items()
    }
    return node | {"inputs": inputs}


def meaning(workflow: SavedGraph, renamed: Mapping[str, str]) -> set[Any]:
    bound = {(b.what, renamed.get(b.node_id, b.node_id), b.input, b.role, b.factor) for b in workflow.bindings}
    return bound | {(what,) for what in workflow.gaps}


@pytest.mark.parametrize("name", READABLE)
def test_reading_back_the_bindings_that_were_written_gives_the_same(name: str) -> None:
    workflow = as_saved(name)
    text = workflow.bindings_text()
    again = read(name, explicit=read_bindings(text.encode(), name="x.bindings.yaml"))
    assert [replace(each, rule="") for each in again.bindings] == [replace(each, rule="") for each in workflow.bindings]
    assert again.bindings_text() == text
    assert again.strengths == workflow.strengths
    assert again.length_rule == workflow.length_rule


ODD = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([10**400, -(10**400), 1e308, [], {}, [1], "", [["a"]]])
)


@settings(deadline=None, max_examples=300)
@given(NAMES, st.data(), values)
def test_a_graph_with_odd_values_is_bound_or_refused_with_a_reason(
    name: str, data: st.DataObject, drawn: ShotValues
) -> None:
    graph = copied(templates()[name])
    links = st.tuples(st.sampled_from(list(graph)), st.integers(0, 5)).map(list)
    for slot in data.draw(st.lists(st.sampled_from(list(values_of(graph))), max_size=6)):
        graph[slot[0]]["inputs"][slot[1]] = data.draw(ODD | links)
    drawn = replace(drawn, width=512, height=512, references=(PlacedReference("a.png", "a"),))
    with contextlib.suppress(WorkflowFaults):
        workflow = read(name, graph, classes=data.draw(st.sampled_from([classes(), {}])))
        workflow.report()
        assert workflow.bindings_text()
        workflow.report(drawn)
