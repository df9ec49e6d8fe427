"""Check that subgraphs expand, nest, and promote fields to their nodes."""

from collections.abc import Mapping
from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph
from previs.errors import WorkflowFaults
from previs.workflow.formats.editor import classes_in, convert
from tests.previs.workflow.formats.editor.drawings import Drawing

Classes = Mapping[str, NodeClass]
Subgraph = dict[str, Any]


@pytest.fixture
def encoder() -> Subgraph:
    """Return a subgraph with a prompt of its own: from ``clip`` and ``words`` to conditioning and clip."""
    inside = Drawing()
    inputs = (("clip", "CLIP", (-10, 0)), ("text", "STRING", (-10, 1)))
    inside.node(8, "CLIPTextEncode", ["a cat"], inputs, "CONDITIONING", ("text",), title="inner prompt")
    inside.node(9, "Note", ["remember"])
    outputs = (("CONDITIONING", "CONDITIONING", (8, 0)), ("CLIP", "CLIP", (-10, 0)))
    return inside.as_subgraph("encoder", (("clip", "CLIP"), ("words", "STRING")), outputs)


def sampled(drawing: Drawing, encoder: Subgraph, values: Any = None, words: Any = None, **more: Any) -> Drawing:
    """Draw a file in which node 57 is the encoder and node 3 takes its conditioning."""
    drawing.subgraphs.append(encoder)
    drawing.node(4, "CheckpointLoaderSimple", ["sd.safetensors"], outputs="MODEL CLIP VAE")
    inputs = (("clip", "CLIP", (4, 1)), *((("words", "STRING", words),) if words else ()))
    drawing.node(57, "encoder", values, inputs, "CONDITIONING CLIP", **more)
    drawing.node(3, "ConditioningZeroOut", [], (("conditioning", "CONDITIONING", (57, 0)),), "CONDITIONING")
    drawing.node(5, "CLIPSetLastLayer", [-1], (("clip", "CLIP", (57, 1)),), "CLIP")
    return drawing


def build_graph(drawing: Drawing, classes: Classes) -> Graph:
    return convert(drawing.file(), classes, name="the file").graph


def test_inner_nodes_have_ids_in_parts_and_links_lead_in_out_and_through(
    drawing: Drawing, classes: Classes, encoder: Subgraph
) -> None:
    assert build_graph(sampled(drawing, encoder), classes) == {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd.safetensors"}},
        "57:8": {
            "class_type": "CLIPTextEncode",
            "inputs": {"text": "a cat", "clip": ["4", 1]},
            "_meta": {"title": "inner prompt"},
        },
        "3": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["57:8", 0]}},
        "5": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -1, "clip": ["4", 1]}},
    }


def test_a_link_that_a_subgraphs_output_names_and_the_file_lacks_is_told(
    drawing: Drawing, classes: Classes, encoder: Subgraph
) -> None:
    encoder["outputs"][0]["linkIds"] = [77]
    converted = convert(sampled(drawing, encoder).file(), classes, name="the file")
    assert converted.graph["3"]["inputs"] == {}
    [said] = converted.notices
    assert said == (
        "node 57 (encoder): what its output CONDITIONING feeds is left empty: the subgraph in the file has no link 77: "
        "draw it again in ComfyUI and save"
    )


def test_the_classes_of_a_file_include_those_in_subgraphs(drawing: Drawing, encoder: Subgraph) -> None:
    assert classes_in(sampled(drawing, encoder).file()) == {
        "CheckpointLoaderSimple",
        "CLIPTextEncode",
        "ConditioningZeroOut",
        "CLIPSetLastLayer",
    }


def test_a_promoted_field_takes_the_subgraph_nodes_value(drawing: Drawing, classes: Classes, encoder: Subgraph) -> None:
    assert build_graph(sampled(drawing, encoder, ["a dog"]), classes)["57:8"]["inputs"]["text"] == "a dog"


@pytest.mark.parametrize("values", [[], None, [None]])
def test_a_promoted_field_without_a_value_keeps_the_inner_one(
    drawing: Drawing, classes: Classes, encoder: Subgraph, values: Any
) -> None:
    assert build_graph(sampled(drawing, encoder, values), classes)["57:8"]["inputs"]["text"] == "a cat"


def test_a_link_into_a_promoted_field_wins_over_both_values(
    drawing: Drawing, classes: Classes, encoder: Subgraph
) -> None:
    sampled(drawing, encoder, ["a dog"], words=(1, 0)).node(1, "PrimitiveString", ["a bird"], outputs="STRING")
    assert build_graph(drawing, classes)["57:8"]["inputs"]["text"] == ["1", 0]


def test_a_primitive_gives_its_value_through_a_promoted_field(
    drawing: Drawing, classes: Classes, encoder: Subgraph
) -> None:
    sampled(drawing, encoder, ["a dog"], words=(1, 0)).node(1, "PrimitiveNode", ["a bird"], outputs="STRING")
    assert build_graph(drawing, classes)["57:8"]["inputs"]["text"] == "a bird"


def test_each_node_of_one_subgraph_has_values_of_its_own(drawing: Drawing, classes: Classes, encoder: Subgraph) -> None:
    sampled(drawing, encoder, ["a dog"]).node(
        58, "encoder", ["a bird"], (("clip", "CLIP", (4, 1)),), "CONDITIONING CLIP"
    )
    graph = build_graph(drawing, classes)
    assert [graph[node_id]["inputs"]["text"] for node_id in ("57:8", "58:8")] == ["a dog", "a bird"]


@pytest.mark.parametrize("node_id", ["-1", -1])
def test_listed_fields_take_values_in_the_order_of_the_list(drawing: Drawing, classes: Classes, node_id: Any) -> None:
    inside = Drawing()
    inside.node(8, "EmptyLatentImage", [8, 16, 1], (("width", "INT", (-10, 0)),), "LATENT", ("width",))
    inside.node(6, "PrimitiveInt", [7, "fixed"], outputs="INT")
    drawing.subgraphs.append(inside.as_subgraph("sizes", (("breadth", "INT"),), (("LATENT", "LATENT", (8, 0)),)))
    listed = [["6", "value"], [8, "$$canvas-image-preview"], [8, "height"], [node_id, "breadth"]]
    drawing.node(57, "sizes", [5, None, 160, 80], outputs="LATENT", properties={"proxyWidgets": listed})
    graph = build_graph(drawing, classes)
    assert graph["57:8"]["inputs"] == {"width": 80, "height": 160, "batch_size": 1}
    assert graph["57:6"]["inputs"] == {"value": 5}


def test_a_listed_field_may_be_named_by_the_inner_node_that_an_input_leads_to(
    drawing: Drawing, classes: Classes, encoder: Subgraph
) -> None:
    sampled(drawing, encoder, ["a dog"], properties={"proxyWidgets": [["8", "text"]]})
    assert build_graph(drawing, classes)["57:8"]["inputs"]["text"] == "a dog"


def test_lists_that_do_not_name_the_inputs_leave_them_their_values(drawing: Drawing, classes: Classes) -> None:
    inside = Drawing()
    inside.node(8, "EmptyLatentImage", [8, 16, 1], (("width", "INT", (-10, 0)),), "LATENT", ("width",))
    drawing.subgraphs.append(inside.as_subgraph("sizes", (("width", "INT"),), (("LATENT", "LATENT", (8, 0)),)))
    drawing.node(57, "sizes", [80], outputs="LATENT", properties={"proxyWidgets": [["8", "height"]]})
    assert build_graph(drawing, classes)["57:8"]["inputs"] == {"width": 80, "height": 16, "batch_size": 1}


def test_the_control_of_a_promoted_seed_is_no_value(drawing: Drawing, classes: Classes) -> None:
    inside = Drawing()
    shown = (("seed", "INT", (-10, 0)), ("steps", "INT", (-10, 1)))
    inside.node(8, "KSampler", [1, "fixed", 20, 8, "euler", "normal", 1], shown, "LATENT", ("seed", "steps"))
    inputs = (("seed", "INT"), ("steps", "INT"))
    drawing.subgraphs.append(inside.as_subgraph("sampling", inputs, (("LATENT", "LATENT", (8, 0)),)))
    drawing.node(57, "sampling", [5, "randomize", 9], outputs="LATENT")
    drawing.node(58, "sampling", [5, 9], outputs="LATENT")
    drawing.node(59, "sampling", [9, 5], outputs="LATENT", widgets_values_named={"steps": 9, "seed": 5})
    graph = build_graph(drawing, classes)
    for node_id in ("57:8", "58:8", "59:8"):
        assert [graph[node_id]["inputs"][name] for name in ("seed", "steps")] == [5, 9]


@pytest.fixture
def nested() -> Subgraph:
    """Return a subgraph around the encoder that promotes the encoder's field."""
    enclosing = Drawing()
    inputs = (("clip", "CLIP", (-10, 0)), ("words", "STRING", (-10, 1)))
    enclosing.node(8, "encoder", ["a dog"], inputs, "CONDITIONING CLIP", ("words",))
    outputs = (("CONDITIONING", "CONDITIONING", (8, 0)),)
    return enclosing.as_subgraph("around", (("clip", "CLIP"), ("text", "STRING")), outputs)


@pytest.mark.parametrize(("values", "text"), [(["a bird"], "a bird"), ([], "a dog")])
def test_a_field_is_promoted_through_nested_subgraphs(
    drawing: Drawing, classes: Classes, encoder: Subgraph, nested: Subgraph, values: Any, text: str
) -> None:
    drawing.subgraphs += [nested, encoder]
    drawing.node(4, "CheckpointLoaderSimple", ["sd.safetensors"], outputs="MODEL CLIP VAE")
    drawing.node(57, "around", values, (("clip", "CLIP", (4, 1)),), "CONDITIONING")
    drawing.node(3, "ConditioningZeroOut", [], (("conditioning", "CONDITIONING", (57, 0)),), "CONDITIONING")
    graph = build_graph(drawing, classes)
    assert graph["57:8:8"]["inputs"] == {"text": text, "clip": ["4", 1]}
    assert graph["3"]["inputs"] == {"conditioning": ["57:8:8", 0]}


def test_an_inner_node_without_saved_fields_still_promotes_them(
    drawing: Drawing, classes: Classes, encoder: Subgraph, nested: Subgraph
) -> None:
    for socket in nested["nodes"][0]["inputs"]:
        socket.pop("widget", None)
    drawing.subgraphs += [nested, encoder]
    drawing.node(57, "around", ["a bird"], (), "CONDITIONING")
    assert build_graph(drawing, classes)["57:8:8"]["inputs"] == {"text": "a bird"}


@pytest.mark.parametrize("name", ["words", "8: text"])
def test_a_listed_field_may_lie_two_subgraphs_deep(
    drawing: Drawing, classes: Classes, encoder: Subgraph, name: str
) -> None:
    enclosing = Drawing()
    enclosing.node(6, "encoder", [], (), "CONDITIONING CLIP")
    if name != "words":
        encoder["nodes"][0]["inputs"].pop()
    drawing.subgraphs += [enclosing.as_subgraph("around", (), (("C", "CONDITIONING", (6, 0)),)), encoder]
    drawing.node(57, "around", ["a bird"], (), "C", properties={"proxyWidgets": [["6", name]]})
    assert build_graph(drawing, classes)["57:6:8"]["inputs"]["text"] == "a bird"


def test_a_missing_value_leaves_the_inner_one(drawing: Drawing, classes: Classes, encoder: Subgraph) -> None:
    sampled(drawing, encoder, [None], properties={"proxyWidgets": [["-1", "words"]]})
    assert build_graph(drawing, classes)["57:8"]["inputs"]["text"] == "a cat"


def test_a_subgraph_may_bring_the_definitions_of_those_inside(
    drawing: Drawing, classes: Classes, encoder: Subgraph, nested: Subgraph
) -> None:
    drawing.subgraphs.append({**nested, "definitions": {"subgraphs": [encoder]}})
    drawing.node(57, "around", ["a bird"], (), "CONDITIONING")
    assert build_graph(drawing, classes)["57:8:8"]["inputs"] == {"text": "a bird"}


def test_a_muted_subgraph_is_left_out_with_its_inside(drawing: Drawing, classes: Classes, encoder: Subgraph) -> None:
    graph = build_graph(sampled(drawing, encoder, mode=2), classes)
    assert graph.keys() == {"3", "4", "5"}
    assert "conditioning" not in graph["3"]["inputs"]


def test_a_bypassed_subgraph_passes_its_inputs_on(drawing: Drawing, classes: Classes, encoder: Subgraph) -> None:
    graph = build_graph(sampled(drawing, encoder, mode=4), classes)
    assert graph.keys() == {"3", "4", "5"}
    assert graph["5"]["inputs"]["clip"] == ["4", 1]


def test_a_value_of_the_wrong_type_for_a_promoted_field_is_named_with_both_nodes(
    drawing: Drawing, classes: Classes, encoder: Subgraph
) -> None:
    with pytest.raises(WorkflowFaults) as refusal:
        build_graph(sampled(drawing, encoder, [5]), classes)
    (fault,) = refusal.value.faults
    assert (fault.place, fault.field, fault.value) == ('node 57:8 (CLIPTextEncode "inner prompt")', "text", "5")
    assert "node 57 (encoder)" in fault.remedy


def test_a_missing_subgraph_is_named(drawing: Drawing, classes: Classes) -> None:
    drawing.node(57, "d31e1095-65ee-4ba3-b4d0-a21e493dd0bd", [])
    with pytest.raises(WorkflowFaults, match="the file does not contain this subgraph"):
        build_graph(drawing, classes)
