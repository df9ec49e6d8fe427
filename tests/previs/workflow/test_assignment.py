"""Check that references are assigned by id, by role, or in order if that is unambiguous, and reported otherwise."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from previs.errors import Fault, WorkflowFaults
from previs.workflow import PlacedReference, SavedGraph, ShotValues, read_bindings, read_workflow
from previs.workflow.detection.roles import ROLES, role_named

Write = Callable[..., dict[str, Any]]
HERO, ALLEY = PlacedReference("hero.png", "hero"), PlacedReference("alley.png", "alley")


def read(content: dict[str, Any], **how: Any) -> SavedGraph:
    workflow = read_workflow(copy.deepcopy(content), name="look.json", **how)
    assert isinstance(workflow, SavedGraph)
    return workflow


def loaded(content: dict[str, Any], *references: PlacedReference) -> dict[str, str]:
    graph = read(content).bind(ShotValues("x", None, 1, references=references), place="shot 3")
    return {i: node["inputs"]["image"] for i, node in graph.items() if node["class_type"] == "LoadImage"}


def faults_of(content: dict[str, Any], *references: PlacedReference) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        loaded(content, *references)
    return caught.value.faults


def roles(content: dict[str, Any]) -> dict[str, str]:
    return {each.node_id: each.role for each in read(content).bindings if each.what == "reference"}


def of_role(name: str, role: str) -> PlacedReference:
    return PlacedReference(f"{name}.png", name, role=role)


@pytest.fixture
def video(saved: dict[str, Any], node: Write) -> dict[str, Any]:
    """Return a video graph from a first to a last frame, whose nodes are numbered in another order."""
    saved["68"] = node("LoadImage", image="first.webp")
    saved["62"] = node("LoadImage", image="last.webp")
    saved["67"] = node(
        "WanFirstLastFrameToVideo",
        positive=["6", 0],
        negative=["7", 0],
        vae=["4", 2],
        width=640,
        height=640,
        length=81,
        batch_size=1,
        start_image=["68", 0],
        end_image=["62", 0],
    )
    saved["3"]["inputs"] |= {"positive": ["67", 0], "negative": ["67", 1], "latent_image": ["67", 2]}
    saved["9"] = node("SaveAnimatedWEBP", images=["8", 0], filename_prefix="x", fps=16.0)
    del saved["5"]
    return saved


def test_a_role_decides_and_a_reference_id_may_be_a_role(video: dict[str, Any]) -> None:
    assert roles(video) == {"68": "first_frame", "62": "last_frame"}
    expected = {"68": "a.png", "62": "b.png"}
    assert loaded(video, of_role("b", "last_frame"), of_role("a", "first_frame")) == expected
    assert loaded(video, of_role("b", "Last frame"), of_role("a", "start")) == expected
    assert loaded(video, PlacedReference("b.png", "last frame"), PlacedReference("a.png", "First-Frame")) == expected
    assert loaded(video, of_role("b", "last_frame"), PlacedReference("a.png", "hero")) == expected


def test_ambiguous_references_are_refused_with_lines_that_resolve_it(video: dict[str, Any]) -> None:
    (fault,) = faults_of(video, HERO, ALLEY)
    assert (fault.place, fault.field) == ("shot 3", "reference hero, alley")
    assert "node 62 (LoadImage) as last_frame, node 68 (LoadImage) as first_frame" in fault.remedy
    yaml_block = "\n".join(line.removeprefix("      ") for line in fault.remedy.splitlines()[1:])
    workflow = read(video, explicit=read_bindings(yaml_block.encode(), name="look.bindings.yaml"))
    graph = workflow.bind(ShotValues("x", None, 1, references=(HERO, ALLEY)))
    assert (graph["68"]["inputs"]["image"], graph["62"]["inputs"]["image"]) == ("hero.png", "alley.png")


def test_a_role_without_a_picture_in_the_graph_is_refused(video: dict[str, Any]) -> None:
    (fault,) = faults_of(video, of_role("a", "style"))
    assert (fault.field, fault.value) == ("reference a, role", '"style"')
    assert "as last_frame" in fault.remedy
    (fault,) = faults_of(video, of_role("a", "first_frame"), of_role("b", "start"))
    assert fault.field == "reference b, role"
    (fault,) = faults_of(video, of_role("a", "mood"))
    assert "no such role" in fault.remedy


def test_a_picture_that_stays_is_reported(video: dict[str, Any]) -> None:
    notices = read(video).report(ShotValues("x", None, 1, references=(of_role("a", "last_frame"),))).notices
    assert notices == ("node 68 (LoadImage) keeps its picture first.webp: no reference replaces it",)


def test_a_reference_without_a_picture_is_refused_with_a_way_to_leave_it_unused(saved: dict[str, Any]) -> None:
    (fault,) = faults_of(saved, HERO)
    assert "0 LoadImage nodes" in fault.remedy
    assert "references: {hero: []}" in fault.remedy


@pytest.mark.parametrize(
    ("nodes", "into", "role"),
    [
        ({"20": ("VAEEncode", {"pixels": ["10", 0]})}, ("latent_image", ["20", 0]), "start"),
        (
            {"20": ("VAEEncodeForInpaint", {"pixels": ["10", 0], "mask": ["10", 1]})},
            ("latent_image", ["20", 0]),
            "inpaint",
        ),
        ({"20": ("SetLatentNoiseMask", {"samples": ["5", 0], "mask": ["10", 1]})}, ("latent_image", ["20", 0]), "mask"),
        (
            {
                "20": ("VAEEncode", {"pixels": ["10", 0]}),
                "21": ("SetLatentNoiseMask", {"samples": ["20", 0], "mask": ["10", 1]}),
            },
            ("latent_image", ["21", 0]),
            "inpaint",
        ),
        (
            {"20": ("ControlNetApply", {"conditioning": ["6", 0], "control_net": ["4", 0], "image": ["10", 0]})},
            None,
            "control",
        ),
        (
            {
                "20": ("VAEEncode", {"pixels": ["10", 0]}),
                "21": ("ReferenceLatent", {"conditioning": ["6", 0], "latent": ["20", 0]}),
            },
            ("positive", ["21", 0]),
            "edit",
        ),
        (
            {
                "19": ("Canny", {"image": ["10", 0]}),
                "20": ("VAEEncode", {"pixels": ["19", 0]}),
                "21": ("ReferenceLatent", {"conditioning": ["6", 0], "latent": ["20", 0]}),
            },
            ("positive", ["21", 0]),
            "control",
        ),
        (
            {
                "20": ("CLIPVisionEncode", {"image": ["10", 0]}),
                "21": ("StyleModelApply", {"conditioning": ["6", 0], "clip_vision_output": ["20", 0]}),
            },
            ("positive", ["21", 0]),
            "style",
        ),
        (
            {"20": ("IPAdapterAdvanced", {"model": ["4", 0], "ipadapter": ["4", 0], "image": ["10", 0]})},
            ("model", ["20", 0]),
            "style",
        ),
        (
            {"20": ("LTXVAddGuide", {"positive": ["6", 0], "image": ["10", 0], "frame_idx": -1})},
            ("positive", ["20", 0]),
            "last_frame",
        ),
        (
            {"20": ("PhotoMakerEncode", {"image": ["10", 0], "photomaker": ["4", 0], "text": "a"})},
            ("positive", ["20", 0]),
            "subject",
        ),
    ],
)
def test_a_pictures_role_is_read_from_where_it_goes(
    saved: dict[str, Any], node: Write, nodes: dict[str, Any], into: tuple[str, Any] | None, role: str
) -> None:
    saved["10"] = node("LoadImage", image="a.png")
    saved |= {node_id: node(name, **inputs) for node_id, (name, inputs) in nodes.items()}
    name, link = into or ("positive", ["20", 0])
    saved["3"]["inputs"] |= {name: link, "denoise": 0.6}
    assert roles(saved) == {"10": role}


def test_a_picture_that_only_sets_the_size_has_the_role_of_its_other_use(saved: dict[str, Any], node: Write) -> None:
    saved["10"] = node("LoadImage", image="a.png")
    saved["20"] = node("VAEEncode", pixels=["10", 0])
    saved["21"] = node("ControlNetApply", conditioning=["6", 0], control_net=["4", 0], image=["10", 0], strength=1.0)
    saved["3"]["inputs"] |= {"latent_image": ["20", 0], "positive": ["21", 0], "denoise": 1.0}
    assert roles(saved) == {"10": "control"}
    saved["3"]["inputs"]["denoise"] = 0.5
    assert roles(saved) == {"10": "start"}


def test_a_mask_takes_only_references_with_that_role(saved: dict[str, Any], node: Write) -> None:
    saved["10"] = node("LoadImage", image="a.png")
    saved["11"] = node("LoadImage", image="m.png")
    saved["20"] = node("VAEEncodeForInpaint", pixels=["10", 0], mask=["11", 1])
    saved["3"]["inputs"]["latent_image"] = ["20", 0]
    assert roles(saved) == {"10": "inpaint", "11": "mask"}
    assert loaded(saved, HERO) == {"10": "hero.png", "11": "m.png"}
    assert loaded(saved, of_role("m2", "mask"), HERO) == {"10": "hero.png", "11": "m2.png"}
    assert [fault.field for fault in faults_of(saved, HERO, ALLEY)] == ["reference alley"]


def test_roles_are_named_in_any_case_and_with_any_separator() -> None:
    assert [role_named(name) for name in ("Last Frame", "last-frame", " LAST_frame ", "hero", "")] == [
        *["last_frame"] * 3,
        None,
        None,
    ]
    assert all(role_named(role) == role for role in ROLES)


def test_settings_accept_only_references_of_their_role() -> None:
    controlled = read_workflow({"checkpoint": "a", "controlnet": "c"}, name="x")
    started = read_workflow({"checkpoint": "a"}, name="x")
    for workflow, role, other in ((controlled, "control", "start"), (started, "start", "control")):
        graph = workflow.bind(ShotValues("x", None, 1, references=(of_role("a", role),)))
        assert graph["reference_1"]["inputs"]["image"] == "a.png"
        with pytest.raises(WorkflowFaults) as caught:
            workflow.bind(ShotValues("x", None, 1, references=(of_role("a", other),)))
        assert [fault.field for fault in caught.value.faults] == ["reference a, role"]
