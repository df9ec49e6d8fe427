"""Check how texts with comments and choices are read."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.workflow.formats.editor.dynamic_prompts import resolve


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a boat", "a boat"),
        ("a boat // draft\nat sea", "a boat \nat sea"),
        ("a /* not now:\npeople */ boat", "a  boat"),
        ("{red|blue} boat", "red boat"),
        ("{|blue} boat", " boat"),
        ("a {{dark|pale} red|blue} boat", "a dark red boat"),
        ("a {red|{dark|pale} blue} boat", "a red boat"),
        (r"a \{red\|blue\} boat", "a {red|blue} boat"),
        (r"{a\|b|c} (boat:1.2) \(x\)", r"a|b (boat:1.2) \(x\)"),
        ("one | two } three", "one | two } three"),
        ("{red|blue", "red"),
        ("a {red} boat", "a red boat"),
        ("back\\", "back\\"),
        ("", ""),
    ],
)
def test_comments_are_stripped_and_the_first_choice_is_taken(text: str, expected: str) -> None:
    assert resolve(text) == expected


@given(st.text(alphabet="ab{|}\\/*\n", max_size=40))
def test_a_text_without_marks_stays_and_any_text_is_read(text: str) -> None:
    resolved = resolve(text)
    assert set(resolved) <= set(text)
    if not re.search(r"[{|}\\/]", text):
        assert resolved == text


def test_choices_may_be_nested_deeper_than_python_calls() -> None:
    depth = 2 * sys.getrecursionlimit()
    assert resolve("{" * depth + "boat" + "|x}" * depth) == "boat"
