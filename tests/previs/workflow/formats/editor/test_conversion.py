"""Check how each feature of the editor converts to the graph that a server runs."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import Fault, WorkflowFaults
from previs.workflow.formats.editor import Converted, classes_in, convert, is_editor_file
from tests.previs.workflow.formats.editor.drawings import Drawing

Classes = Mapping[str, NodeClass]
CONDITIONED = (
    ("model", "MODEL", (4, 0)),
    ("positive", "CONDITIONING", (6, 0)),
    ("negative", "CONDITIONING", (7, 0)),
    ("latent_image", "LATENT", (5, 0)),
)
SAMPLING = [42, "randomize", 20, 8.0, "euler", "normal", 1]


def text_to_image(drawing: Drawing, model: tuple[Any, int] = (4, 0), clip: tuple[Any, int] = (4, 1)) -> Drawing:
    drawing.node(4, "CheckpointLoaderSimple", ["sd.safetensors"], outputs="MODEL CLIP VAE")
    drawing.node(5, "EmptyLatentImage", [512, 768, 1], outputs="LATENT")
    drawing.node(6, "CLIPTextEncode", ["a cat"], (("clip", "CLIP", clip),), "CONDITIONING", title="Prompt")
    drawing.node(7, "CLIPTextEncode", ["blurry"], (("clip", "CLIP", clip),), "CONDITIONING")
    drawing.node(3, "KSampler", list(SAMPLING), (("model", "MODEL", model), *CONDITIONED[1:]), "LATENT")
    drawing.node(8, "VAEDecode", [], (("samples", "LATENT", (3, 0)), ("vae", "VAE", (4, 2))), "IMAGE")
    drawing.node(9, "SaveImage", ["board"], (("images", "IMAGE", (8, 0)),))
    return drawing


def build_graph(drawing: Drawing, classes: Classes) -> Graph:
    return convert(drawing.file(), classes, name="the file").graph


def inputs_of(drawing: Drawing, classes: Classes, node_id: str) -> dict[str, Any]:
    return build_graph(drawing, classes)[node_id]["inputs"]


def faults_of(drawing: Drawing, classes: Classes) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as refusal:
        convert(drawing.file(), classes, name="the file")
    return refusal.value.faults


def node_called(drawing: Drawing, identity: Any) -> dict[str, Any]:
    return next(node for node in drawing.nodes if node["id"] == identity)


TEXT_TO_IMAGE: Graph = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "a cat", "clip": ["4", 1]},
        "_meta": {"title": "Prompt"},
    },
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 42,
            "steps": 20,
            "cfg": 8.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "board", "images": ["8", 0]}},
}


def test_a_saved_file_becomes_the_graph_that_the_editor_would_send(drawing: Drawing, classes: Classes) -> None:
    assert build_graph(text_to_image(drawing), classes) == TEXT_TO_IMAGE


def test_the_file_itself_stays_as_it_is(drawing: Drawing, classes: Classes) -> None:
    document = text_to_image(drawing).file()
    before = copy.deepcopy(document)
    convert(document, classes, name="the file")
    assert document == before


@pytest.mark.parametrize("control", [["increment"], [True], []], ids=["a word", "a switch of old editors", "none"])
def test_a_seed_control_is_no_value_of_the_graph(drawing: Drawing, classes: Classes, control: list[Any]) -> None:
    text_to_image(drawing)
    node_called(drawing, 3)["widgets_values"][1:2] = control
    assert build_graph(drawing, classes) == TEXT_TO_IMAGE


def test_notes_and_groups_are_left_out(drawing: Drawing, classes: Classes) -> None:
    text_to_image(drawing).node(20, "Note", ["remember"])
    drawing.node(21, "MarkdownNote", ["# remember"])
    assert build_graph(drawing, classes) == TEXT_TO_IMAGE


def test_links_may_be_objects_with_ids_as_texts(drawing: Drawing, classes: Classes) -> None:
    document = text_to_image(drawing).file()
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    document["links"] = [
        dict(zip(keys, (str(link[0]), str(link[1]), link[2], str(link[3]), *link[4:]), strict=True))
        for link in document["links"]
    ]
    document["version"] = 1
    assert convert(document, classes, name="the file").graph == TEXT_TO_IMAGE


def test_odd_habits_of_old_files_do_no_harm(drawing: Drawing, classes: Classes) -> None:
    document = text_to_image(drawing).file()
    document["links"].append(None)
    for node in document["nodes"]:
        node["id"] = float(node["id"])
        node.setdefault("title", node["type"])
        for socket in node["inputs"]:
            if socket["type"] == "LATENT":
                socket["type"] = ["a", "b"]
    assert convert(document, classes, name="the file").graph == TEXT_TO_IMAGE


def test_ids_may_be_texts(drawing: Drawing, classes: Classes) -> None:
    document = text_to_image(drawing).file()
    for node in document["nodes"]:
        node["id"] = str(node["id"])
    assert convert(document, classes, name="the file").graph == TEXT_TO_IMAGE


class TestModes:
    def test_a_muted_node_is_left_out_with_all_links_from_it(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing)
        node_called(drawing, 7)["mode"] = 2
        graph = build_graph(drawing, classes)
        assert "7" not in graph
        assert "negative" not in graph["3"]["inputs"]

    def test_a_field_linked_to_a_muted_node_gives_nothing(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "PrimitiveInt", [7, "fixed"], outputs="INT", mode=2)
        drawing.node(5, "EmptyLatentImage", [512, 768, 1], (("width", "INT", (1, 0)),), "LATENT", ("width",))
        assert inputs_of(drawing, classes, "5") == {"height": 768, "batch_size": 1}

    def test_a_bypassed_node_passes_on_what_lies_beside_each_output(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(10, 0), clip=(10, 1))
        lora = (("model", "MODEL", (4, 0)), ("clip", "CLIP", (4, 1)))
        drawing.node(10, "LoraLoader", ["x.safetensors", 1, 1], lora, "MODEL CLIP", mode=4)
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_bypassed_nodes_in_a_row_pass_on(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(11, 0))
        drawing.node(10, "NobodysLora", [1], (("model", "MODEL", (4, 0)),), "MODEL", mode=4)
        drawing.node(11, "NobodysLora", [1], (("model", "MODEL", (10, 0)),), "MODEL", mode=4)
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_otherwise_the_first_input_of_the_type_is_passed_on(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(10, 0))
        inputs = (("clip", "CLIP", (4, 1)), ("vae", "VAE", (4, 2)), ("model", "model", (4, 0)))
        drawing.node(10, "NobodysLora", [1], inputs, "MODEL", mode=4)
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_the_input_beside_an_output_wins_over_the_first_of_its_type(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        text_to_image(drawing, model=(10, 1))
        drawing.node(10, "NobodysSwitch", [], (("a", "MODEL", (5, 0)), ("b", "MODEL", (4, 0))), "MODEL MODEL", mode=4)
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_an_equal_type_wins_over_a_compatible_one(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(10, 0))
        inputs = (("clip", "CLIP", (4, 1)), ("any", "MODEL,CLIP", (5, 0)), ("model", "MODEL", (4, 0)))
        drawing.node(10, "NobodysSwitch", [], inputs, "MODEL", mode=4)
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    @pytest.mark.parametrize(("slot", "origin"), [(0, "4"), (1, "5"), (2, "4")])
    def test_an_input_of_any_type_gets_the_input_beside_or_else_the_first(
        self, drawing: Drawing, classes: Classes, slot: int, origin: str
    ) -> None:
        text_to_image(drawing)
        drawing.node(10, "Nobodys", [], (("a", "MODEL", (4, 0)), ("b", "LATENT", (5, 0))), "VAE VAE VAE", mode=4)
        drawing.node(11, "PreviewAny", [], (("source", "*", (10, slot)),))
        assert inputs_of(drawing, classes, "11")["source"] == [origin, 0]

    def test_a_reroute_passes_on_the_type_that_its_consumer_takes(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(11, 0))
        inputs = (("clip", "CLIP", (4, 1)), ("model", "MODEL", (4, 0)))
        drawing.node(10, "Nobodys", [], inputs, "* MODEL", mode=4)
        drawing.node(11, "Reroute", None, (("", "*", (10, 0)),), "MODEL")
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_one_reroute_passes_a_fitting_input_to_each_consumer(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(11, 0), clip=(11, 0))
        inputs = (("clip", "CLIP", (4, 1)), ("model", "MODEL", (4, 0)))
        drawing.node(10, "Nobodys", [], inputs, "*", mode=4)
        drawing.node(11, "Reroute", None, (("", "*", (10, 0)),), "*")
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_a_bypassed_node_with_nothing_to_pass_on_leaves_the_input_out(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        text_to_image(drawing, model=(10, 0))
        drawing.node(10, "NobodysLoader", ["x"], outputs="MODEL", mode=4)
        assert "model" not in inputs_of(drawing, classes, "3")

    def test_a_field_behind_a_bypassed_node_with_nothing_to_pass_on_keeps_its_own_value(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        drawing.node(1, "PrimitiveInt", [7, "fixed"], outputs="INT", mode=4)
        drawing.node(5, "EmptyLatentImage", [512, 768, 1], (("width", "INT", (1, 0)),), "LATENT", ("width",))
        assert inputs_of(drawing, classes, "5")["width"] == 512

    def test_nodes_that_do_not_run_need_no_class(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing).node(10, "NobodysClass", [1], mode=2)
        drawing.node(11, "NobodysOtherClass", [1], mode=4)
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE
        assert classes_in(drawing.file()) == {node["class_type"] for node in TEXT_TO_IMAGE.values()}


class TestWires:
    def test_reroutes_in_a_row_are_followed(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(12, 0))
        drawing.node(10, "Reroute", None, (("", "*", (4, 0)),), "MODEL")
        drawing.node(11, "Reroute", None, (("", "*", (10, 0)),), "MODEL", mode=2)
        drawing.node(12, "Reroute", None, (("", "*", (11, 0)),), "MODEL", mode=4)
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_a_reroute_without_an_input_gives_nothing(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(10, 0)).node(10, "Reroute", None, (("", "*", None),), "MODEL")
        assert "model" not in inputs_of(drawing, classes, "3")

    def test_a_primitive_gives_its_value_to_every_input_that_it_leads_to(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        drawing.node(1, "PrimitiveNode", [640, "fixed"], outputs="INT", mode=4)
        drawing.node(2, "Reroute", None, (("", "*", (1, 0)),), "INT")
        sides = (("width", "INT", (1, 0)), ("height", "INT", (2, 0)))
        drawing.node(5, "EmptyLatentImage", [512, 768, 1], sides, "LATENT", ("width", "height"))
        assert inputs_of(drawing, classes, "5") == {"width": 640, "height": 640, "batch_size": 1}

    def test_a_primitive_without_a_value_leaves_the_fields_own(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "PrimitiveNode", outputs="INT", mode=4)
        drawing.node(5, "EmptyLatentImage", [512, 768, 1], (("width", "INT", (1, 0)),), "LATENT", ("width",))
        assert inputs_of(drawing, classes, "5")["width"] == 512

    @pytest.mark.parametrize("widgets", [("text",), ()], ids=["told", "not told, as in old files"])
    def test_a_field_that_was_turned_into_an_input_takes_its_link(
        self, drawing: Drawing, classes: Classes, widgets: tuple[str, ...]
    ) -> None:
        drawing.node(1, "PrimitiveString", ["a dog"], outputs="STRING")
        inputs = (("clip", "CLIP", None), ("text", "STRING", (1, 0)))
        drawing.node(6, "CLIPTextEncode", ["a cat"], inputs, "CONDITIONING", widgets)
        assert inputs_of(drawing, classes, "6") == {"text": ["1", 0]}

    def test_a_field_behind_a_link_still_takes_its_place_among_the_values(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        drawing.node(1, "PrimitiveInt", [7, "fixed"], outputs="INT")
        drawing.node(3, "KSampler", list(SAMPLING), (("seed", "INT", (1, 0)),), "LATENT", ("seed",))
        inputs = inputs_of(drawing, classes, "3")
        assert (inputs["seed"], inputs["steps"], inputs["denoise"]) == (["1", 0], 20, 1)

    def test_a_getter_returns_the_input_of_the_setter_of_its_name(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(11, 0))
        drawing.node(10, "SetNode", ["the model"], (("MODEL", "MODEL", (4, 0)),), "*")
        drawing.node(11, "GetNode", ["the model"], outputs="MODEL")
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE

    def test_a_getter_without_a_setter_is_named(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing, model=(11, 0)).node(11, "GetNode", ["the model"], outputs="MODEL")
        (fault,) = faults_of(drawing, classes)
        assert (fault.place, fault.value) == ("node 11 (GetNode)", "the model")

    def test_an_undeclared_input_keeps_its_link(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing).node(10, "Batch", [], (("images.image0", "IMAGE", (8, 0)),), "IMAGE")
        assert inputs_of(drawing, classes, "10") == {"images.image0": ["8", 0]}

    def test_a_field_that_the_class_no_longer_has_is_left_out(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "PrimitiveNode", [640, "fixed"], outputs="INT")
        drawing.node(5, "EmptyLatentImage", [512, 768, 1], (("breadth", "INT", (1, 0)),), "LATENT", ("breadth",))
        assert inputs_of(drawing, classes, "5") == {"width": 512, "height": 768, "batch_size": 1}


class TestFields:
    def test_a_buttons_leftover_is_no_value(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "LoadImage", ["hero.png", "image"], outputs="IMAGE MASK")
        drawing.node(2, "Uploader", ["a.png", 7, "image", "label"])
        drawing.node(3, "Uploader", ["a.png", 7, "label"])
        graph = build_graph(drawing, classes)
        assert graph["1"]["inputs"] == {"image": "hero.png"}
        assert graph["2"]["inputs"] == graph["3"]["inputs"] == {"image": "a.png", "size": 7, "label": "label"}

    def test_an_undeclared_control_is_skipped(self, drawing: Drawing, classes: Classes) -> None:
        assert not classes["Seeder"].inputs["amount"].controlled
        drawing.node(1, "Seeder", [3, "randomize", "free"])
        assert inputs_of(drawing, classes, "1") == {"amount": 3, "mode": "free"}

    def test_a_choice_that_is_called_like_a_control_is_a_choice(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "Seeder", [3, "fixed"])
        drawing.node(2, "Noise", [3, "fixed"])
        drawing.node(3, "Noise", [3, "fixed", "free"])
        graph = build_graph(drawing, classes)
        assert graph["1"]["inputs"] == {"amount": 3, "mode": "fixed"}
        assert graph["2"]["inputs"] == {"seed": 3, "mode": "fixed"}
        assert graph["3"]["inputs"] == {"seed": 3, "mode": "free"}

    def test_a_choices_control_brings_a_filter(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "Chooser", ["y", "increment", "", "a name"])
        drawing.node(2, "Chooser", ["y", "increment", "a name"])
        graph = build_graph(drawing, classes)
        assert graph["1"]["inputs"] == graph["2"]["inputs"] == {"kind": "y", "name": "a name"}

    def test_a_switch_and_a_button_that_refresh_a_choice_are_no_values(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        drawing.node(1, "Remote", ["y", True, "refresh", False])
        assert inputs_of(drawing, classes, "1") == {"kind": "y", "shown": False}

    @pytest.mark.parametrize("values", [["", 2, "x"], [2, "x"]], ids=["an old file", "a new file"])
    def test_a_dummy_for_an_input_that_is_only_a_link_is_skipped(
        self, drawing: Drawing, classes: Classes, values: Any
    ) -> None:
        drawing.node(1, "Forced", values)
        assert inputs_of(drawing, classes, "1") == {"count": 2, "text": "x"}

    def test_missing_values_are_the_defaults(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(5, "EmptyLatentImage", [640, None], outputs="LATENT")
        drawing.node(1, "Seeder")
        graph = build_graph(drawing, classes)
        assert graph["5"]["inputs"] == {"width": 640, "height": 512, "batch_size": 1}
        assert graph["1"]["inputs"] == {"amount": 1, "mode": "fixed"}

    def test_a_missing_file_name_stays_missing(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "Models", [])
        drawing.node(2, "Uploader", [])
        graph = build_graph(drawing, classes)
        assert graph["1"]["inputs"] == {"kind": "default"}
        assert graph["2"]["inputs"] == {"size": 0, "label": ""}

    def test_values_may_have_names(self, drawing: Drawing, classes: Classes) -> None:
        values = {
            "frame_rate": 12,
            "format": "video/h264-mp4",
            "crf": 19,
            "choose file to upload": "image",
            "loop_count": None,
            "control_after_generate": "fixed",
            "videopreview": {"hidden": False},
        }
        drawing.node(1, "VHS_VideoCombine", values)
        assert inputs_of(drawing, classes, "1") == {"frame_rate": 12, "format": "video/h264-mp4", "crf": 19}

    def test_names_beside_the_values_win_over_their_order(self, drawing: Drawing, classes: Classes) -> None:
        named = {"seed": 5, "control_after_generate": "fixed", "steps": 9}
        drawing.node(3, "KSampler", [9, 5], widgets_values_named=named)
        inputs = inputs_of(drawing, classes, "3")
        assert (inputs["seed"], inputs["steps"], inputs["cfg"]) == (5, 9, 8.0)
        assert "control_after_generate" not in inputs

    def test_the_rows_of_a_lora_loader_are_numbered(self, drawing: Drawing, classes: Classes) -> None:
        rows = [{"on": on, "lora": "x.safetensors", "strength": 1} for on in (True, False)]
        drawing.node(1, "Power Lora Loader (rgthree)", [{}, {"type": "Header"}, *rows, {}, ""])
        assert inputs_of(drawing, classes, "1") == {"lora_1": rows[0], "lora_2": rows[1]}

    def test_listed_fields_keep_their_names_when_the_class_has_changed(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        listed = (("batch_size", "INT", None), ("depth", "INT", None), ("width", "INT", None))
        drawing.node(5, "EmptyLatentImage", [3, 99, 640], listed, widgets=("batch_size", "depth", "width"))
        assert inputs_of(drawing, classes, "5") == {"width": 640, "height": 512, "batch_size": 3}

    def test_fields_that_were_turned_into_inputs_in_another_order_keep_their_values(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        drawing.node(1, "Pair", [1, 2], (("other", "INT", None), ("one", "INT", None)), widgets=("other", "one"))
        assert inputs_of(drawing, classes, "1") == {"one": 1, "other": 2}

    def test_a_list_is_wrapped_so_that_it_is_no_link(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "Lists", [["a", "b"]])
        assert inputs_of(drawing, classes, "1") == {"tags": {"__value__": ["a", "b"]}}

    def test_a_field_of_a_type_that_only_the_file_knows_keeps_its_value(
        self, drawing: Drawing, classes: Classes
    ) -> None:
        listed = (("paint", "PAINT_BOX", None), ("size", "INT", None))
        drawing.node(1, "Painted", ["red", 3], listed, widgets=("paint", "size"))
        assert inputs_of(drawing, classes, "1") == {"paint": "red", "size": 3}

    def test_numbers_become_what_the_class_takes(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(3, "KSampler", ["7", "fixed", 20.0, "6.5", "euler", "normal", 1])
        inputs = inputs_of(drawing, classes, "3")
        assert [inputs[name] for name in ("seed", "steps", "cfg")] == [7, 20, 6.5]
        assert type(inputs["steps"]) is int

    @pytest.mark.parametrize(
        ("index", "name", "value", "kind"),
        [
            (0, "seed", "a cat", "a whole number"),
            (2, "steps", True, "a whole number"),
            (3, "cfg", [1, 2], "a number"),
            (3, "cfg", float("inf"), "a number"),
            (4, "sampler_name", 8, 'one of ["euler", '),
        ],
    )
    def test_a_value_of_the_wrong_type_is_named(
        self, drawing: Drawing, classes: Classes, index: int, name: str, value: Any, kind: str
    ) -> None:
        text_to_image(drawing)
        node_called(drawing, 3)["widgets_values"][index] = value
        (fault,) = faults_of(drawing, classes)
        assert (fault.place, fault.field) == ("node 3 (KSampler)", name)
        assert f"the class takes {kind}" in fault.remedy

    def test_a_value_of_the_wrong_type_is_ignored_behind_a_link(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "PrimitiveInt", [7, "fixed"], outputs="INT")
        drawing.node(5, "EmptyLatentImage", ["?", 768, 1], (("width", "INT", (1, 0)),), "LATENT", ("width",))
        assert inputs_of(drawing, classes, "5")["width"] == ["1", 0]

    def test_fields_without_names_in_the_file_are_reported(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing).node(10, "Growing", ["big", 2, 7], outputs="LATENT")
        node_called(drawing, 3)["inputs"][3]["link"] = 90
        drawing.links.append([90, 10, 0, 3, 3, "LATENT"])
        (fault,) = faults_of(drawing, classes)
        assert (fault.place, fault.field) == ("node 10 (Growing)", "model")

    def test_dynamic_fields_convert_if_the_file_names_them(self, drawing: Drawing, classes: Classes) -> None:
        named = {"model": "big", "model.size": 2, "seed": 7, "control_after_generate": "fixed"}
        drawing.node(10, "Growing", ["big", 2, 7, "fixed"], widgets_values_named=named)
        assert inputs_of(drawing, classes, "10") == {"model": "big", "model.size": 2, "seed": 7}

    def test_a_link_supplies_a_value_that_the_file_lacks(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(10, "Camera", [""], (("image", "WEBCAM", (11, 0)),))
        drawing.node(11, "Batch", [], (), "WEBCAM")
        assert inputs_of(drawing, classes, "10") == {"image": ["11", 0]}

    def test_a_value_made_when_queueing_is_reported_only_if_used(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing).node(10, "Camera", [""], outputs="IMAGE")
        assert build_graph(drawing, classes) == TEXT_TO_IMAGE
        node_called(drawing, 9)["inputs"][0]["link"] = 90
        drawing.links.append([90, 10, 0, 9, 0, "IMAGE"])
        (fault,) = faults_of(drawing, classes)
        assert (fault.place, fault.field, fault.value) == ("node 10 (Camera)", "image", "WEBCAM")


class TestValuesMadeInTheBrowser:
    """3D views, splats and cameras beside what is saved: they are refused only if something saved needs them."""

    @staticmethod
    def view(name: str, output: str = "FILE_3D") -> NodeClass:
        inputs = {"model_3d": ["IMAGE"], "viewport_state": ["LOAD_3D"]}
        return read_class(name, {"input": {"required": inputs}, "output": [output], "output_node": True})

    @pytest.mark.parametrize("name", ["Preview3DAdvanced", "PreviewGaussianSplat", "PreviewPointCloud", "Show3D"])
    def test_a_view_beside_what_is_saved_is_left_out_and_named(
        self, drawing: Drawing, classes: Classes, name: str
    ) -> None:
        text_to_image(drawing).node(10, name, ["", 1], (("model_3d", "IMAGE", (8, 0)),), "FILE_3D")
        converted = convert(drawing.file(), {**classes, name: self.view(name)}, name="drawing.json")
        assert converted.graph == TEXT_TO_IMAGE
        (notice,) = converted.notices
        assert notice.startswith(
            f"node 10 ({name}) is left out, and nothing saved needs it: viewport_state: the editor"
        )

    def test_a_view_that_what_is_saved_needs_is_refused(self, drawing: Drawing, classes: Classes) -> None:
        text_to_image(drawing).node(10, "Preview3DAdvanced", [""], (("model_3d", "IMAGE", (8, 0)),), "IMAGE")
        node_called(drawing, 9)["inputs"][0]["link"] = 90
        drawing.links.append([90, 10, 0, 9, 0, "IMAGE"])
        described = {**classes, "Preview3DAdvanced": self.view("Preview3DAdvanced", "IMAGE")}
        (fault,) = faults_of(drawing, described)
        assert (fault.place, fault.field) == ("node 10 (Preview3DAdvanced)", "viewport_state")

    def test_a_view_alone_is_refused(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(10, "Preview3DAdvanced", [""], (), "FILE_3D")
        (fault,) = faults_of(drawing, {**classes, "Preview3DAdvanced": self.view("Preview3DAdvanced")})
        assert fault.field == "viewport_state"


class TestUnknownClasses:
    @pytest.mark.parametrize(
        ("properties", "words"),
        [
            (
                {"cnr_id": "comfyui_controlnet_aux"},
                "the custom node pack comfyui_controlnet_aux: install the pack there",
            ),
            ({"aux_id": "owner/repo"}, "the custom node pack owner/repo: install the pack there"),
            ({"cnr_id": "comfy-core", "ver": "0.9.1"}, "ComfyUI's own (the file was saved with 0.9.1): update"),
            ({}, "install the custom node pack that provides it"),
        ],
    )
    def test_a_class_that_no_server_has_is_named_with_its_pack(
        self, drawing: Drawing, classes: Classes, properties: dict[str, str], words: str
    ) -> None:
        drawing.node(12, "DWPreprocessor", ["x"], properties=properties, title="pose")
        (fault,) = faults_of(drawing, {**classes, "DWPreprocessor": None})
        assert fault.place == 'node 12 (DWPreprocessor "pose")'
        assert fault.remedy.startswith("no server has this class")
        assert words in fault.remedy

    def test_a_class_of_several_nodes_is_named_once_with_all_of_them(self, drawing: Drawing, classes: Classes) -> None:
        for identity in range(12, 22):
            drawing.node(identity, "DWPreprocessor", ["x"])
        (fault,) = faults_of(drawing, classes)
        assert fault.place == "nodes 12, 13, 14, 15, 16, 17, 18, 19 and 2 more (DWPreprocessor)"

    def test_a_node_that_broadcasts_without_links_is_named(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(12, "Anything Everywhere", [], (("anything", "*", None),))
        (fault,) = faults_of(drawing, {**classes, "Anything Everywhere": classes["Batch"]})
        assert "convert it to real links" in fault.remedy

    def test_a_group_node_of_old_editors_is_named(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(12, "workflow>my group", [1, 2])
        (fault,) = faults_of(drawing, classes)
        assert "Convert to nodes" in fault.remedy

    def test_the_packs_of_the_graphs_classes_are_reported(self, drawing: Drawing, classes: Classes) -> None:
        drawing.node(1, "Seeder", [3, "free"], properties={"cnr_id": "seeds", "ver": "1.2"})
        drawing.node(2, "EmptyLatentImage", [8, 8, 1], properties={"cnr_id": "comfy-core", "ver": "0.3.64"})
        assert convert(drawing.file(), classes, name="the file").packs == {"Seeder": "seeds"}


class TestRecognition:
    def test_an_editors_file_is_distinguished_from_a_graph(self, drawing: Drawing) -> None:
        assert is_editor_file(text_to_image(drawing).file())
        assert is_editor_file({"nodes": {}, "links": [], "version": 1})
        assert not is_editor_file(TEXT_TO_IMAGE)
        assert not is_editor_file({"nodes": {"class_type": "SaveImage", "inputs": {}}, "links": TEXT_TO_IMAGE["9"]})
        assert not is_editor_file({"checkpoint": "sd.safetensors"})

    def test_a_result_can_be_compared(self, drawing: Drawing, classes: Classes) -> None:
        converted = convert(text_to_image(drawing).file(), classes, name="the file")
        assert converted == Converted(TEXT_TO_IMAGE, {})
