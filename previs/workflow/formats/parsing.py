"""Parse untrusted JSON: no duplicate keys, bounded size and depth, plain values."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from previs.comfyui.protocol.documents import describe_document
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults

LARGEST = 16_000_000
"""Bytes of a workflow's JSON. The largest of ComfyUI's 172 templates has 200,000; files may embed pictures."""

# Counted by commas and opening brackets, one before each value. The templates have up to 7,000.
_MOST_VALUES = 200_000
_DEEPEST = 100
_LONGEST_STEP = 60  # characters of a key in the place of a fault
_UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff|\0?[{\[]\0", re.DOTALL)
_OPEN_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+\\?', re.DOTALL)
_WHERE = "the file"
_LONGEST_NAME = 60
# Without these, a file may be anything, and nothing of it is quoted.
_OF_WORKFLOWS = ('"class_type"', '"last_node_id"', '"checkpoint"')


class _DuplicateKeyError(ValueError):
    """Report a key that occurs twice in one JSON object."""


def parse_json(source: bytes, *, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """Parse a JSON file; ``name`` is its name in faults.

    Raises:
        WorkflowFaults: The file is not JSON, or too large to be a workflow.
    """
    if fault := _not_text(source):
        raise WorkflowFaults(name, (fault,))
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = Fault(_WHERE, "", f"byte {error.start}", "not UTF-8: save the file as UTF-8")
        raise WorkflowFaults(name, (fault,)) from error
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        # A traceback would show the error of a key that occurs twice, with the key.
        raise WorkflowFaults(name, (_unreadable(error, text),)) from None


def _not_text(source: bytes) -> Fault | None:
    """Report what is wrong with a file before it is parsed."""
    if len(source) > LARGEST:
        size = f"{len(source) / 1e6:.1f} MB"
        remedy = f"a workflow's JSON has at most {LARGEST // 1_000_000} MB: is this the right file?"
        return Fault(_WHERE, "", size, remedy)
    text = source.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return Fault(_WHERE, "", "", "empty: save or export the workflow again")
    if _UTF_16.match(source):
        return Fault(_WHERE, "", "UTF-16", "save the file as UTF-8 (Windows' PowerShell writes UTF-16 with >)")
    if text.startswith(b"<"):
        remedy = "a web page, such as a login or error page, not JSON: open the URL in a browser and download the file"
        return Fault(_WHERE, "", describe_document(source), remedy)
    values = sum(source.count(symbol) for symbol in (b",", b"{", b"["))
    if values > _MOST_VALUES:
        remedy = f"a workflow has at most {_MOST_VALUES:,}: is this the right file?"
        return Fault(_WHERE, "", f"about {values:,} values", remedy)
    return None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise _DuplicateKeyError(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return content


def _unreadable(error: ValueError | RecursionError, text: str) -> Fault:
    """Report where a file stops being JSON."""
    match error:
        case json.JSONDecodeError(pos=position):
            place = f"line {error.lineno}, column {error.colno}"
            rest = text[position:].strip()
            if not rest or _OPEN_TEXT.fullmatch(rest):
                return Fault(_WHERE, "", place, "the file is truncated: save, copy or download it again")
            if text[:position].isspace() or not position:
                remedy = "not JSON: a workflow is a JSON file, or a picture or video that ComfyUI saved"
                return Fault(_WHERE, "", describe_document(text), remedy)
            return Fault(_WHERE, "", place, "not JSON from here on: look for a missing comma, quote or bracket")
        case _DuplicateKeyError():
            key = format_value(str(error)) if any(mark in text for mark in _OF_WORKFLOWS) else "a key"
            return Fault(_WHERE, "", key, "this key occurs twice in one object: keep one of them")
    # A number with more digits than Python reads, or endlessly nested brackets.
    return Fault(_WHERE, "", "", "not the JSON of a workflow: export it again")


def plain_copy(content: Mapping[Any, Any], *, name: str, prefix: str = "") -> tuple[dict[str, Any], list[Fault]]:
    """Copy JSON to plain values, and report what JSON cannot hold; the copy can always be printed.

    In the places of faults, ``prefix`` precedes each key: ``node`` with a space after it.

    Raises:
        WorkflowFaults: Objects are nested endlessly.
    """
    faults: list[Fault] = []
    try:
        return dict(_plain_pairs(content, "", faults, _DEEPEST - 1, prefix)), faults
    except RecursionError as error:
        remedy = f"objects are nested without end: a workflow is at most {_DEEPEST} levels deep"
        raise WorkflowFaults(name, (Fault("the workflow", "", "", remedy),)) from error


def _plain(value: Any, place: str, faults: list[Fault], depth: int) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, str):
        return _plain_text(value, place, faults)
    if isinstance(value, float) and not math.isfinite(value):
        faults.append(Fault(place, "", format_value(value), "not a finite number: give a finite one"))
        return value
    if value is None or isinstance(value, int | float):
        return value
    if not depth:
        raise RecursionError
    if isinstance(value, Mapping):
        return dict(_plain_pairs(value, place, faults, depth - 1))
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{place}[{index}]", faults, depth - 1) for index, inner in enumerate(value)]
    remedy = "give a text, a number, true, false, null, a list or an object"
    faults.append(Fault(place, "", format_value(value), remedy))
    return value


def _plain_pairs(
    value: Mapping[Any, Any], place: str, faults: list[Fault], depth: int, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        name = _plain_text(str(key), place or "the workflow", faults)
        shown = name if len(name) <= _LONGEST_STEP else f"{name[: _LONGEST_STEP - 1]}…"
        inner_place = f"{place}, {shown}" if place else f"{prefix}{shown}"
        if not isinstance(key, str):
            faults.append(Fault(inner_place, "", format_value(key), "a key must be text"))
        yield name, _plain(inner, inner_place, faults, depth)


def _plain_text(text: str, place: str, faults: list[Fault]) -> str:
    readable = text.encode(errors="replace").decode()
    if readable != text:
        faults.append(Fault(place, "", format_value(readable), "contains half of a character: write the text again"))
    return readable
