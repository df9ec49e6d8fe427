"""Check that the bindings file takes precedence, leaves values unused on purpose, and is refused with reasons."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import Fault, WorkflowFaults
from previs.workflow import (
    PlacedReference,
    SavedGraph,
    ShotValues,
    bindings_name,
    read_bindings,
    read_workflow,
)
from tests.copies import copied

Write = Callable[..., dict[str, Any]]
HEAD = "schema: previs.bindings/1\n"


def read(content: dict[str, Any], lines: str) -> SavedGraph:
    explicit = read_bindings((HEAD + lines).encode(), name="look.bindings.yaml")
    workflow = read_workflow(content, name="look.json", explicit=explicit)
    assert isinstance(workflow, SavedGraph)
    return workflow


def faults_of(content: dict[str, Any], lines: str) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        read(content, lines)
    return caught.value.faults


def file_faults(source: bytes) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        read_bindings(source, name="look.bindings.yaml")
    assert caught.value.source == "look.bindings.yaml"
    return caught.value.faults


def bound(workflow: SavedGraph, what: str) -> list[tuple[str, str]]:
    return [each.slot for each in workflow.bindings if each.what == what]


@pytest.fixture
def several(saved: dict[str, Any], node: Write) -> dict[str, Any]:
    """Return a graph with two prompts, one of them marked by a title."""
    saved["20"] = node("CLIPTextEncode", text="a house", clip=["4", 1], title="House. Garden")
    saved["21"] = node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["20", 0])
    saved["3"]["inputs"]["positive"] = ["21", 0]
    return saved


def test_several_prompts_are_resolved_by_the_lines_in_the_fault(several: dict[str, Any]) -> None:
    with pytest.raises(WorkflowFaults) as caught:
        read_workflow(several, name="looks/look.json")
    (fault,) = caught.value.faults
    assert "look.bindings.yaml" in fault.remedy
    lines = [line.strip() for line in fault.remedy.splitlines()[1:]]
    assert lines == [
        "schema: previs.bindings/1",
        'prompt: "6.text"  # "a city"',
        '# prompt: "20.text"  # "a house"',
        '# prompt: ["6.text", "20.text"]  # all of these',
    ]
    assert bound(read(several, "\n".join(lines[1:])), "prompt") == [("6", "text")]
    assert bound(read(several, lines[3].removeprefix("# ")), "prompt") == [("6", "text"), ("20", "text")]


def test_a_file_takes_precedence_over_titles_and_titles_over_links(several: dict[str, Any]) -> None:
    several["6"]["_meta"] = {"title": "shot.prompt"}
    workflow = read(several, "")
    assert [(each.slot, each.rule) for each in workflow.bindings if each.what == "prompt"] == [
        (("6", "text"), "title shot.prompt")
    ]
    workflow = read(several, 'prompt: "20.text"')
    assert [(each.slot, each.rule) for each in workflow.bindings if each.what == "prompt"] == [
        (("20", "text"), "bindings file")
    ]


@pytest.mark.parametrize("address", ["20.text", "House. Garden.text", " 20 . text "])
def test_an_address_is_an_id_or_a_title_which_may_hold_dots(several: dict[str, Any], address: str) -> None:
    assert bound(read(several, f'prompt: "{address}"'), "prompt") == [("20", "text")]


def test_an_id_takes_precedence_over_a_title(several: dict[str, Any]) -> None:
    several["6"]["_meta"] = {"title": "20"}
    assert bound(read(several, 'prompt: "20.text"'), "prompt") == [("20", "text")]


def test_a_title_of_two_nodes_is_no_address(several: dict[str, Any]) -> None:
    several["6"]["_meta"] = {"title": "House. Garden"}
    (fault,) = faults_of(several, 'prompt: "House. Garden.text"')
    assert '"6.text" or "20.text"' in fault.remedy
    assert 'node 6 (CLIPTextEncode "House. Garden")' in fault.remedy


@pytest.mark.parametrize(
    ("line", "value", "expected"),
    [
        ('prompt: "6.txet"', '"6.txet"', '"6.text"'),
        ('prompt: "66.text"', '"66.text"', '"6.text"'),
        ('prompt: "House. Gardn.text"', '"House. Gardn.text"', '"House. Garden.text"'),
        ('prompt: "6"', '"6"', '"6.text"'),
        ('seed: "6.text"', '"6.text"', "does not hold a whole number"),
        ('prompt: "3.seed"', '"3.seed"', "does not hold a text"),
        ('references: {hero: "66.image"}', '"66.image"', "no node has this id or title"),
    ],
)
def test_an_unknown_address_is_refused_with_the_closest(
    several: dict[str, Any], line: str, value: str, expected: str
) -> None:
    fault = faults_of(several, line if line.startswith("prompt") else f'prompt: "6.text"\n{line}')[0]
    assert fault.place == "look.bindings.yaml"
    assert fault.value == value
    assert expected in fault.remedy


def test_values_unused_on_purpose_are_reported_without_a_fault(saved: dict[str, Any]) -> None:
    workflow = read(saved, "negative: []\nseed: []")
    values = ShotValues("x", "fog", 5)
    graph = workflow.bind(values)
    assert (graph["7"]["inputs"]["text"], graph["3"]["inputs"]["seed"]) == ("low quality", -1)
    notices = workflow.report(values).notices
    assert notices == tuple(f"{what} is not used: look.bindings.yaml says so" for what in ("negative_prompt", "seed"))


def test_references_are_named_by_id_or_role(saved: dict[str, Any], node: Write) -> None:
    saved["10"] = node("LoadImage", image="a.png")
    saved["11"] = node("VAEEncode", pixels=["10", 0], vae=["4", 2])
    saved["12"] = node("LoadImage", image="b.png")
    saved["13"] = node("Mystery", picture=["12", 0])
    saved["3"]["inputs"] |= {"latent_image": ["11", 0], "denoise": 0.6}
    hero, alley = PlacedReference("h.png", "hero"), PlacedReference("k.png", "alley")
    workflow = read(saved, 'references: {hero: "12.image", alley: []}')
    values = ShotValues("x", None, 1, references=(alley, hero))
    graph = workflow.bind(values)
    assert (graph["10"]["inputs"]["image"], graph["12"]["inputs"]["image"]) == ("a.png", "h.png")
    assert workflow.report(values).notices == (
        "reference alley is not used: look.bindings.yaml says so",
        "node 10 (LoadImage) keeps its picture a.png: no reference replaces it",
    )
    workflow = read(saved, 'references: {style: "12.image"}')
    styled = PlacedReference("k.png", "alley", role="style")
    assert workflow.bind(ShotValues("x", None, 1, references=(styled,)))["12"]["inputs"]["image"] == "k.png"
    workflow = read(saved, "references: []")
    assert workflow.bind(ShotValues("x", None, 1, references=(hero,)))["10"]["inputs"]["image"] == "a.png"


def test_a_strength_is_named_by_the_references_id(saved: dict[str, Any], node: Write) -> None:
    saved["10"] = node("LoadImage", image="a.png")
    saved["11"] = node("VAEEncode", pixels=["10", 0], vae=["4", 2])
    saved["3"]["inputs"] |= {"latent_image": ["11", 0], "denoise": 0.6}
    workflow = read(saved, 'references: {hero: "10.image"}\nstrengths: {hero: "3.denoise"}')
    reference = PlacedReference("h.png", "hero", strength=0.3)
    assert workflow.bind(ShotValues("x", None, 1, references=(reference,)))["3"]["inputs"]["denoise"] == 0.3
    assert read_again(saved, workflow).strengths == workflow.strengths


def read_again(content: dict[str, Any], workflow: SavedGraph) -> SavedGraph:
    explicit = read_bindings(workflow.bindings_text().encode(), name="look.bindings.yaml")
    again = read_workflow(content, name="look.json", explicit=explicit)
    assert isinstance(again, SavedGraph)
    return again


def test_a_size_may_grow_in_proportion(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("ImageScale", image=["8", 0], upscale_method="lanczos", width=1024, height=1024, crop="disabled")
    saved["9"]["inputs"]["images"] = ["20", 0]
    lines = 'width: ["5.width", "20.width * 1.5"]\nheight: ["5.height", "20.height * 1.5"]'
    graph = read(saved, lines).bind(ShotValues("x", None, 1, width=640, height=360))
    assert (graph["5"]["inputs"]["width"], graph["20"]["inputs"]["width"]) == (640, 960)
    assert (graph["5"]["inputs"]["height"], graph["20"]["inputs"]["height"]) == (360, 544)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"", "schema: previs.bindings/1"),
        (b"prompt: 6.text", "schema: previs.bindings/1"),
        (b"schema: previs.bindings/2", "schema: previs.bindings/1"),
        (HEAD.encode() + b"promt: 6.text", "did you mean prompt?"),
        (HEAD.encode() + b"prompt: {a: b}", "give an address"),
        (HEAD.encode() + b"prompt: [[6.text]]", "give an address"),
        (HEAD.encode() + b"prompt:", "give an address"),
        (HEAD.encode() + b"references: 10.image", "by the id or role"),
        (HEAD.encode() + b"negative: a.b\nnegative_prompt: a.b", "given twice"),
        (HEAD.encode() + b"prompt: a.b\nprompt: c.d", "occurs twice"),
        (HEAD.encode() + b"prompt: &a a.b\nseed: *a", "without anchors"),
        (HEAD.encode() + b"? [a]\n: b", "a key must be text"),
        (HEAD.encode() + b'prompt: "\\uD800"', "half of a character"),
        (HEAD.encode() + b'prompt: "\\UFFFFFFFF"', "not the YAML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: [", "not valid YAML"),
        (b"[" * 900, "not valid YAML"),
        (b"[" * 5000, "this many brackets"),
        (b"a" * 1_000_001, "is this the right file?"),
        (b"- a", 'prompt: "6.text"'),
    ],
)
def test_a_wrong_file_is_refused_with_a_reason(source: bytes, expected: str) -> None:
    faults = file_faults(source)
    assert any(expected in str(fault) for fault in faults), faults


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused(content: bytes) -> None:
    for source in (content, HEAD.encode() + content):
        with contextlib.suppress(WorkflowFaults):
            read_bindings(source, name="x")


def test_a_file_may_be_json() -> None:
    explicit = read_bindings(b'{"schema": "previs.bindings/1", "seed": ["3.seed"]}', name="x")
    assert explicit.addresses == {"seed": ("3.seed",)}
    assert read_bindings({"schema": "previs.bindings/1", "seed": ["3.seed"]}, name="x") == explicit


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("storyboard.json", "storyboard.bindings.yaml"),
        ("s3://b/look.v2.json", "s3://b/look.v2.bindings.yaml"),
        ("a.b/look", "a.b/look.bindings.yaml"),
        (".json", ".json.bindings.yaml"),
    ],
)
def test_a_bindings_file_is_named_after_its_graph(path: str, name: str) -> None:
    assert bindings_name(path) == name


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_any_names_of_nodes_and_references_survive_writing_and_reading(
    fresh_saved: Callable[[], dict[str, Any]], names: list[str]
) -> None:
    saved = fresh_saved()
    renamed, reference = names[0], names[1]
    if renamed in saved or not reference.strip():
        return
    saved[renamed] = saved.pop("6")
    saved["3"]["inputs"]["positive"] = [renamed, 0]
    saved["pic"] = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
    saved["pic"]["_meta"] = {"title": f"shot.reference.{reference}"}
    before = read_workflow(copied(saved), name="x")
    assert isinstance(before, SavedGraph)
    again = read_again(copied(saved), before)
    assert bound(again, "prompt") == bound(before, "prompt") == [(renamed, "text")]
    assert {each.reference_id or each.role for each in again.bindings if each.what == "reference"} == {
        reference.strip()
    }
