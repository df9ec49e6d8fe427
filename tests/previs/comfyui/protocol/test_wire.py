"""Test that any JSON from a server can be written again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.frames import Executed, Other, read_frame
from previs.comfyui.protocol.history import Failure, read_entry
from previs.comfyui.protocol.wire import TooManyValuesError, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans())
def test_valid_json_is_read_unchanged(value: object, ascii_only: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert read_json(text) == read_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\ud83db"', "a\ufffdb"),
        (r'"\ude00"', "\ufffd"),
        (r'"\uD83D"', "\ufffd"),
        (r'"\ud83d\ude00 \ud83d"', "\U0001f600 \ufffd"),
        (r'["\ud83d", {"\ud83d": ["\ud83d", 7]}]', ["\ufffd", {"\ufffd": ["\ufffd", 7]}]),
        (r'"\\ud83d"', "\\ud83d"),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced(text: str, value: object) -> None:
    assert read_json(text) == value
    json.dumps(read_json(text.encode()), ensure_ascii=False).encode()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_text_that_is_not_json_is_not_a_frame(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_json(text)
    assert isinstance(read_frame(text), Other)


IN_TEXTS = "a, [{" * 50


@pytest.mark.parametrize("text", [f"[{'[], ' * 50}0]", json.dumps({IN_TEXTS: IN_TEXTS, '\\"': [0] * 100})])
def test_json_of_too_many_values_is_not_parsed(text: str) -> None:
    assert read_json(text.encode(), 105) == json.loads(text)
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(TooManyValuesError):
            read_json(text.encode(encoding), 95)


def test_a_frame_of_very_many_values_is_unreadable() -> None:
    files = [{"filename": f"{number}.png", "subfolder": "", "type": "output"} for number in range(10_000)]
    frame = {"type": "executed", "data": {"prompt_id": "a", "node": "9", "output": {"images": files}}}
    assert isinstance(read_frame(json.dumps(frame)), Executed)
    assert isinstance(read_frame('{"type": "executed", "data": {"a": [' + "[]," * 200_000 + "0]}}"), Other)


def test_the_reason_of_a_failure_can_be_written_to_a_record() -> None:
    raised = {"exception_type": "RuntimeError", "exception_message": "half \ud83d", "node_id": "3"}
    messages = [["execution_error", raised | {"node_type": "KSampler"}]]
    entry = {"status": {"status_str": "error", "completed": False, "messages": messages}, "outputs": {}}
    found = read_entry(read_json(json.dumps(entry).encode()))
    assert isinstance(found, Failure)
    assert found.message == "half \ufffd"
