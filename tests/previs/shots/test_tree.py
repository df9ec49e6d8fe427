"""What programs give, as JSON has it."""

import json
from pathlib import Path
from typing import Any

import pytest

from previs.shots import Shot, ShotList, plain_json, read_shot_list
from previs.workflow import WorkflowSettings

SHOT: dict[str, Any] = {"shot_id": 1, "prompt": "夜", "duration": 2.5, "镜头": [1, None]}
MODEL = Shot.model_validate(SHOT)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (MODEL, SHOT),
        ([MODEL, SHOT], [SHOT, SHOT]),
        ((MODEL,), [SHOT]),
        (ShotList(title="夜", shots=(MODEL,)), {"title": "夜", "shots": [SHOT]}),
        (WorkflowSettings(checkpoint="夜.safetensors"), {"checkpoint": "夜.safetensors"}),
        (Path("lists/夜.yaml"), str(Path("lists/夜.yaml"))),
        ({"shots": [SHOT]}, {"shots": [SHOT]}),
        ("s3://b/夜.json", "s3://b/夜.json"),
        (b"[]", b"[]"),
        (None, None),
    ],
)
def test_models_and_paths_become_what_json_has_and_all_else_stays(given: object, plain: object) -> None:
    assert plain_json(given) == plain


def test_a_shot_says_what_it_was_given_and_no_more() -> None:
    assert json.loads(json.dumps(plain_json([MODEL]))) == [MODEL.given()] == [SHOT]
    assert read_shot_list(plain_json([MODEL])).shots == (MODEL,)


def test_what_nests_deeper_than_any_stack_is_left_to_its_reader() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert plain_json(deep) == [deep[0]]
