"""A payload comes through JSON text as it was sent; text that holds none is a fault."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.notifications.events import is_ready, read_ready
from previs.notifications.payload_text import parse_payload

texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
KIND = {"__prefect_kind": "workspace_variable", "variable_name": "x"}


@given(st.dictionaries(texts, values, max_size=3))
def test_text_of_an_object_is_that_object(payload: dict[str, Any]) -> None:
    assert parse_payload(json.dumps(payload)) == payload
    assert parse_payload(json.dumps(payload, ensure_ascii=False, indent=1)) == payload


@pytest.mark.parametrize(
    "given", ["s3://b/list.json", "/lists/{a}.json", "", "prefect.flow-run.7", [KIND], KIND, None, 7], ids=str
)
def test_anything_else_is_returned_itself(given: object) -> None:
    assert parse_payload(given) is given


def test_objects_of_prefect_are_values_like_any_other() -> None:
    payload = {"schema": "previs.shot-list-ready/1", "shot_list": "a.json", "workflow": {"prompt": KIND}}
    parsed = parse_payload(json.dumps(payload))
    assert is_ready(parsed)
    assert read_ready(parsed).workflow == {"prompt": KIND}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"shot_list": ', "this is not valid JSON"),
        ("{}}", "this is not valid JSON"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"board": "a", "board": "b"}', "the payload, board: occurs twice"),
        ('{"shot_list": [{"shot_id": 1, "shot_id": 2}]}', "the payload, shot_list, 0, shot_id: occurs twice"),
    ],
    ids=["truncated", "more behind it", "deep", "twice", "twice below"],
)
def test_text_that_holds_no_payload_is_a_fault(text: str, said: str) -> None:
    with pytest.raises(ShotListFaults) as caught:
        parse_payload(text)
    assert said in str(caught.value)
