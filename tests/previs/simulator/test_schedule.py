"""Nodes run in ComfyUI's order, and only those without a cached result."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.graph import links
from previs.simulator import VersionName, validate
from previs.simulator.schedule import order, signatures
from tests.previs.simulator.protocol_checks import is_accepted, runs
from tests.previs.simulator.sessions import SCENARIOS, object_info, recorded, text_to_image

INFO = {"Part": {"output_node": False}, "Save": {"output_node": True}}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw graphs without a cycle, whose last node is an output."""
    size = draw(st.integers(1, 8))
    graph: dict[str, Any] = {}
    for number in range(size):
        sources = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        inputs = {f"input{place}": [str(source), 0] for place, source in enumerate(sources)}
        graph[str(number)] = {"class_type": "Part", "inputs": {"value": draw(st.integers(0, 2)), **inputs}}
    graph[str(size - 1)]["class_type"] = "Save"
    return graph


def no_files(_: str) -> str:
    return ""


def recorded_runs() -> Iterator[tuple[VersionName, dict[str, Any], list[str], list[str]]]:
    """Yield for each recorded run its version, graph and cached nodes, and the nodes that ran, in order."""
    for version, scenario in SCENARIOS:
        session = recorded(scenario, version)
        graphs = [event["json"]["prompt"] for event in session if is_accepted(event)]
        for frames, is_whole in runs(session):
            if is_whole:
                cached = next(frame["data"]["nodes"] for frame in frames if frame.get("type") == "execution_cached")
                told = [frame["data"]["node"] for frame in frames if frame.get("type") == "executing"]
                yield version, graphs.pop(0), cached, [node for node in told if node is not None]


@pytest.mark.parametrize(("version", "graph", "cached", "ran"), list(recorded_runs()))
def test_nodes_run_in_the_recorded_order(
    version: VersionName, graph: dict[str, Any], cached: list[str], ran: list[str]
) -> None:
    info = object_info(version)
    result = validate(graph, info, input_files={"broken.png", "storyboard/hero.png"})
    outputs = sorted(result.outputs, key=lambda output: ran.index(output) if output in ran else 0)
    expected = [node for node in order(graph, tuple(outputs), info, cached) if node not in cached]
    assert ran == expected[: len(ran)]
    assert len(ran) == len(expected) or set(ran).isdisjoint(result.outputs)


@given(graph=graphs(), data=st.data())
def test_a_node_runs_once_and_after_all_it_needs(graph: dict[str, Any], data: st.DataObject) -> None:
    last = str(len(graph) - 1)
    cached = data.draw(st.sets(st.sampled_from(sorted(graph))))
    ran = list(order(graph, (last,), INFO, cached))
    assert len(ran) == len(set(ran))
    assert ran[-1] == last
    assert set(ran).isdisjoint(cached - {last})
    if last not in cached:
        for place, node in enumerate(ran):
            assert {source for _, source, _ in links(graph[node])} <= {*ran[:place], *cached}


@given(graph=graphs())
def test_signatures_do_not_depend_on_node_ids(graph: dict[str, Any]) -> None:
    renamed = {
        f"n{node_id}": {
            "class_type": node["class_type"],
            "inputs": {n: [f"n{v[0]}", v[1]] if isinstance(v, list) else v for n, v in node["inputs"].items()},
        }
        for node_id, node in graph.items()
    }
    last = str(len(graph) - 1)
    known, same = signatures(graph, (last,), no_files), signatures(renamed, (f"n{last}",), no_files)
    assert {f"n{node}": signature for node, signature in known.items()} == same


def test_a_changed_value_changes_its_node_and_those_after_it() -> None:
    one, other = (signatures(text_to_image(seed=seed), ("9",), no_files) for seed in (1, 2))
    assert {node for node in one if one[node] != other[node]} == {"3", "8", "9"}


def test_other_bytes_in_an_input_file_change_the_signature() -> None:
    graph: dict[str, Any] = {"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}
    assert signatures(graph, ("1",), lambda _: "x") != signatures(graph, ("1",), lambda _: "y")
