"""Test what findings say: node, input, value and remedy."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.check import Checker, Finding, findings
from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.simulator.validation import validate
from tests.previs.comfyui.graphs import graph
from tests.previs.comfyui.recordings import FOLDER

INFO: dict[str, Any] = json.loads((FOLDER / "object_info.json").read_text("utf-8"))


def classes_of(info: dict[str, Any]) -> dict[str, NodeClass | None]:
    return {name: read_class(name, described) for name, described in info.items()}


LISTED = copy.deepcopy(INFO)
LISTED["LoadImage"]["input"]["required"]["image"][0] = ["broken.png"]
CLASSES = classes_of(LISTED)


class EveryClass(dict[str, NodeClass | None]):
    """Represent the classes of a server from which every class was requested."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> None:
        return None


SERVER = EveryClass(CLASSES)


def found(made: Graph, classes: dict[str, NodeClass | None] = SERVER) -> list[Finding]:
    return list(findings(made, classes))


def changed(node_id: str, name: str, value: object) -> Graph:
    made = graph()
    made[node_id]["inputs"][name] = value
    return made


def without(node_id: str, name: str) -> Graph:
    made = graph()
    del made[node_id]["inputs"][name]
    return made


def places(results: list[Finding]) -> list[tuple[str, str, str]]:
    return [(each.kind, each.node_id, each.input) for each in results]


def server_with(class_type: str, name: str, choices: list[str]) -> dict[str, NodeClass | None]:
    info = {class_type: copy.deepcopy(INFO[class_type])}
    rule = info[class_type]["input"]["required"][name]
    rule[:] = ["COMBO", {"options": choices}] if rule[0] == "COMBO" else [choices]
    return EveryClass(CLASSES | classes_of(info))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
# A busy machine draws changes of a graph slowly.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_checker_notices_inputs_that_come_and_go() -> None:
    checker = Checker(SERVER)
    upscale: Graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    assert checker.findings(upscale) == ()
    more, less = copy.deepcopy(upscale), copy.deepcopy(upscale)
    more["1"]["inputs"]["color"] = ["2", 0]
    del less["1"]["inputs"]["color"]
    assert places(list(checker.findings(more))) == [("broken_link", "1", "color"), ("cycle", "2", "")]
    assert places(list(checker.findings(upscale))) == []
    assert places(list(checker.findings(less))) == [("missing_input", "1", "color")]
    assert places(list(checker.findings(more))) == [("broken_link", "1", "color"), ("cycle", "2", "")]


@PATIENT
@given(made=st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_arbitrary_json_has_findings(made: dict[str, Any]) -> None:
    assert found(made)


@PATIENT
@given(data=st.data(), node_id=st.sampled_from(sorted(graph())))
def test_any_value_anywhere_is_checked(data: st.DataObject, node_id: str) -> None:
    made: Any = graph()
    name = data.draw(st.sampled_from([*made[node_id]["inputs"], "", "new"]))
    made[node_id]["inputs"][name] = data.draw(JSON)
    if data.draw(st.booleans()):
        made[node_id] = {
            **made[node_id],
            data.draw(st.sampled_from(["_meta", "inputs", "class_type"])): data.draw(JSON),
        }
    for each in found(made):
        assert each.remedy


Case = tuple[Graph, str, str, str, str]
EACH: list[Case] = [
    (
        changed("3", "seed", -1),
        "value_out_of_range",
        "seed",
        "-1",
        "give a whole number from 0 to 18446744073709551615",
    ),
    (changed("3", "cfg", 100.5), "value_out_of_range", "cfg", "100.5", "give a number from 0 to 100"),
    (changed("3", "steps", "5.5"), "wrong_value_type", "steps", '"5.5"', "give a whole number from 1 to 10000"),
    (changed("3", "cfg", None), "wrong_value_type", "cfg", "null", "give a number from 0 to 100"),
    (without("5", "width"), "missing_input", "width", "", "it is required: give a whole number from 16 to 16384"),
    (without("8", "vae"), "missing_input", "vae", "", "it is required: give a link to VAE"),
    (
        changed("8", "samples", ["4", 2]),
        "wrong_link_type",
        "samples",
        '["4", 2]',
        "give a link to LATENT: output 2 of node 4 (CheckpointLoaderSimple) is VAE",
    ),
    (
        changed("8", "vae", ["4", 0]),
        "wrong_link_type",
        "vae",
        '["4", 0]',
        "give a link to VAE: output 0 of node 4 (CheckpointLoaderSimple) is MODEL, output 2 would do",
    ),
    (
        changed("8", "vae", ["4", 3]),
        "broken_link",
        "vae",
        '["4", 3]',
        "node 4 (CheckpointLoaderSimple) has no such output; it has 0: MODEL, 1: CLIP, 2: VAE",
    ),
    (
        changed("8", "vae", [4, 2]),
        "broken_link",
        "vae",
        "[4, 2]",
        'the graph has no such node: write ["4", 2]',
    ),
    (
        changed("8", "vae", ["44", 2]),
        "broken_link",
        "vae",
        '["44", 2]',
        "the graph has no such node: give a link to VAE",
    ),
]


@pytest.mark.parametrize(("made", "kind", "name", "value", "remedy"), EACH)
def test_a_finding_gives_the_value_and_the_remedy(made: Graph, kind: str, name: str, value: str, remedy: str) -> None:
    [finding] = found(made)
    assert (finding.kind, finding.input, finding.value, finding.remedy) == (kind, name, value, remedy)


def test_each_node_of_an_unknown_class_is_reported_with_its_pack() -> None:
    made = graph()
    made["6"] |= {"class_type": "FancyEncode", "_meta": {"title": "the prompt"}}
    made["7"] |= {"class_type": "PlainEncode"}
    results = findings(made, SERVER, {"FancyEncode": "ComfyUI-Fancy"})
    assert [str(each.fault) for each in results] == [
        (
            'node 6 (FancyEncode "the prompt"), class_type: "FancyEncode": the server has no such node class: '
            "install the custom node pack ComfyUI-Fancy, or replace the node"
        ),
        (
            'node 7 (PlainEncode), class_type: "PlainEncode": the server has no such node class: '
            "update ComfyUI there if the class is its own, install the custom node pack that has it, "
            "or replace the node"
        ),
    ]


def accepted(made: Graph) -> bool:
    verdict = validate(made, INFO)
    return verdict.error is None and not verdict.node_errors


def test_an_unknown_class_is_found_where_no_output_needs_it() -> None:
    made = graph() | {"10": {"class_type": "NoSuchNode", "inputs": {}}}
    assert not accepted(made)
    assert places(found(made)) == [("unknown_class", "10", "class_type")]


def test_nodes_that_no_output_needs_have_no_findings() -> None:
    made = graph() | {"10": {"class_type": "KSampler", "inputs": {"seed": -1, "model": ["99", 0]}}}
    assert accepted(made)
    assert found(made) == []


def test_nodes_upstream_of_an_unknown_class_are_checked_too() -> None:
    made = changed("3", "seed", -1)
    made["9"]["class_type"] = "FancySave"
    assert places(found(made)) == [("unknown_class", "9", "class_type"), ("value_out_of_range", "3", "seed")]


def test_a_class_that_was_not_requested_has_no_findings() -> None:
    known = {name: results for name, results in CLASSES.items() if name != "SaveImage"}
    assert found(changed("3", "seed", -1), known) == []
    made = graph() | {"10": {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}}
    made["6"]["class_type"] = "NotAskedFor"
    assert found(made, dict(CLASSES)) == []


def test_a_graph_without_an_output_node_is_one_finding() -> None:
    made = graph()
    del made["9"]
    assert [str(each.fault) for each in found(made)] == ["the graph: add an output node that saves, such as SaveImage"]


def test_a_cycle_of_any_length_is_found() -> None:
    made: Graph = {"0": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}
    for number in range(1, 5000):
        made[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [str(number % 4999 + 1), 0]}}
    assert places(found(made)) == [("cycle", "1", "")]


def test_a_bad_output_beside_a_good_one_is_found() -> None:
    made = graph() | {"10": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}}}
    assert places(found(made)) == [("missing_input", "10", "filename_prefix")]


MODELS = [
    "SDXL\\Juggernaut-XL_v9.safetensors",
    "sd_xl_base_1.0.safetensors",
    "flux/flux1-dev-fp8.safetensors",
    "漫画.gguf",
]


@pytest.mark.parametrize(
    ("wanted", "closest"),
    [
        ("juggernaut-xl_v9.safetensors", "SDXL\\Juggernaut-XL_v9.safetensors"),
        ("other/juggernaut-xl_v9.ckpt", "SDXL\\Juggernaut-XL_v9.safetensors"),
        ("JUGGERNAUT-XL_V9.SAFETENSORS", "SDXL\\Juggernaut-XL_v9.safetensors"),
        ("a/very/deep/folder/of/another/machine/juggernaut.ckpt", "SDXL\\Juggernaut-XL_v9.safetensors"),
        ("C:\\a\\very\\deep\\folder\\of\\another\\machine\\漫画.sft", "漫画.gguf"),
        ("flux1-dev.safetensors", "flux/flux1-dev-fp8.safetensors"),
        ("sd_xl_base_1.0_0.9vae.safetensors", "sd_xl_base_1.0.safetensors"),
    ],
)
def test_a_missing_model_is_reported_with_the_closest_names(wanted: str, closest: str) -> None:
    server = server_with("CheckpointLoaderSimple", "ckpt_name", MODELS)
    [finding] = found(changed("4", "ckpt_name", wanted), server)
    assert (finding.kind, finding.value) == ("missing_model", json.dumps(wanted, ensure_ascii=False))
    assert finding.remedy == (
        f"the server does not have it: install it there, or choose another: of its 4 the closest is {closest}"
    )


def test_at_most_three_names_are_shown_of_a_thousand() -> None:
    names = [f"character_lora_{number:04d}.safetensors" for number in range(1000)]
    server = server_with("CheckpointLoaderSimple", "ckpt_name", names)
    [finding] = found(changed("4", "ckpt_name", "character_lora_77.safetensors"), server)
    assert finding.remedy.count(".safetensors") == 3


def test_a_server_without_any_model_of_the_kind_is_reported() -> None:
    [finding] = found(
        changed("4", "ckpt_name", "any.safetensors"), server_with("CheckpointLoaderSimple", "ckpt_name", [])
    )
    assert (finding.kind, finding.remedy) == ("missing_model", "the server has none of this kind: install it there")


@pytest.mark.parametrize(
    ("count", "has"),
    [(13, "none of its 13 has a similar name"), (4, "it has model_0.ckpt, model_1.ckpt, model_2.ckpt, model_3.ckpt")],
)
def test_without_a_similar_name_a_short_list_is_shown_in_full(count: int, has: str) -> None:
    server = server_with("CheckpointLoaderSimple", "ckpt_name", [f"model_{number}.ckpt" for number in range(count)])
    [finding] = found(changed("4", "ckpt_name", "故事.ckpt"), server)
    assert finding.remedy.endswith(has)


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [("scheduler", "karra", "karras"), ("sampler_name", "euler_a", "euler, euler_ancestral, ")],
)
def test_a_choice_that_is_not_a_file_is_not_a_missing_model(name: str, value: str, choices: str) -> None:
    [finding] = found(changed("3", name, value))
    assert finding.kind == "value_not_in_list"
    assert choices in finding.remedy


@pytest.mark.parametrize("image", ["previs/0123.png", "clipspace/a.png [input]", "last.png [output]", "a\\b.png"])
def test_a_file_that_may_exist_unlisted_is_left_to_the_server(image: str) -> None:
    made = graph() | {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    assert found(made) == []
    made["1"]["inputs"]["image"] = "not-uploaded.png"
    assert places(found(made)) == [("missing_file", "1", "image")]


def test_dynamic_inputs_of_newer_servers_are_not_checked() -> None:
    newer = {
        "Switch": {
            "input": {"required": {"images": ["COMFY_AUTOGROW_V3", {}], "any": ["IMAGE", {}]}},
            "output": ["COMFY_MATCHTYPE_V3"],
        },
        "Save": {"input": {"required": {"images": ["VIDEO", {}]}}, "output": [], "output_node": True},
        "Load": {"input": {}, "output": ["IMAGE"]},
    }
    made: Graph = {
        "1": {"class_type": "Load", "inputs": {}},
        "2": {"class_type": "Switch", "inputs": {"images.0": ["1", 0], "any": ["1", 0]}},
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
    }
    assert found(made, classes_of(newer)) == []


def test_one_of_several_output_types_must_fit() -> None:
    info: dict[str, Any] = {
        "Make": {"input": {}, "output": ["IMAGE, MASK", "*", "LATENT"]},
        "Take": {"input": {"required": {"it": ["MASK,VIDEO", {}]}}, "output": [], "output_node": True},
    }
    for index, fits in ((0, True), (1, True), (2, False)):
        made: Graph = {
            "1": {"class_type": "Make", "inputs": {}},
            "2": {"class_type": "Take", "inputs": {"it": ["1", index]}},
        }
        assert (found(made, classes_of(info)) == []) is fits


@pytest.mark.parametrize("value", ["a.safetensors", 5, None])
def test_a_value_instead_of_a_link_is_reported_although_the_server_accepts_it(value: object) -> None:
    made = changed("3", "model", value)
    assert accepted(made)
    [finding] = found(made)
    assert (finding.kind, finding.node_id, finding.input) == ("missing_link", "3", "model")
    assert finding.remedy.startswith("give a link to MODEL")
