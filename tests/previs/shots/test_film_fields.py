"""What a person writes about a shot is used, or said to be kept, or a fault that names what was meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_shot_list, unused_fields
from previs.shots.camera import camera_of, spelled_out
from previs.shots.models import Shot
from previs.shots.parts import Camera, Reference
from previs.shots.unused import FLAT_CAMERA, known_field

SHOT = {"shot_id": 1, "duration": 2}


def read(*shots: dict[str, Any], **of_list: Any) -> ShotList:
    return read_shot_list({"shots": [SHOT | {"shot_id": number} | each for number, each in enumerate(shots)]} | of_list)


def prompt(shot: dict[str, Any], template: str | None = None) -> str:
    return read(shot, **({"prompt_template": template} if template else {})).shots[0].prompt


def faults(*shots: dict[str, Any], **of_list: Any) -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read(*shots, **of_list)
    return [str(fault) for fault in caught.value.faults]


FRAMED = {"description": "hands on a wet rail", "camera": {"size": "CU", "angle": "low", "lens": "85mm"}}


@pytest.mark.parametrize(
    ("shot", "template", "made"),
    [
        ({"description": "Fog. A pier."}, None, "Fog. A pier."),
        ({"description": "雾。", "camera": {"lens": "35mm"}}, None, "雾，35mm"),
        (FRAMED, None, "close-up, low angle, hands on a wet rail, 85mm"),
        (FRAMED | {"prompt": "rain"}, None, "rain"),
        (FRAMED | {"prompt": "rain"}, "{size}, {prompt}", "close-up, rain"),
        (FRAMED, "{prompt}; {location}; {size}", "hands on a wet rail; close-up"),
        (
            FRAMED | {"location": "pier"},
            "film still of a {location}, {prompt}",
            "film still of a pier, hands on a wet rail",
        ),
        ({"description": "老渔夫的手", "camera": {"size": "CU", "movement": "推"}}, None, "特写，老渔夫的手，推镜头"),
        ({"description": "a pier", "camera": {"size": "全景", "angle": "俯拍"}}, None, "wide shot, high angle, a pier"),
        ({"description": "a pier", "camera": {"size": "a keyhole"}}, None, "a keyhole, a pier"),
        ({"description": "x {size} y", "camera": {"size": "MS"}}, None, "medium shot, x {size} y"),
        ({"prompt": " x, {red|blue} "}, None, " x, {red|blue} "),
        ({"prompt": "x"}, "{location}", "x"),
    ],
)
def test_a_template_makes_prompts_of_what_there_is(shot: dict[str, Any], template: str | None, made: str) -> None:
    assert prompt(shot, template) == made


def test_a_shot_is_recorded_as_given_and_not_as_worded() -> None:
    shot_list = read(FRAMED, FRAMED | {"prompt": "rain"}, prompt_template="{size}, {prompt}")
    without, with_prompt = shot_list.shots
    assert without.given() == SHOT | {"shot_id": 0} | FRAMED
    assert with_prompt.given() == SHOT | {"shot_id": 1, "prompt": "rain"} | FRAMED
    again = read_shot_list(shot_list.model_dump(mode="json", exclude_unset=True) | {"shots": list(shot_list.shots)})
    assert [shot.prompt for shot in again.shots] == [shot.prompt for shot in shot_list.shots]


def test_a_shot_needs_a_prompt_or_a_description_and_a_template_known_names() -> None:
    assert faults({}, {"description": ""}, {"description": "x", "duration": -1}, prompt_template="{siz}, {prompt}")[
        1:
    ] == [
        "shot 1 (shot_id 0), prompt: missing; give what the camera sees, as text that is not blank; or a description",
        "shot 2 (shot_id 1), prompt: missing; give what the camera sees, as text that is not blank; or a description",
        "shot 3 (shot_id 2), duration: -1: seconds, a number above 0 and at most 86400, such as 3.0",
    ]
    [fault] = faults({"prompt": "x"}, prompt_template="{siz}")
    start = 'the list, prompt_template: "{siz}": up to 10,000 characters of text, with the placeholders '
    assert fault.startswith(f"{start}{{prompt}}, {{description}}, {{size}}")


def test_one_template_makes_no_more_text_than_a_list_may_have() -> None:
    assert faults({"prompt": "x"}, prompt_template="y" * 10_000 + "{prompt}")[0].startswith(
        "the list, prompt_template: "
    )
    [fault] = faults(*[{"prompt": "x" * 5_000}] * 101, prompt_template="{prompt}" * 100)
    assert (
        fault
        == "the list: its prompts have more than 50,000,000 characters: shorten the template, the style or the looks"
    )


@pytest.mark.parametrize(
    "shot",
    [
        {"camera": {"size": "CU", "angle": "low angle", "movement": "dolly in", "lens": "85mm"}},
        {"shot_size": "CU", "camera_angle": "low angle", "camera_movement": "dolly in", "lens": "85mm"},
        {"size": "CU", "camera": {"angle": "low angle", "movement": "dolly in"}, "lens": "85mm"},
        {"camera": "CU, low angle, dolly in, 85mm"},
        {"camera": "CU, low angle", "movement": "dolly in", "lens": "85mm"},
    ],
)
def test_a_camera_may_be_an_object_text_or_fields_of_the_shot(shot: dict[str, Any]) -> None:
    found = read({"prompt": "x"} | shot)
    assert found.shots[0].camera == Camera(size="CU", angle="low angle", movement="dolly in", lens="85mm")
    assert unused_fields(found) == ()


def test_what_a_camera_is_given_twice_is_said() -> None:
    found = read({"prompt": "x", "size": "CU", "shot_size": "WS", "camera": {"angle": "low"}, "camera_angle": "high"})
    assert found.shots[0].camera == Camera(size="CU", angle="low")
    [sentence] = unused_fields(found)
    assert sentence.startswith("kept, not used: fields of shots: shot_size")
    assert "camera_angle" in sentence


def test_a_camera_in_other_words_is_a_fault_that_says_how_to_write_it() -> None:
    [fault] = faults({"prompt": "x", "camera": "somewhere near the door"})
    assert fault == (
        'shot 1 (shot_id 0), camera: "somewhere near the door": known words, such as CU, low angle; or an object with '
        "size, angle, movement, lens"
    )


@pytest.mark.parametrize(
    ("word", "english", "chinese"),
    [
        *[(word, "extreme close-up", "大特写") for word in ("ECU", "e.c.u.", "Extreme Close Up", "大特写")],
        *[(word, "over-the-shoulder shot", "过肩镜头") for word in ("OTS", "O.T.S.", "over the shoulder", "过肩")],
        *[(word, "wide shot", "全景") for word in ("WS", "wide", "Wide Shot", "全景")],
        ("CU / OTS", "close-up / over-the-shoulder shot", "特写 / 过肩镜头"),
        ("low", "low", "low"),
        ("", "", ""),
    ],
)
def test_terms_are_spelled_out_in_either_language(word: str, english: str, chinese: str) -> None:
    assert spelled_out(word, "size", chinese=False) == english
    assert spelled_out(word, "size", chinese=True) == chinese


def test_a_camera_is_read_only_if_every_word_is_known_once() -> None:
    assert camera_of("特写，仰拍，推、35mm") == {"size": "特写", "angle": "仰拍", "movement": "推", "lens": "35mm"}
    assert camera_of("CU, WS") is camera_of("CU, odd") is camera_of("") is None


SILENT = {
    "negative_promt": "not a field: did you mean negative_prompt?",
    "referances": "not a field: did you mean references?",
    "promp": "not a field: did you mean prompt?",
    "sed": "not a field: did you mean seed?",
    "Overrides": "not a field: did you mean overrides?",
}


@pytest.mark.parametrize("name", SILENT)
def test_a_slip_of_the_pen_is_a_fault(name: str) -> None:
    assert faults({"prompt": "x", name: "y"}) == [f"shot 1 (shot_id 0), {name}: {SILENT[name]}"]


def test_slips_in_lists_references_and_cameras_are_faults_too() -> None:
    reference = {"url": "a.png", "reference_id": "a", "strenght": 1}
    assert faults({"prompt": "x", "references": [reference], "camera": {"sise": "CU"}}, titel="t") == [
        "the list, titel: not a field: did you mean title?",
        "shot 1 (shot_id 0), camera.sise: not a field: did you mean size?",
        "shot 1 (shot_id 0), reference 1, strenght: not a field: did you mean strength?",
    ]


def test_other_fields_are_kept_and_said_once_with_a_guess() -> None:
    reference = {"url": "a.png", "reference_id": "a", "tag": 1}
    shots = [{"prompt": "x", "lut": "other.cube", "references": [reference]}, {"prompt": "y", "镜头时间": 3}]
    [sentence] = unused_fields(read(*shots, noir=True, weather={}))
    assert sentence == (
        "kept, not used: fields of the list: noir, weather; fields of shots: lut, 镜头时间 (like duration?); "
        "fields of references: tag"
    )


KNOWN = {*ShotList.model_fields, *Shot.model_fields, *Reference.model_fields, *Camera.model_fields, *FLAT_CAMERA}


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30).filter(lambda name: name not in KNOWN))
def test_every_unknown_field_is_said(name: str) -> None:
    try:
        [sentence] = unused_fields(read({"prompt": "x", name: 1}))
    except ShotListFaults as error:
        [fault] = error.faults
        assert "did you mean" in str(fault)
    else:
        assert known_field("shot", name) is None
        assert name in sentence


def test_columns_are_film_fields_or_said() -> None:
    sheet = "镜头,景别,画面内容,AI绘画提示词,时长,台词,色调\n1,全景,清晨的渔港,a harbour at dawn,4,走吧,冷\n"
    shot_list = read_shot_list(sheet)
    [shot] = shot_list.shots
    assert (shot.prompt, shot.description, shot.camera.size, shot.dialogue) == (
        "a harbour at dawn",
        "清晨的渔港",
        "全景",
        "走吧",
    )
    assert unused_fields(shot_list) == ("kept, not used: fields of shots: 色调",)


def test_a_column_with_a_slip_of_the_pen_is_a_fault_of_the_sheet() -> None:
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list("shot_id,prompt,Durration,duration,referances\n1,x,2,2,\n")
    assert [str(fault) for fault in caught.value.faults] == [
        "row 1, Durration: not a known column: did you mean duration?",
        "row 1, referances: not a known column: did you mean references?",
    ]
