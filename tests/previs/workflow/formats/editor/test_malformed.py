"""Check that damaged and malicious files are refused clearly and quickly."""

import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.errors import Fault, WorkflowFaults
from previs.workflow.formats.editor import classes_in, convert
from tests.copies import copied
from tests.previs.workflow.formats.editor.drawings import Drawing

Classes = Mapping[str, NodeClass]
ENCODE = {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a cat"]}


def refusal_of(document: dict[str, Any], classes: Mapping[str, NodeClass | None]) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        convert(document, classes, name="the file")
    assert caught.value.source == "the file"
    assert all(fault.remedy for fault in caught.value.faults)
    return caught.value.faults


@pytest.mark.parametrize(
    ("content", "place", "field", "words"),
    [
        ({"nodes": {}}, "the file", "nodes", "list of nodes"),
        ({"nodes": ["node"]}, "entry 1 of the nodes", "", "not a node"),
        ({"nodes": [{"type": "CLIPTextEncode"}]}, "entry 1 of the nodes", "id", "needs an id"),
        ({"nodes": [{**ENCODE, "id": True}]}, "entry 1 of the nodes", "id", "needs an id"),
        ({"nodes": [{"id": 6}]}, "node 6", "type", "name of its class"),
        ({"nodes": [{**ENCODE, "type": 7}]}, "node 6", "type", "name of its class"),
        ({"nodes": [ENCODE, {**ENCODE, "id": "6"}]}, "node 6", "id", "occurs twice"),
        ({"nodes": [{**ENCODE, "widgets_values": "a cat"}]}, "node 6 (CLIPTextEncode)", "widgets_values", "a list"),
        ({"nodes": [{**ENCODE, "inputs": {"clip": 1}}]}, "node 6 (CLIPTextEncode)", "inputs", "a list"),
        ({"nodes": [{**ENCODE, "inputs": [{"link": 1}]}]}, "node 6 (CLIPTextEncode)", "inputs", "needs a name"),
        (
            {"nodes": [{**ENCODE, "inputs": [{"name": "clip", "link": [1]}]}]},
            "node 6 (CLIPTextEncode)",
            "clip",
            "not the id of a link",
        ),
        ({"nodes": [{**ENCODE, "outputs": 5}]}, "node 6 (CLIPTextEncode)", "outputs", "a list"),
        ({"nodes": [{**ENCODE, "properties": []}]}, "node 6 (CLIPTextEncode)", "properties", "an object"),
        ({"nodes": [ENCODE], "links": {}}, "the file", "links", "a list"),
        ({"nodes": [ENCODE], "links": [[1, 2]]}, "the file", "links", "not a link"),
        ({"nodes": [ENCODE], "links": [{"id": 1}]}, "the file", "links", "not a link"),
        ({"nodes": [ENCODE], "links": [[1, 4, -1, 6, 0, "CLIP"]]}, "the file", "links", "not a link"),
        ({"nodes": [ENCODE], "definitions": []}, "the file", "definitions", "an object"),
        ({"nodes": [ENCODE], "definitions": {"subgraphs": {}}}, "the file", "definitions, subgraphs", "a list"),
        (
            {"nodes": [ENCODE], "definitions": {"subgraphs": [1]}},
            "the file",
            "definitions, subgraphs",
            "not a subgraph",
        ),
        ({"nodes": [], "definitions": {"subgraphs": [{"nodes": []}]}}, "subgraph null", "id", "a unique id"),
        (
            {"nodes": [], "definitions": {"subgraphs": [{"id": "s", "name": "S", "nodes": 1}]}},
            'subgraph "S"',
            "nodes",
            "list of nodes",
        ),
        (
            {"nodes": [], "definitions": {"subgraphs": [{"id": "s", "nodes": [], "inputs": [{}]}]}},
            'subgraph "s"',
            "inputs",
            "needs a name",
        ),
    ],
)
def test_a_part_of_the_wrong_form_is_named_by_its_place(
    classes: Classes, content: dict[str, Any], place: str, field: str, words: str
) -> None:
    (fault,) = refusal_of({"links": [], "version": 0.4} | content, classes)
    assert (fault.place, fault.field) == (place, field)
    assert words in fault.remedy
    assert isinstance(classes_in({"links": [], "version": 0.4} | content), frozenset)


def test_all_faults_are_reported_at_once(classes: Classes) -> None:
    faults = refusal_of({"nodes": [5, {"id": 6}, {**ENCODE, "inputs": 5}], "links": 5}, classes)
    assert [fault.place for fault in faults] == [
        "entry 1 of the nodes",
        "node 6",
        "node 6 (CLIPTextEncode)",
        "the file",
    ]


def test_a_link_that_the_file_does_not_have_is_named(drawing: Drawing, classes: Classes) -> None:
    drawing.node(6, "CLIPTextEncode", ["a cat"], (("clip", "CLIP", (4, 1)),), "CONDITIONING", title="Prompt")
    drawing.node(3, "ConditioningZeroOut", [], (("conditioning", "CONDITIONING", (6, 0)),), "CONDITIONING")
    document = drawing.file()
    document["links"] = document["links"][1:]
    (fault,) = refusal_of(document, classes)
    assert (fault.place, fault.field, fault.value) == ('node 6 (CLIPTextEncode "Prompt")', "clip", "link 1")


def test_a_link_from_a_node_that_the_file_does_not_have_is_named(drawing: Drawing, classes: Classes) -> None:
    drawing.node(9, "SaveImage", ["board"], (("images", "IMAGE", (8, 0)),))
    (fault,) = refusal_of(drawing.file(), classes)
    assert (fault.place, fault.field, fault.value) == ("node 9 (SaveImage)", "images", "node 8")


def test_a_link_from_a_socket_that_a_subgraph_does_not_have_is_named(drawing: Drawing, classes: Classes) -> None:
    inside = Drawing()
    inside.node(6, "CLIPTextEncode", ["a cat"], (("clip", "CLIP", (-10, 3)),), "CONDITIONING")
    outputs = (("CONDITIONING", "CONDITIONING", (6, 0)),)
    drawing.subgraphs.append(inside.as_subgraph("encoder", (("clip", "CLIP"),), outputs))
    drawing.node(57, "encoder", [], (), "CONDITIONING")
    drawing.node(3, "ConditioningCombine", [], (("conditioning_1", "CONDITIONING", (57, 0)),), "CONDITIONING")
    drawing.node(4, "ConditioningCombine", [], (("conditioning_1", "CONDITIONING", (57, 5)),), "CONDITIONING")
    drawing.node(9, "ConditioningCombine", [], (("a", "CONDITIONING", (3, 0)), ("b", "CONDITIONING", (4, 0))))
    assert {(fault.place, fault.field) for fault in refusal_of(drawing.file(), classes)} == {
        ("node 57:6 (CLIPTextEncode)", "clip"),
        ("node 57 (encoder)", "output 5"),
    }


def test_nodes_in_a_cycle_are_named(drawing: Drawing, classes: Classes) -> None:
    drawing.node(5, "LatentFlip", ["x-axis: vertically"], (("samples", "LATENT", (6, 0)),), "LATENT")
    drawing.node(6, "LatentFlip", ["x-axis: vertically"], (("samples", "LATENT", (5, 0)),), "LATENT")
    (fault,) = refusal_of(drawing.file(), classes)
    assert fault.value == "a cycle of links"
    assert "node 5 (LatentFlip)" in fault.remedy
    assert "node 6 (LatentFlip)" in fault.remedy


@pytest.mark.parametrize(("kind", "mode"), [("Reroute", 0), ("SaveImage", 4)])
def test_reroutes_and_bypassed_nodes_in_a_cycle_are_named(
    drawing: Drawing, classes: Classes, kind: str, mode: int
) -> None:
    drawing.node(1, kind, [], (("", "IMAGE", (2, 0)),), "IMAGE", mode=mode)
    drawing.node(2, kind, [], (("", "IMAGE", (1, 0)),), "IMAGE", mode=mode)
    drawing.node(9, "SaveImage", ["board"], (("images", "IMAGE", (2, 0)),))
    (fault,) = refusal_of(drawing.file(), classes)
    assert (fault.place, fault.field) == ("node 9 (SaveImage)", "images")
    assert "in a cycle" in fault.remedy


def test_a_cycle_is_refused_from_any_start(drawing: Drawing, classes: Classes) -> None:
    drawing.node(1, "Reroute", [], (("", "IMAGE", (2, 0)),), "IMAGE")
    drawing.node(2, "Reroute", [], (("", "IMAGE", (1, 0)),), "IMAGE")
    drawing.node(8, "SaveImage", ["board"], (("images", "IMAGE", (1, 0)),))
    drawing.node(9, "SaveImage", ["board"], (("images", "IMAGE", (2, 0)),))
    assert refusal_of(drawing.file(), classes)


def test_a_subgraph_that_contains_itself_is_named(drawing: Drawing, classes: Classes) -> None:
    one, other = Drawing(), Drawing()
    one.node(1, "other")
    other.node(2, "one")
    drawing.subgraphs += [one.as_subgraph("one", (), ()), other.as_subgraph("other", (), ())]
    drawing.node(57, "one")
    (fault,) = refusal_of(drawing.file(), classes)
    assert fault.place == "node 57:1:2 (one)"
    assert "contains itself" in fault.remedy


def nest(drawing: Drawing, depth: int, width: int) -> dict[str, Any]:
    """Draw subgraphs that each contain the next one several times."""
    for instance in range(depth):
        inside = Drawing()
        for count in range(width):
            inside.node(count, f"level {instance + 1}")
        drawing.subgraphs.append(inside.as_subgraph(f"level {instance}", (), ()))
    drawing.subgraphs.append(Drawing().as_subgraph(f"level {depth}", (), ()))
    drawing.node(57, "level 0")
    return drawing.file()


@pytest.mark.parametrize(("depth", "width", "words"), [(400, 1, "deep"), (20, 10, "nodes"), (30, 2, "nodes")])
def test_endless_subgraphs_are_refused(drawing: Drawing, classes: Classes, depth: int, width: int, words: str) -> None:
    (fault,) = refusal_of(nest(drawing, depth, width), classes)
    assert words in fault.remedy


def test_endless_sockets_of_repeated_subgraphs_are_refused(drawing: Drawing, classes: Classes) -> None:
    sockets = tuple((f"in {number}", "CLIP") for number in range(2_000))
    drawing.subgraphs.append(Drawing().as_subgraph("wide", sockets, ()))
    for number in range(300):
        drawing.node(number, "wide")
    (fault,) = refusal_of(drawing.file(), classes)
    assert "the subgraphs have more than 500,000 inputs and outputs in sum" in fault.remedy


def test_an_id_that_a_node_shares_with_one_inside_is_named(drawing: Drawing, classes: Classes) -> None:
    inside = Drawing()
    inside.node(8, "EmptyLatentImage", [8, 8, 1], outputs="LATENT")
    drawing.subgraphs.append(inside.as_subgraph("latent", (), (("LATENT", "LATENT", (8, 0)),)))
    drawing.node(57, "latent", outputs="LATENT")
    drawing.node("57:8", "EmptyLatentImage", [8, 8, 1], outputs="LATENT")
    (fault,) = refusal_of(drawing.file(), classes)
    assert (fault.place, fault.field) == ("node 57:8", "id")


def test_excessive_files_are_refused(drawing: Drawing, classes: Classes) -> None:
    drawing.node(1, "CLIPTextEncode", ["x"] * 100_000)
    (fault,) = refusal_of(drawing.file(), classes)
    assert (fault.field, fault.value) == ("widgets_values", "100000 entries")
    (fault,) = refusal_of({"nodes": [{"id": count, "type": "X"} for count in range(30_000)], "links": []}, classes)
    assert (fault.field, fault.value) == ("nodes", "30000 nodes")


def test_ten_thousand_reroutes_are_followed_from_each_of_their_ends(drawing: Drawing, classes: Classes) -> None:
    drawing.node(0, "EmptyLatentImage", [8, 8, 1], outputs="LATENT")
    for count in range(1, 5001):
        drawing.node(count, "Reroute", None, (("", "*", (count - 1, 0)),), "LATENT")
        drawing.node(-count, "LatentFlip", ["x"], (("samples", "LATENT", (count, 0)),), "LATENT")
    graph = convert(drawing.file(), classes, name="the file").graph
    assert len(graph) == 5001
    assert graph["-5000"]["inputs"]["samples"] == ["0", 0]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-20, 20),
    st.floats(allow_nan=True),
    st.text(max_size=3),
    st.sampled_from([[], {}, [[]], [None], [1, 2], [-10, 0], {"id": 1}, {"name": "x"}, [[1, 2, 3, 4, 5]]]),
)
DAMAGED = ("video_wan2_2_14B_s2v.json", "flux1_dev_uso_reference_image_gen.json", "sdxl_simple_example.json")


def damage(value: Any, data: st.DataObject) -> Any:
    """Replace one part of a file, at any depth, by an odd value."""
    holder: Any = value
    while isinstance(holder, dict | list) and holder:
        key = data.draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.integers(0, 5)) == 0:
            holder[key] = copied(data.draw(ODD))
            return value
        holder = holder[key]
    return value


@given(data=st.data(), name=st.sampled_from(DAMAGED), times=st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_converts_or_is_refused(
    templates: Mapping[str, Any], object_info: dict[str, Any], data: st.DataObject, name: str, times: int
) -> None:
    document = copied(templates[name])
    kept = {key: value for key, value in document.items() if key in ("nodes", "links", "definitions")}
    for _ in range(times):
        damage(kept, data)
    classes = {each: read_class(each, object_info[each]) for each in classes_in(kept) if each in object_info}
    with contextlib.suppress(WorkflowFaults):
        convert(kept, classes, name=name)
