"""Test that every message of a server's socket is read as a frame."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.frames import (
    Alive,
    Ending,
    Executed,
    Executing,
    Frame,
    Other,
    Started,
    Status,
    Step,
    read_frame,
)

OUTPUT = {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}
READ: list[tuple[str, dict[str, Any], Frame]] = [
    ("status", {"status": {"exec_info": {"queue_remaining": 2}}, "sid": "c"}, Status(2)),
    ("status", {"status": {"exec_info": {}}}, Other("status")),
    ("execution_start", {"prompt_id": "p", "timestamp": 1}, Started("p")),
    ("execution_cached", {"prompt_id": "p", "nodes": ["3"]}, Alive("p")),
    ("progress_state", {"prompt_id": "p", "nodes": {}}, Alive("p")),
    ("executing", {"prompt_id": "p", "node": "3"}, Executing("p", "3")),
    ("executing", {"prompt_id": "p", "node": None}, Executing("p", None)),
    # The first message on a reopened socket names no prompt.
    ("executing", {"node": "3"}, Other("executing")),
    ("progress", {"prompt_id": "p", "node": "3", "value": 1, "max": 9}, Step("p", "3", 1, 9)),
    ("progress", {"prompt_id": "p", "node": "3", "value": "?", "max": 9}, Alive("p")),
    ("executed", {"prompt_id": "p", "node": "9", "output": OUTPUT}, Executed("p", "9", OUTPUT)),
    ("executed", {"prompt_id": "p", "node": "9", "output": None}, Alive("p")),
    ("execution_success", {"prompt_id": "p"}, Ending("p", succeeded=True)),
    ("execution_error", {"prompt_id": "p", "node_id": "3"}, Ending("p", succeeded=False)),
    ("execution_interrupted", {"prompt_id": "p", "node_id": "3"}, Ending("p", succeeded=False)),
    ("feature_flags", {"supports_preview_metadata": True}, Other("feature_flags")),
    ("of a later version", {"prompt_id": "p"}, Alive("p")),
]


@pytest.mark.parametrize(("kind", "content", "frame"), READ)
def test_a_text_frame_is_parsed_by_its_type(kind: str, content: dict[str, Any], frame: Frame) -> None:
    assert read_frame(json.dumps({"type": kind, "data": content})) == frame


def test_a_preview_is_a_sign_of_life_of_its_prompt_if_its_metadata_names_one() -> None:
    metadata = json.dumps({"prompt_id": "p", "node_id": "3"}).encode()
    assert read_frame(struct.pack(">II", 4, len(metadata)) + metadata + b"picture") == Alive("p")
    assert read_frame(struct.pack(">II", 1, 2) + b"picture") == Other("binary 1")
    assert read_frame(struct.pack(">II", 4, 2) + b"{}") == Other("unreadable")


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(str)))
def test_any_message_is_read_as_a_frame(content: str | bytes) -> None:
    assert read_frame(content) is not None


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(any_json, st.sampled_from(["status", "progress", "executed", "executing", "execution_error", "else"]))
def test_a_frame_of_any_form_is_read(found: object, kind: str) -> None:
    for data in (found, {"prompt_id": "p", "value": found, "max": found, "output": found}, {"status": found}):
        assert read_frame(json.dumps({"type": kind, "data": data})) is not None
