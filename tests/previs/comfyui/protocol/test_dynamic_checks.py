"""Check inputs that bring further inputs, by the classes of a real ComfyUI 0.33.0."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.check import Checker, Finding, findings
from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph

RECORDINGS = Path(__file__).parents[3] / "recordings-0.33.0"
INFO: dict[str, Any] = json.loads(gzip.decompress((RECORDINGS / "object_info.json.gz").read_bytes()))
NAMES = (
    "SaveVideo",
    "EmptyImage",
    "CreateVideo",
    "BatchImagesNode",
    "CustomCombo",
    "PreviewAny",
    "ResizeImageMaskNode",
)
CLASSES: dict[str, NodeClass | None] = {name: read_class(name, INFO[name]) for name in NAMES}


def video(**inputs: Any) -> Graph:
    """Return a graph that saves a video of one grey picture, with some inputs of its last node."""
    picture = {"width": 64, "height": 64, "batch_size": 1, "color": 0}
    return {
        "1": {"class_type": "EmptyImage", "inputs": picture},
        "2": {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["1", 0]}},
        "3": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "fps": 24.0}},
        "4": {"class_type": "SaveVideo", "inputs": {"video": ["3", 0], "filename_prefix": "x", **inputs}},
    }


def found(graph: Graph) -> list[tuple[str, str, str]]:
    return [(each.kind, each.input, each.remedy) for each in findings(graph, CLASSES)]


CODEC = {"format": "mp4", "format.codec": "h264"}
ENCODING = CODEC | {"format.codec.encoding": "re-encode", "format.codec.encoding.color_space": "auto"}


@pytest.mark.parametrize("inputs", [{"format": "auto", "format.codec": "auto"}, CODEC])
def test_a_node_with_the_inputs_of_its_option_passes(inputs: dict[str, Any]) -> None:
    assert found(video(**inputs)) == []


@pytest.mark.parametrize(
    ("inputs", "kind", "name", "remedy"),
    [
        ({"format": "nonsense"}, "value_not_in_list", "format", "choose one of auto, mp4, mkv, webm"),
        ({"format": 7}, "value_not_in_list", "format", "choose one of auto, mp4, mkv, webm"),
        ({}, "missing_input", "format", "it is required: give one of auto, mp4, mkv, webm"),
        ({"format": "mp4"}, "missing_input", "format.codec", "it is required: give one of auto, h264"),
        (CODEC | {"format.codec": "mpeg"}, "value_not_in_list", "format.codec", "choose one of auto, h264"),
        (
            ENCODING | {"format.codec.encoding.crf": 99},
            "value_out_of_range",
            "format.codec.encoding.crf",
            "give a number from 0 to 51",
        ),
        (
            ENCODING,
            "missing_input",
            "format.codec.encoding.crf",
            "it is required: give a number from 0 to 51",
        ),
    ],
)
def test_values_of_options_are_judged_at_every_depth(inputs: dict[str, Any], kind: str, name: str, remedy: str) -> None:
    [(found_kind, found_name, found_remedy)] = found(video(**inputs))
    assert (found_kind, found_name) == (kind, name)
    assert found_remedy.startswith(remedy)


def test_a_value_that_a_link_supplies_is_reported_as_not_checked() -> None:
    [finding] = findings(video(format=["2", 0]), CLASSES)
    assert (finding.kind, finding.input, finding.certain) == ("not_checked", "format", False)
    assert finding.remedy.startswith("not checked: a link supplies it")


def test_inputs_of_a_kind_that_is_not_known_are_reported_as_not_checked() -> None:
    described = {"input": {"required": {"slot": ["COMFY_DYNAMICSLOT_V3", {}]}}, "output_node": True}
    graph: Graph = {"1": {"class_type": "Newer", "inputs": {"slot": 5}}}
    [finding] = findings(graph, {"Newer": read_class("Newer", described)})
    assert (finding.kind, finding.certain) == ("not_checked", False)
    assert "COMFY_DYNAMICSLOT_V3" in finding.remedy


def test_a_row_needs_its_first_inputs_and_links_of_its_type() -> None:
    graph = video(**CODEC)
    graph["2"]["inputs"] = {"images.image1": ["1", 0]}
    assert found(graph) == [("missing_input", "images.image0", "it is required: give a link to IMAGE")]
    graph["2"]["inputs"] = {"images.image0": ["3", 0]}
    graph["3"]["inputs"]["images"] = ["1", 0]
    graph["4"]["inputs"]["video"] = ["2", 0]
    kinds = {(kind, name) for kind, name, _ in found(graph)}
    assert ("wrong_link_type", "images.image0") in kinds


def test_a_match_type_takes_the_types_that_it_allows() -> None:
    inputs = {
        "input": ["3", 0],
        "resize_type": "scale by multiplier",
        "resize_type.multiplier": 2,
        "scale_method": "area",
    }
    graph = video(**CODEC) | {"5": {"class_type": "ResizeImageMaskNode", "inputs": inputs}}
    graph["6"] = {"class_type": "PreviewAny", "inputs": {"source": ["5", 0]}}
    [(kind, name, remedy)] = found(graph)
    assert (kind, name) == ("wrong_link_type", "input")
    assert remedy.startswith("give a link to IMAGE or MASK")
    inputs["input"] = ["1", 0]
    assert found(graph) == []


def test_choices_that_an_artist_wrote_are_accepted() -> None:
    graph: Graph = {
        "1": {"class_type": "CustomCombo", "inputs": {"choice": "my own", "index": 0, "option1": "my own"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    assert found(graph) == []


@pytest.mark.parametrize("changed", [{"format": "auto"}, {"format": "nonsense"}, {"format.codec": "auto"}, {}])
def test_a_checker_notices_that_a_value_brings_other_inputs(changed: dict[str, Any]) -> None:
    checker = Checker(CLASSES)
    first, second = video(**ENCODING), video(**ENCODING | changed)

    def checked(graph: Graph) -> tuple[Finding, ...]:
        return checker.findings(graph)

    for graph in (first, second, first):
        assert checked(graph) == findings(graph, CLASSES)
