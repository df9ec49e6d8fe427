import json
import pickle

import pytest
from pydantic import ValidationError

from previs.shots import Reference, Shot, ShotList

UPSTREAM = {
    "shot_id": 1,
    "prompt": "电影风格，广角镜头，城市夜景...",
    "references": [{"url": "ref1.jpg", "reference_id": "ref_1"}],
    "duration": 3.0,
}
LEAST = {"shot_id": "SH010", "prompt": "a lighthouse", "duration": 2}


def shot(**changes: object) -> Shot:
    return Shot.model_validate({**LEAST, **changes})


def test_an_upstream_shot_is_returned_as_given() -> None:
    assert Shot.model_validate(UPSTREAM).given() == UPSTREAM


def test_unknown_fields_are_kept_on_all_three() -> None:
    reference = {"url": "a.jpg", "reference_id": "r", "crop": [0, 0, 8, 8]}
    made = ShotList.model_validate(
        {"shots": [{**LEAST, "lens": "35mm", "references": [reference]}], "director": "阿梅"}
    )
    assert made.model_extra == {"director": "阿梅"}
    assert made.shots[0].given() == {**LEAST, "lens": "35mm", "references": [reference]}


@pytest.mark.parametrize("shot_id", [1, "1", 0, -3, "010", "镜头 4", "x" * 200])
def test_a_shot_id_keeps_its_type(shot_id: int | str) -> None:
    made = shot(shot_id=shot_id)
    assert (type(made.shot_id), made.shot_id, made.label) == (type(shot_id), shot_id, str(shot_id))
    again = Shot.model_validate_json(made.model_dump_json())
    assert (type(again.shot_id), again.shot_id) == (type(shot_id), shot_id)


@pytest.mark.parametrize(
    "shot_id", [True, 1.0, None, "", "  ", "\u200b", "a\nb", "a\x00", "x" * 201, 10**200, [], "\ud800"]
)
def test_an_invalid_shot_id_is_refused(shot_id: object) -> None:
    with pytest.raises(ValidationError):
        shot(shot_id=shot_id)


@pytest.mark.parametrize("duration", [0, -1, float("nan"), float("inf"), "3", True, None, 86_401, 10**400])
def test_a_duration_is_a_number_above_0(duration: object) -> None:
    with pytest.raises(ValidationError):
        shot(duration=duration)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"prompt": " \u3000\n"},
        {"prompt": 5},
        {"prompt": b"bytes"},
        {"takes": 0},
        {"takes": True},
        {"takes": 1.0},
        {"seed": -2},
        {"seed": 2**64},
        {"seed": "7"},
        {"width": 0},
        {"height": -8},
        {"width": 16_385},
        {"notes": 5},
        {"references": "ref1.jpg"},
        {"references": [{"url": "a.jpg"}]},
        {"references": [{"reference_id": "r"}]},
        {"references": [{"url": " ", "reference_id": "r"}]},
        {"references": [{"url": "a\n.jpg", "reference_id": "r"}]},
        {"references": [{"url": "a.jpg", "reference_id": "r", "strength": 10.5}]},
        {"references": [{"url": "a.jpg", "reference_id": "r", "strength": -0.1}]},
        {"references": [{"url": "a", "reference_id": "r"}, {"url": "b", "reference_id": "r"}]},
        {"lens": float("nan")},
        {"lens": {"focal": [1, float("inf")]}},
        {"lens": "\udc00"},
        {"lens": {1, 2}},
    ],
    ids=str,
)
def test_a_value_that_breaks_a_rule_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        shot(**wrong)


def test_limits_themselves_are_allowed() -> None:
    made = shot(seed=2**64 - 1, takes=1, width=1, height=16_384, duration=86_400)
    assert (made.seed, made.takes, made.width, made.height, made.duration) == (2**64 - 1, 1, 1, 16_384, 86_400)
    assert Reference(url="a", reference_id="r", strength=10).strength == 10


def test_a_seed_of_minus_1_means_no_seed() -> None:
    assert shot(seed=-1).seed is None
    assert shot(seed=-1).given()["seed"] is None


def test_null_means_not_given() -> None:
    made = shot(references=None, seed=None, takes=None, notes=None)
    assert (made.references, made.seed, made.takes, made.notes) == ((), None, None, None)
    listed = ShotList.model_validate({"title": None, "fps": None, "shots": [LEAST]})
    assert (listed.title, listed.fps) == ("", 24)


def test_numbered_sequences_and_references_become_text() -> None:
    made = shot(sequence=12, references=[{"url": "a.jpg", "reference_id": 1}])
    assert (made.sequence, made.references[0].reference_id) == ("12", "1")


@pytest.mark.parametrize(("first", "second"), [(1, "1"), ("SH1", "SH1"), ("SH1", "SH1 "), ("\u00e9", "e\u0301")])
def test_two_shots_with_one_id_are_refused(first: object, second: object) -> None:
    with pytest.raises(ValidationError, match="one shot_id"):
        ShotList.model_validate({"shots": [{**LEAST, "shot_id": first}, {**LEAST, "shot_id": second}]})


def test_models_survive_pickling() -> None:
    made = ShotList.model_validate({"shots": [{**UPSTREAM, "lens": "35mm"}], "fps": 25, "director": "x"})
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - its own bytes


def test_the_form_names_explains_and_limits_every_field() -> None:
    schema = ShotList.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, field in model["properties"].items():
            assert field["title"] != name, name
            assert field["description"].endswith("."), name
    fields = schema["$defs"]["Shot"]["properties"]
    assert fields["duration"]["exclusiveMinimum"] == 0
    assert [one["type"] for one in fields["shot_id"]["anyOf"]] == ["integer", "string"]
    assert fields["seed"]["anyOf"][0]["minimum"] == -1, "the form must let -1 through"
    assert schema["$defs"]["Shot"]["required"] == ["shot_id", "duration"]
    assert schema["$defs"]["Shot"]["additionalProperties"] == {}
    json.dumps(schema)
