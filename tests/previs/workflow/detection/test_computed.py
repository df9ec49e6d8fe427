"""Check what is bound where a graph computes a size or a length, joins films, or numbers its pictures."""

from typing import Any

import pytest

from previs.workflow import PlacedReference, SavedGraph, ShotValues, read_bindings
from previs.workflow.saved import read_graph

Graph = dict[str, Any]
SIZE = {"width": 1280, "height": 704}
CALCULATOR = "ComfyMathExpression"


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def math(expression: str, **values: list[Any]) -> dict[str, Any]:
    return node(CALCULATOR, expression=expression, **{f"values.{name}": link for name, link in values.items()})


def read(graph: Graph, **how: Any) -> SavedGraph:
    return read_graph(graph, name="look.json", known=[], **how)


def values(**given: Any) -> ShotValues:
    return ShotValues(**({"prompt": "fog", "negative_prompt": None, "seed": 5} | given))


def size_gap(graph: Graph) -> str:
    return read(graph).gaps.get("width", "")


@pytest.fixture
def picked(saved: Graph) -> Graph:
    """Return a graph whose size a node picks."""
    saved["20"] = node("ResolutionSelector", aspect_ratio="1:1 (Square)", megapixels=1, multiple=8)
    saved["5"]["inputs"] |= {"width": ["20", 0], "height": ["20", 1]}
    return saved


class TestSizes:
    def test_a_size_takes_the_place_of_the_node_that_picks_one(self, picked: Graph) -> None:
        picked["21"] = node("Ideogram4Scheduler", steps=4, width=["20", 0], height=["20", 1])
        picked["3"]["inputs"]["sigmas"] = ["21", 0]
        bound = read(picked).bind(values(**SIZE))
        assert bound["5"]["inputs"].items() >= SIZE.items()
        assert bound["21"]["inputs"].items() >= SIZE.items()
        assert read(picked).bind(values())["5"]["inputs"]["width"] == ["20", 0]

    def test_numbers_behind_equal_expressions_take_the_size(self, saved: Graph) -> None:
        saved |= {"30": node("PrimitiveInt", value=640), "31": node("PrimitiveInt", value=384)}
        saved |= {"32": math("a/2", a=["30", 0]), "33": math("a/2", a=["31", 0])}
        saved["5"]["inputs"] |= {"width": ["32", 1], "height": ["33", 1]}
        bound = read(saved).bind(values(**SIZE))
        assert (bound["30"]["inputs"]["value"], bound["31"]["inputs"]["value"]) == (1280, 704)

    def test_a_size_that_something_else_reads_too_is_a_gap(self, picked: Graph) -> None:
        picked["20"]["inputs"]["third"] = 1
        picked["6"]["inputs"]["clip_skip"] = ["20", 2]
        assert "computed by other nodes (node 20 (ResolutionSelector))" in size_gap(picked)

    def test_sizes_that_are_computed_in_different_ways_are_a_gap(self, saved: Graph) -> None:
        saved |= {"30": node("PrimitiveInt", value=640), "31": node("PrimitiveInt", value=384)}
        saved |= {"32": math("a/2", a=["30", 0]), "33": math("a*2", a=["31", 0])}
        saved["5"]["inputs"] |= {"width": ["32", 1], "height": ["33", 1]}
        assert "computed by other nodes" in size_gap(saved)

    def test_the_size_of_a_picture_is_a_gap(self, saved: Graph) -> None:
        saved |= {"30": node("LoadImage", image="a.png"), "31": node("GetImageSize", image=["30", 0])}
        saved["5"]["inputs"] |= {"width": ["31", 0], "height": ["31", 1]}
        assert "computed by other nodes (node 31 (GetImageSize))" in size_gap(saved)


@pytest.fixture
def film(saved: Graph) -> Graph:
    """Return a graph of a film whose frames are computed from seconds and a rate."""
    saved["5"] = node("EmptyLTXVLatentVideo", width=512, height=512, length=["42", 1], batch_size=1)
    saved |= {"40": node("PrimitiveInt", value=5), "41": node("PrimitiveInt", value=24)}
    saved |= {"42": math("a * b + 1", a=["40", 0], b=["41", 0]), "43": math("a", a=["41", 0])}
    saved["9"] = node("VHS_VideoCombine", filename_prefix="x", images=["8", 0], frame_rate=["43", 0])
    return saved


class TestLengths:
    def test_seconds_behind_computed_frames_take_the_duration(self, film: Graph) -> None:
        assert read(film).bind(values(duration=3.0))["40"]["inputs"]["value"] == 3
        report = read(film).report(values(duration=2.5))
        assert any("in whole seconds: 3 s is made" in notice for notice in report.notices)

    def test_frames_behind_computed_frames_stay_a_gap(self, film: Graph) -> None:
        film["40"]["inputs"]["value"] = 48
        assert "is computed by other nodes" in read(film).gaps["length"]

    def test_seconds_that_a_bindings_file_names_get_seconds(self, film: Graph) -> None:
        film["5"]["inputs"]["length"] = ["44", 0]
        film["44"] = node("AnyLength", of=["42", 1], at_least=1)
        explicit = read_bindings(b'schema: previs.bindings/1\nlength: "40.value"', name="x.bindings.yaml")
        assert read(film, explicit=explicit).bind(values(duration=3.0))["40"]["inputs"]["value"] == 3
        film["40"]["inputs"]["value"] = 48
        assert read(film, explicit=explicit).bind(values(duration=3.0))["40"]["inputs"]["value"] == 72

    def test_films_that_are_joined_take_no_duration(self, film: Graph) -> None:
        film["5"]["inputs"]["length"] = 25
        second = {"25": film["5"], "23": film["3"], "28": film["8"]}
        film |= {key: {**each, "inputs": dict(each["inputs"])} for key, each in second.items()}
        film["23"]["inputs"]["latent_image"], film["28"]["inputs"]["samples"] = ["25", 0], ["23", 0]
        film["50"] = node("BatchImagesNode", **{"images.image0": ["8", 0], "images.image1": ["28", 0]})
        film["9"]["inputs"]["images"] = ["50", 0]
        assert "several nodes each make a part of it" in read(film).gaps["length"]


def test_references_fill_numbered_inputs_in_their_order(saved: Graph) -> None:
    saved |= {"30": node("LoadImage", image="light.png"), "31": node("LoadImage", image="person.png")}
    saved["6"] = node(
        "TextEncodeQwenImageEditPlus", clip=["4", 1], prompt="relight", image1=["31", 0], image2=["30", 0]
    )
    bound = read(saved).bind(values(references=(PlacedReference("first.png", "a"), PlacedReference("second.png", "b"))))
    assert (bound["31"]["inputs"]["image"], bound["30"]["inputs"]["image"]) == ("first.png", "second.png")
