"""Check laws that hold for every file."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph, is_link
from previs.workflow.formats.editor import classes_in, convert
from tests.copies import copied

OWN = (-10, -20)


def renumbered(document: dict[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """Renumber every node and link, in the file and in its subgraphs."""
    made = copied(document)
    for graph in (made, *made.get("definitions", {}).get("subgraphs", ())):
        for node in graph["nodes"]:
            node["id"] = numbers[node["id"]]
            for socket in node.get("inputs", ()):
                socket["link"] = None if socket["link"] is None else numbers[socket["link"]]
        graph["links"] = [_renumbered_link(link, numbers) for link in graph["links"]]
        for socket in (*graph.get("inputs", ()), *graph.get("outputs", ())):
            socket["linkIds"] = [numbers[link] for link in socket["linkIds"]]
    return made


def _renumbered_link(link: Any, numbers: Mapping[int, int]) -> Any:
    if isinstance(link, dict):
        ends = {key: link[key] for key in ("id", "origin_id", "target_id")}
        return link | {key: end if end in OWN else numbers[end] for key, end in ends.items()}
    return [numbers[link[0]], numbers[link[1]], link[2], numbers[link[3]], *link[4:]]


def shuffled(document: dict[str, Any], order: random.Random) -> dict[str, Any]:
    made = copied(document)
    for graph in (made, *made.get("definitions", {}).get("subgraphs", ())):
        order.shuffle(graph["nodes"])
        order.shuffle(graph["links"])
    order.shuffle(made.get("definitions", {}).get("subgraphs", []))
    return made


def with_ids(graph: Graph, numbers: Mapping[int, int]) -> Graph:
    def other(node_id: str) -> str:
        return ":".join(str(numbers[int(part)]) for part in node_id.split(":"))

    return {
        other(node_id): {
            **node,
            "inputs": {
                name: [other(value[0]), value[1]] if is_link(value) else value for name, value in node["inputs"].items()
            },
        }
        for node_id, node in graph.items()
    }


@pytest.fixture(scope="module")
def convertible(
    templates: Mapping[str, dict[str, Any]], object_info: dict[str, Any]
) -> list[tuple[dict[str, Any], Mapping[str, NodeClass]]]:
    found = []
    for document in templates.values():
        names = classes_in(document)
        if names <= object_info.keys():
            found.append((document, {name: read_class(name, object_info[name]) for name in names}))
    return found


@given(index=st.integers(0, 100), seed=st.integers(0, 2**32), text_ids=st.booleans())
@settings(max_examples=100, deadline=None)
def test_conversion_is_stable_under_renumbered_ids_and_reordered_nodes(
    convertible: list[tuple[dict[str, Any], Mapping[str, NodeClass]]],
    index: int,
    seed: int,
    text_ids: bool,  # noqa: FBT001 - drawn
) -> None:
    document, classes = convertible[index]
    order = random.Random(seed)
    numbers = order.sample(range(5000), 5000)
    changed = shuffled(renumbered(document, dict(enumerate(numbers))), order)
    if text_ids:
        for node in changed["nodes"]:
            node["id"] = str(node["id"])
    before = convert(document, classes, name="before").graph
    assert convert(changed, classes, name="after").graph == with_ids(before, dict(enumerate(numbers)))


@given(index=st.integers(0, 100), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_reroute_in_any_link_changes_nothing(
    convertible: list[tuple[dict[str, Any], Mapping[str, NodeClass]]], index: int, data: st.DataObject
) -> None:
    document, classes = convertible[index]
    changed = copied(document)
    link = data.draw(st.sampled_from(changed["links"]))
    into = [9001, link[1], link[2], 9000, 0, link[5]]
    link[1:3] = [9000, 0]
    changed["links"].append(into)
    changed["nodes"].append(
        {
            "id": 9000,
            "type": "Reroute",
            "mode": 0,
            "inputs": [{"name": "", "type": "*", "link": 9001}],
            "outputs": [{"name": "", "type": link[5], "links": [link[0]]}],
        }
    )
    assert convert(changed, classes, name="after") == convert(document, classes, name="before")
