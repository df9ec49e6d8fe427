"""Check the conversion of Python values to JSON values."""

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
def test_models_and_paths_become_json_values_and_the_rest_is_unchanged(given: object, plain: object) -> None:
    assert plain_json(given) == plain


def test_a_shot_contains_only_the_given_fields() -> None:
    assert json.loads(json.dumps(plain_json([MODEL]))) == [MODEL.given()] == [SHOT]
    assert read_shot_list(plain_json([MODEL])).shots == (MODEL,)


def test_deeply_nested_values_are_left_unchanged() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert plain_json(deep) == [deep[0]]
