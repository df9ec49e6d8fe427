"""Check how inputs that bring further inputs convert, and those that only the editor's widgets have."""

from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import Fault, WorkflowFaults
from previs.workflow.formats.editor import convert
from tests.previs.workflow.formats.editor.drawings import Drawing


def combo(**options: dict[str, Any]) -> list[Any]:
    listed = [{"key": key, "inputs": {"required": inputs}} for key, inputs in options.items()]
    return ["COMFY_DYNAMICCOMBO_V3", {"options": listed}]


def row(rule: list[Any], **template: Any) -> list[Any]:
    return ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {"it": rule}}, **template}}]


SEED: list[Any] = ["INT", {"control_after_generate": True}]
QUALITY = combo(auto={}, custom={"crf": ["FLOAT", {"default": 23.0}]})
INPUTS: dict[str, dict[str, Any]] = {
    "Save": {
        "images": ["IMAGE"],
        "format": combo(auto={}, mp4={"codec": ["COMBO", {"options": ["h264", "av1"]}], "quality": QUALITY}),
        "prefix": ["STRING", {"default": "out"}],
    },
    "Api": {
        "model": combo(
            fast={"prompt": ["STRING", {}], "seed": SEED},
            slow={"images": row(["IMAGE"], names=["image_1", "image_2"], min=0), "steps": ["INT", {}]},
        ),
        "seed": SEED,
        "watermark": ["BOOLEAN", {"default": False}],
    },
    "Batch": {"images": row(["IMAGE"], prefix="image", min=1, max=50)},
    "Switch": {"on_false": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "*"}}]},
    "Compare": {"view": ["IMAGECOMPARE", {"socketless": True}], "image": ["IMAGE"]},
    "Boxes": {"width": ["INT", {}], "boxes": ["BOUNDING_BOXES", {"default": [], "socketless": False}]},
    "Rate": {"rate": ["FLOAT,INT", {"default": 25.0, "widgetType": "FLOAT"}], "size": ["INT", {}]},
    "Load3D": {"model": [["none"], {"file_upload": True}], "image": ["LOAD_3D", {}], "width": ["INT", {}]},
    "CustomCombo": {"choice": ["COMBO", {"options": []}]},
    "Picture": {"size": ["INT", {}]},
    "KSampler (Efficient)": {"seed": ["INT", {}], "steps": ["INT", {}], "flag": ["BOOLEAN", {}], "tail": ["STRING"]},
    "KSampler Adv. (Efficient)": {"add": [["enable"], {}], "noise_seed": ["INT", {}], "steps": ["INT", {}]},
    "HighRes-Fix": {"same": ["BOOLEAN", {}], "seed": ["INT", {}], "hires_steps": ["INT", {}], "name": ["STRING", {}]},
    "Encode": {"text": ["STRING", {"dynamicPrompts": True}], "plain": ["STRING", {}]},
}
CLASSES: dict[str, NodeClass | None] = {
    name: read_class(
        name,
        {
            "input": {"required": inputs},
            "output": ["*", "*"],
            "output_name": ["a", "b"],
            "output_node": name in ("Save", "Compare"),
        },
    )
    for name, inputs in INPUTS.items()
}


def build(drawing: Drawing) -> Graph:
    return convert(drawing.file(), CLASSES, name="the file").graph


def inputs_of(kind: str, values: Any, **more: Any) -> dict[str, Any]:
    drawing = Drawing()
    drawing.node(1, kind, values, **more)
    return build(drawing)["1"]["inputs"]


def faults_of(drawing: Drawing) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as refusal:
        build(drawing)
    return refusal.value.faults


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["auto", "x"], {"format": "auto", "prefix": "x"}),
        (
            ["mp4", "av1", "auto", "x"],
            {"format": "mp4", "format.codec": "av1", "format.quality": "auto", "prefix": "x"},
        ),
        (
            ["mp4", "h264", "custom", 20, "x"],
            {
                "format": "mp4",
                "format.codec": "h264",
                "format.quality": "custom",
                "format.quality.crf": 20,
                "prefix": "x",
            },
        ),
        (
            ["mp4"],
            {"format": "mp4", "format.codec": "h264", "format.quality": "auto", "prefix": "out"},
        ),
        ([], {"format": "auto", "prefix": "out"}),
    ],
)
def test_the_fields_of_a_combos_option_follow_its_value(values: list[Any], expected: dict[str, Any]) -> None:
    assert inputs_of("Save", values) == expected


def test_each_seed_is_followed_by_its_control_within_an_option_and_after_it() -> None:
    values = ["fast", "a boat", 7, "randomize", 8, "fixed", True]
    assert inputs_of("Api", values) == {
        "model": "fast",
        "model.prompt": "a boat",
        "model.seed": 7,
        "seed": 8,
        "watermark": True,
    }


def test_names_are_read_where_the_file_has_them() -> None:
    named = {"model": "slow", "model.steps": 4, "seed": 8, "control_after_generate": "fixed", "watermark": True}
    values = inputs_of("Api", [True, "?"], widgets_values_named=named)
    assert values == {"model": "slow", "model.steps": 4, "seed": 8, "watermark": True}


def test_an_option_that_the_class_does_not_have_is_named_with_those_it_has() -> None:
    drawing = Drawing()
    drawing.node(1, "Save", ["gif", "x"])
    (fault,) = faults_of(drawing)
    assert (fault.field, fault.value) == ("format", '"gif"')
    assert "give one of auto, mp4" in fault.remedy


def test_links_into_rows_keep_their_names() -> None:
    drawing = Drawing()
    drawing.node(1, "Picture", [8], outputs="IMAGE")
    drawing.node(2, "Batch", [], (("images.image0", "IMAGE", (1, 0)), ("images.image1", "IMAGE", None)))
    sockets = (("model.images.image_1", "IMAGE", (2, 0)), ("model.steps", "INT", (1, 1)))
    drawing.node(3, "Api", ["slow", 4, 8, "fixed", True], sockets, widgets=("model.steps",))
    graph = build(drawing)
    assert graph["2"]["inputs"] == {"images.image0": ["1", 0]}
    assert graph["3"]["inputs"] == {
        "model": "slow",
        "model.images.image_1": ["2", 0],
        "model.steps": ["1", 1],
        "seed": 8,
        "watermark": True,
    }


def test_a_subgraphs_field_also_supplies_inputs_without_a_field_of_their_own() -> None:
    inside = Drawing()
    inside.node(5, "Picture", [64], (("size", "INT", (-10, 0)),), "IMAGE", ("size",))
    inside.node(6, "Switch", [], (("on_false", "*", (-10, 0)),), "IMAGE")
    drawing = Drawing()
    drawing.subgraphs.append(inside.as_subgraph("inner", (("size", "INT"),), (("IMAGE", "IMAGE", (5, 0)),)))
    drawing.node(1, "inner", [], (("size", "INT", None),), "IMAGE", ("size",))
    graph = build(drawing)
    assert (graph["1:5"]["inputs"], graph["1:6"]["inputs"]) == ({"size": 64}, {"on_false": 64})
    drawing.nodes[0]["widgets_values"] = [32]
    graph = build(drawing)
    assert (graph["1:5"]["inputs"], graph["1:6"]["inputs"]) == ({"size": 32}, {"on_false": 32})


def test_widgets_of_the_editors_own_convert() -> None:
    assert inputs_of("Compare", [{"before": "/api/view?…"}]) == {"view": {"__value__": ["", ""]}}
    assert inputs_of("Compare", []) == {"view": {"__value__": ["", ""]}}
    assert inputs_of("Boxes", [8, [{"x": 1}]]) == {"width": 8, "boxes": {"__value__": [{"x": 1}]}}
    assert inputs_of("Rate", [30, 8]) == {"rate": 30, "size": 8}
    assert inputs_of("CustomCombo", ["b", 1, "a", "b", ""]) == {
        "choice": "b",
        "index": 1,
        "option1": "a",
        "option2": "b",
        "option3": "",
    }


def test_a_value_that_the_editor_makes_is_missed_only_where_an_output_needs_it() -> None:
    drawing = Drawing()
    drawing.node(1, "Load3D", ["toy.glb", "upload", "", 8], outputs="IMAGE")
    drawing.node(2, "Batch", [], (("images.image0", "IMAGE", (1, 0)),), "IMAGE")
    drawing.node(3, "Picture", [8], outputs="IMAGE")
    drawing.node(4, "Save", ["auto", "x"], (("images", "IMAGE", (3, 0)),))
    assert build(drawing).keys() == {"3", "4"}
    drawing.node(5, "Save", ["auto", "y"], (("images", "IMAGE", (2, 0)),))
    (fault,) = faults_of(drawing)
    assert (fault.place, fault.field) == ("node 1 (Load3D)", "image")
    assert "load the picture with LoadImage" in fault.remedy


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("KSampler (Efficient)", [7, None, 20, True, "x"], {"seed": 7, "steps": 20, "flag": True, "tail": "x"}),
        ("KSampler (Efficient)", [7, 20, True, "x"], {"seed": 7, "steps": 20, "flag": True, "tail": "x"}),
        ("KSampler Adv. (Efficient)", ["enable", 7, None, 20], {"add": "enable", "noise_seed": 7, "steps": 20}),
        ("HighRes-Fix", [True, 7, None, 12, "a"], {"same": True, "seed": 7, "hires_steps": 12, "name": "a"}),
        ("HighRes-Fix", [True, 7, None, None, "a"], {"same": True, "seed": 7, "hires_steps": 0, "name": "a"}),
    ],
)
def test_a_null_in_place_of_a_seeds_control_is_no_value(kind: str, values: list[Any], expected: dict[str, Any]) -> None:
    assert inputs_of(kind, values) == expected


@pytest.mark.parametrize("seed", [10**400, -(10**400), float("nan"), "1e400"])
def test_a_number_beyond_all_numbers_is_named(seed: Any) -> None:
    drawing = Drawing()
    drawing.node(1, "Api", ["fast", "", seed, "fixed", 8, "fixed", True])
    drawing.node(2, "Save", ["auto", "x"], (("images", "IMAGE", (1, 0)),))
    (fault,) = faults_of(drawing)
    assert fault.field == "model.seed"
    assert "takes a whole number" in fault.remedy


def test_marked_texts_are_processed_and_others_are_not() -> None:
    text = "a {red|blue} boat // draft"
    assert inputs_of("Encode", [text, text]) == {"text": "a red boat ", "plain": text}


def test_a_text_that_a_subgraphs_node_shows_goes_to_the_server_as_it_is() -> None:
    inside = Drawing()
    inside.node(5, "Encode", ['{"a": 1}', ""], (("text", "STRING", (-10, 0)),), "IMAGE", ("text",))
    drawing = Drawing()
    drawing.subgraphs.append(inside.as_subgraph("inner", (("text", "STRING"),), (("IMAGE", "IMAGE", (5, 0)),)))
    drawing.node(1, "inner", [], (("text", "STRING", None),), "IMAGE", ("text",))
    assert build(drawing)["1:5"]["inputs"]["text"] == '{"a": 1}'
    drawing.nodes[0]["widgets_values"] = ["{b}"]
    assert build(drawing)["1:5"]["inputs"]["text"] == "{b}"


def test_a_class_that_no_server_has_converts_if_links_alone_make_its_node() -> None:
    drawing = Drawing()
    drawing.node(1, "Picture", [8], outputs="IMAGE")
    drawing.node(2, "Counter", [], (("image", "IMAGE", (1, 0)),), "IMAGE", properties={"cnr_id": "kjnodes"})
    drawing.node(3, "Save", ["auto", "x"], (("images", "IMAGE", (2, 0)),))
    converted = convert(drawing.file(), {**CLASSES, "Counter": None}, name="the file")
    assert converted.graph["2"] == {"class_type": "Counter", "inputs": {"image": ["1", 0]}}
    assert converted.packs == {"Counter": "kjnodes"}
    drawing.node(4, "Other", [1], (("image", "IMAGE", (1, 0)),), "IMAGE")
    assert [fault.place for fault in faults_of(drawing)] == ["node 2 (Counter)", "node 4 (Other)"]


def with_repeated_ids() -> Drawing:
    drawing = Drawing()
    for identity in ("one", "other"):
        inside = Drawing()
        inside.node(5, "Picture", [64], outputs="IMAGE")
        inside.node(1, "Batch", [], (("images.image0", "IMAGE", (5, 0)),), "IMAGE")
        drawing.subgraphs.append(inside.as_subgraph(identity, (), (("IMAGE", "IMAGE", (1, 0)),)))
    drawing.node(1, "one", [], (), "IMAGE")
    drawing.node(2, "other", [32], (), "IMAGE", properties={"proxyWidgets": [["5", "size"]]})
    return drawing


def test_ids_that_occur_in_several_graphs_are_numbered_as_the_editor_numbers_them() -> None:
    graph = build(with_repeated_ids())
    assert graph.keys() == {"1:5", "1:100", "2:101", "2:102"}
    assert graph["2:102"]["inputs"] == {"images.image0": ["2:101", 0]}
    assert (graph["1:5"]["inputs"], graph["2:101"]["inputs"]) == ({"size": 64}, {"size": 32})


def test_servers_without_such_inputs_have_an_editor_that_keeps_ids() -> None:
    old = {"Picture": CLASSES["Picture"], "Batch": read_class("Batch", {})}
    assert convert(with_repeated_ids().file(), old, name="the file").graph.keys() == {"1:5", "1:1", "2:5", "2:1"}
