"""Check API nodes of makers that previs has never seen: names and kinds of inputs say what a shot sets."""

from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.errors import Fault, WorkflowFaults
from previs.workflow import PlacedReference, SavedGraph, ShotValues, read_workflow
from previs.workflow.saved import read_graph

TEXT = ["STRING", {"multiline": True}]
SEED = ["INT", {"min": 1, "max": 1000}]


def choice(*options: str) -> list[Any]:
    return ["COMBO", {"options": list(options)}]


def dynamic(**options: dict[str, Any]) -> list[Any]:
    described = [{"key": key, "inputs": {"required": inputs}} for key, inputs in options.items()]
    return ["COMFY_DYNAMICCOMBO_V3", {"options": described}]


def described(output: str, required: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"input": {"required": required}, "output": output.split(), "api_node": True, **more}


DESCRIBED: dict[str, Any] = {
    "AcmeVideo": described(
        "VIDEO",
        {
            "model": dynamic(
                fast={"prompt": TEXT, "resolution": choice("480p", "720p"), "ratio": choice("16:9", "9:16", "1:1")}
            ),
            "duration": choice("5s", "10s"),
            "seed": SEED,
            "start_frame": ["IMAGE"],
            "end_frame": ["IMAGE"],
        },
    ),
    "AcmeImage": described(
        "IMAGE",
        {
            "prompt": TEXT,
            "negative_prompt": TEXT,
            "system_prompt": TEXT,
            "size": choice("auto", "1024x1024 (1:1)", "Custom"),
            "width": ["INT", {"min": 256, "max": 2048, "step": 64}],
            "height": ["INT", {"min": 256, "max": 2048, "step": 64}],
            "style_image": ["IMAGE"],
            "images": ["IMAGE"],
        },
    ),
    "AcmeWriter": described("STRING", {"prompt": TEXT, "system_prompt": TEXT, "image": ["IMAGE"]}),
    "AcmeVoice": described(
        "AUDIO", {"line_1_prompt": TEXT, "line_2_prompt": TEXT, "duration": ["INT", {"min": 2, "max": 9}]}
    ),
    "AcmeUpscale": {**described("IMAGE", {"image": ["IMAGE"], "scale": choice("2x", "4x")}), "api_node": False}
    | {"category": "api node/image/Acme"},
    "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}, "output": ["IMAGE", "MASK"]},
    "SaveImage": {"input": {"required": {"filename_prefix": ["STRING", {}]}}, "output": [], "output_node": True},
}
CLASSES: dict[str, NodeClass | None] = {name: read_class(name, each) for name, each in DESCRIBED.items()}


def node(class_type: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def save(source: str) -> dict[str, Any]:
    return node("SaveImage", {"filename_prefix": "x", "images": [source, 0]})


def video() -> dict[str, Any]:
    inputs = {"model": "fast", "model.prompt": "a fox", "model.resolution": "480p", "model.ratio": "1:1"}
    linked = {"start_frame": ["2", 0], "end_frame": ["3", 0]}
    return {
        "1": node("AcmeVideo", {**inputs, "duration": "5s", "seed": 7, **linked}),
        "2": node("LoadImage", {"image": "a.png"}),
        "3": node("LoadImage", {"image": "a.png"}),
        "9": save("1"),
    }


def image(**inputs: Any) -> dict[str, Any]:
    held = {"prompt": "a fox", "negative_prompt": "", "system_prompt": "Be brief.", "size": "auto"}
    return {"1": node("AcmeImage", {**held, "width": 256, "height": 256, **inputs}), "9": save("1")}


def read(graph: dict[str, Any], **how: Any) -> SavedGraph:
    return read_graph(graph, name="look.json", known=[], classes=CLASSES, **how)


def bound(graph: dict[str, Any], **values: Any) -> dict[str, Any]:
    made = read(graph).bind(ShotValues(**({"prompt": "a hare", "negative_prompt": None, "seed": 5} | values)))
    return made["1"]["inputs"]


def notices(graph: dict[str, Any], **values: Any) -> tuple[str, ...]:
    given = {"prompt": "a hare", "negative_prompt": None, "seed": 5} | values
    return read(graph).report(ShotValues(**given)).notices


def fault_of(graph: dict[str, Any], **values: Any) -> Fault:
    with pytest.raises(WorkflowFaults) as caught:
        bound(graph, **values)
    (fault,) = caught.value.faults
    return fault


def test_a_video_node_takes_prompt_size_duration_seed_and_frames() -> None:
    inputs = bound(video(), width=1280, height=720, duration=7.5)
    assert inputs["model.prompt"] == "a hare"
    assert (inputs["model.resolution"], inputs["model.ratio"]) == ("720p", "16:9")
    assert (inputs["duration"], inputs["seed"]) == ("10s", 5)
    roles = {each.node_id: each.role for each in read(video()).bindings if each.what == "reference"}
    assert roles == {"2": "first_frame", "3": "last_frame"}


def test_a_duration_that_is_not_offered_says_which_are() -> None:
    place = "duration {} s is not what node 1 (AcmeVideo) makes: it takes 5, 10 s: {} s is made"
    assert notices(video(), duration=7.5)[0] == place.format("7.5", "10")
    assert notices(video(), duration=60)[0] == place.format("60", "10")
    assert not [each for each in notices(video(), duration=5) if "duration" in each]


@pytest.mark.parametrize(
    ("width", "height", "resolution", "ratio"),
    [(720, 720, "720p", "1:1"), (720, 1280, "720p", "9:16"), (856, 480, "480p", "16:9")],
)
def test_lines_and_proportions_are_chosen_together(width: int, height: int, resolution: str, ratio: str) -> None:
    inputs = bound(video(), width=width, height=height)
    assert (inputs["model.resolution"], inputs["model.ratio"]) == (resolution, ratio)


def test_proportions_that_leave_the_pixels_open_are_said() -> None:
    (said, *_) = [each for each in notices(video(), width=720, height=720) if "not exact" in each]
    assert said == (
        "720x720 is not exact: node 1 (AcmeVideo) takes model.resolution, model.ratio; "
        "720p 1:1 is set, and the node chooses the pixels"
    )
    assert not [each for each in notices(video(), width=1280, height=720) if "not exact" in each]


@pytest.mark.parametrize("size", [{"width": 1024, "height": 576}, {"width": 1280}, {"height": 720}])
def test_a_size_that_is_not_offered_is_refused_with_those_that_are(size: dict[str, int]) -> None:
    fault = fault_of(video(), **size)
    assert fault.field == "width and height"
    assert "node 1 (AcmeVideo) offers 480p, 720p with 16:9, 9:16, 1:1: give width and height" in fault.remedy


def test_a_custom_size_is_used_within_its_bounds_if_no_choice_fits() -> None:
    assert bound(image(), width=1024, height=1024)["size"] == "1024x1024 (1:1)"
    inputs = bound(image(), width=1280, height=768)
    assert (inputs["size"], inputs["width"], inputs["height"]) == ("Custom", 1280, 768)
    assert "1024x1024 or 256 to 2048 by 256 to 2048 in steps of 64" in fault_of(image(), width=1288, height=768).remedy


def test_negative_and_system_prompts_are_no_prompts() -> None:
    inputs = bound(image(), negative_prompt="people")
    assert [inputs[name] for name in ("prompt", "negative_prompt", "system_prompt")] == [
        "a hare",
        "people",
        "Be brief.",
    ]


def test_a_writer_before_the_prompt_takes_the_shots_words_unless_it_describes_a_picture() -> None:
    graph = image(prompt=["4", 0]) | {"4": node("AcmeWriter", {"prompt": "a fox", "system_prompt": "Write a prompt."})}
    assert [each.slot for each in read(graph).bindings if each.what == "prompt"] == [("4", "prompt")]
    graph["4"]["inputs"]["image"] = ["5", 0]
    graph["5"] = node("LoadImage", {"image": "a.png"})
    with pytest.raises(WorkflowFaults, match=r'prompt: "4\.prompt"  # now "a fox"'):
        read(graph)


def test_two_makers_in_a_row_with_prompts_of_their_own_are_a_question() -> None:
    graph = video() | {"2": image()["1"]}
    with pytest.raises(WorkflowFaults, match=r'prompt: "1\.model\.prompt"  # now "a fox"') as caught:
        read(graph | {"2": image(prompt="a barn")["1"]})
    assert 'prompt: "2.prompt"  # now "a barn"' in str(caught.value)
    assert len([each for each in read(graph).bindings if each.what == "prompt"]) == 2


def test_several_texts_of_one_node_are_a_question_that_no_title_settles() -> None:
    graph = {
        "1": node("AcmeVoice", {"line_1_prompt": "Hello.", "line_2_prompt": "Bye.", "duration": 4}),
        "9": save("1"),
    }
    with pytest.raises(WorkflowFaults, match="several texts could be the prompt: choose it in look"):
        read(graph)


def test_whole_seconds_are_rounded_up_and_bounds_are_said() -> None:
    graph = {
        "1": node("AcmeVoice", {"line_1_prompt": "Hello.", "line_2_prompt": "Hello.", "duration": 4}),
        "9": save("1"),
    }
    assert bound(graph, duration=3.2)["duration"] == 4
    said = notices(graph, duration=30)
    assert "duration 30 s is not what node 1 (AcmeVoice) makes: it takes 2 to 9 s in whole seconds: 9 s is made" in said


def test_a_seed_beyond_a_nodes_bounds_is_folded_into_them_and_said() -> None:
    assert bound(video(), seed=2**53)["seed"] == read(video()).fit_seed(2**53) == 2**53 % 1000 + 1
    assert any("whose nodes take 1 to 1000" in each for each in notices(video(), seed=1001))
    assert not any("whose nodes take" in each for each in notices(video(), seed=1000))


def test_a_node_without_a_seed_and_a_prompt_binds_and_says_so() -> None:
    graph = {
        "1": node("AcmeUpscale", {"image": ["2", 0], "scale": "2x"}),
        "2": node("LoadImage", {"image": "a.png"}),
        "9": save("1"),
    }
    said = notices(graph)
    assert "prompt is not used: the graph takes no text" in said
    assert "seed is not used: node 1 (AcmeUpscale) has no seed, so all takes of a shot are equal" in said


def test_a_style_picture_is_told_from_the_picture_to_edit() -> None:
    graph = image(style_image=["2", 0], images=["3", 0])
    graph |= {"2": node("LoadImage", {"image": "a.png"}), "3": node("LoadImage", {"image": "a.png"})}
    look = PlacedReference("look.png", "look", role="style")
    made = read(graph).bind(ShotValues("a hare", None, 5, references=(look,)))
    assert [made[each]["inputs"]["image"] for each in ("2", "3")] == ["look.png", "a.png"]


def test_a_title_decides_on_an_api_node_with_dynamic_inputs() -> None:
    graph = video() | {"2": image(prompt="a barn")["1"]}
    graph["1"]["_meta"] = {"title": "shot.prompt"}
    workflow = read_workflow(graph, name="look.json", classes=CLASSES)
    assert isinstance(workflow, SavedGraph)
    assert [each.slot for each in workflow.bindings if each.what == "prompt"] == [("1", "model.prompt")]
