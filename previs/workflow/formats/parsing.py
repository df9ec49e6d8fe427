"""JSON of strangers: read with every key once, bounded in size and depth, and made plain."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults

LARGEST = 16_000_000
"""Bytes of a workflow's JSON. The largest of ComfyUI's own 172 templates has 200,000; pictures may lie within."""

# Each value of a list or object has a comma or a bracket before it. The templates have up to 7,000.
_MOST_VALUES = 200_000
_DEEPEST = 100
_LISTED = 50
_UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff|\0?[{\[]\0", re.DOTALL)
_OPEN_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+\\?', re.DOTALL)
_WHERE = "the file"


class _TwiceError(ValueError):
    """A key that occurs twice in one JSON object."""


class _DepthError(ValueError):
    """Objects within objects without end."""


def parsed(source: bytes, *, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """Read a JSON file.

    Args:
        source: its bytes.
        name: for faults.

    Raises:
        WorkflowFaults: It is no JSON, or too large to be a workflow.
    """
    if fault := _not_text(source):
        raise WorkflowFaults(name, (fault,))
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = Fault(_WHERE, "", f"byte {error.start}", "not UTF-8: save the file as UTF-8")
        raise WorkflowFaults(name, (fault,)) from error
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise WorkflowFaults(name, (_unreadable(error, text),)) from error


def _not_text(source: bytes) -> Fault | None:
    """Find what can be said of a file before it is read."""
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
        remedy = (
            "a web page, such as a login or error page, and no JSON: open the address in a browser, and fetch the file"
        )
        return Fault(_WHERE, "", "", remedy)
    values = sum(source.count(mark) for mark in (b",", b"{", b"["))
    if values > _MOST_VALUES:
        return Fault(
            _WHERE, "", f"about {values:,} values", f"a workflow has at most {_MOST_VALUES:,}: is this the right file?"
        )
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise _TwiceError(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return content


def _unreadable(error: ValueError | RecursionError, text: str) -> Fault:
    """Say at which place a file stops being JSON."""
    match error:
        case json.JSONDecodeError(pos=position):
            place = f"line {error.lineno}, column {error.colno}"
            rest = text[position:].strip()
            if not rest or _OPEN_TEXT.fullmatch(rest):
                return Fault(
                    _WHERE, "", place, "it ends in the middle: it is cut short, so save, copy or fetch it again"
                )
            if text[:position].isspace() or not position:
                remedy = "no JSON: a workflow is a JSON file, or a picture or video that ComfyUI saved"
                return Fault(_WHERE, "", place, remedy)
            return Fault(_WHERE, "", place, "no JSON from here on: look for a missing comma, quote or bracket")
        case _TwiceError():
            return Fault(
                _WHERE, "", format_value(str(error)), "this key occurs twice in one object: keep one of the two"
            )
    # A number of more digits than Python reads, or brackets within brackets without end.
    return Fault(_WHERE, "", "", "no JSON that a workflow would hold: export it again")


def plain(content: Mapping[Any, Any], *, name: str, prefix: str = "") -> tuple[dict[str, Any], list[Fault]]:
    """Copy JSON, and find what JSON cannot hold or no server could be sent; the copy can be printed in any case.

    Args:
        content: an object.
        name: for faults.
        prefix: written before its keys in the places of faults: ``node``, with a space after it.

    Raises:
        WorkflowFaults: Objects lie within objects without end.
    """
    faults: list[Fault] = []
    try:
        return dict(_plain_pairs(content, "", faults, _DEEPEST - 1, prefix)), faults
    except _DepthError as error:
        remedy = f"objects within objects without end: a workflow is at most {_DEEPEST} deep"
        raise WorkflowFaults(name, (Fault("the workflow", "", "", remedy),)) from error


def _plain(value: Any, place: str, faults: list[Fault], depth: int) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, str):
        return _plain_text(value, place, faults)
    if isinstance(value, float) and not math.isfinite(value):
        faults.append(Fault(place, "", format_value(value), "not a number that can be sent: give a finite one"))
        return value
    if value is None or isinstance(value, int | float):
        return value
    if not depth:
        raise _DepthError
    if isinstance(value, Mapping):
        return dict(_plain_pairs(value, place, faults, depth - 1))
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{place}[{index}]", faults, depth - 1) for index, inner in enumerate(value)]
    faults.append(
        Fault(place, "", format_value(value), "give a text, a number, true, false, null, a list or an object")
    )
    return value


def _plain_pairs(
    value: Mapping[Any, Any], place: str, faults: list[Fault], depth: int, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        name = _plain_text(str(key), place or "the workflow", faults)
        inner_place = f"{place}, {name}" if place else f"{prefix}{name}"
        if not isinstance(key, str):
            faults.append(Fault(inner_place, "", format_value(key), "a key is a text"))
        yield name, _plain(inner, inner_place, faults, depth)


def _plain_text(text: str, place: str, faults: list[Fault]) -> str:
    readable = text.encode(errors="replace").decode()
    if readable != text:
        faults.append(Fault(place, "", format_value(readable), "holds half of a character: write the text again"))
    return readable


def listed(faults: list[Fault]) -> list[Fault]:
    """Cut a list of faults to what a person reads."""
    if len(faults) <= _LISTED:
        return faults
    more = Fault("the workflow", "", "", f"and {len(faults) - _LISTED:,} more faults")
    return [*faults[:_LISTED], more]
