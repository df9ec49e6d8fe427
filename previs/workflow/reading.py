"""Workflows as a person gives them: a file's bytes, or JSON that was given inline."""

import json
import math
from collections.abc import Mapping
from typing import Any

from previs.errors import Fault, WorkflowFaults
from previs.workflow.limits import shown
from previs.workflow.saved import SavedGraph, read_graph
from previs.workflow.settings import WorkflowSettings, read_settings

_INTERFACE_KEYS = frozenset({"nodes", "links", "widgets_values", "last_node_id", "last_link_id"})
_NODE_KEYS = frozenset({"class_type", "inputs"})
_API_REMEDY = (
    "this is ComfyUI's own format for its editor, which servers do not run: in ComfyUI, with this graph open, "
    'use "Export (API)" (older: switch on the developer mode, then "Save (API Format)") and give that file'
)


class _TwiceError(ValueError):
    """A key that occurs twice in one JSON object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return content


def _unreadable(error: ValueError | RecursionError) -> Fault:
    """Say at which place a file stops being JSON."""
    match error:
        case UnicodeDecodeError():
            return Fault("the file", "", f"byte {error.start}", "not UTF-8: save the file as UTF-8")
        case json.JSONDecodeError():
            place = f"line {error.lineno}, column {error.colno}"
            return Fault("the file", "", place, "no JSON from here on: look for a missing comma, quote or bracket")
        case _TwiceError():
            return Fault("the file", "", shown(str(error)), "this key occurs twice in one object: keep one of the two")
    # A number of more digits than Python reads, or brackets within brackets without end.
    return Fault("the file", "", "", "no JSON that a workflow would hold: export it again")


def _parsed(source: bytes, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    try:
        return json.loads(source.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise WorkflowFaults(name, (_unreadable(error),)) from error


def _plain(value: Any, place: str, faults: list[Fault]) -> Any:  # noqa: ANN401 - JSON of any shape
    """Copy JSON, and find what JSON cannot hold or no server could be sent; the copy can be printed in any case."""
    if isinstance(value, Mapping):
        return _plain_object(value, place, faults)
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{place}[{index}]", faults) for index, inner in enumerate(value)]
    if isinstance(value, str):
        return _plain_text(value, place, faults)
    if isinstance(value, float) and not math.isfinite(value):
        faults.append(Fault(place, "", str(value), "not a number that can be sent: give a finite one"))
    elif not isinstance(value, int | float | None):
        faults.append(Fault(place, "", shown(value), "give a text, a number, true, false, null, a list or an object"))
    return value


def _plain_object(value: Mapping[Any, Any], place: str, faults: list[Fault]) -> dict[str, Any]:
    copy = {}
    for key, inner in value.items():
        name = _plain_text(str(key), place or "the workflow", faults)
        inner_place = f"{place}, {name}" if place else name
        if not isinstance(key, str):
            faults.append(Fault(inner_place, "", shown(key), "a key is a text"))
        copy[name] = _plain(inner, inner_place, faults)
    return copy


def _plain_text(text: str, place: str, faults: list[Fault]) -> str:
    readable = text.encode(errors="replace").decode()
    if readable != text:
        faults.append(Fault(place, "", shown(readable), "holds half of a character: write the text again"))
    return readable


def _is_graph(content: Mapping[str, Any]) -> bool:
    """Whether content is meant as a graph: settings hold no objects."""
    return any(isinstance(value, Mapping) and (_NODE_KEYS & value.keys()) for value in content.values())


def _refusal(content: object) -> Fault | None:
    """Recognise what is neither settings nor a graph in API format but looks like something that people have."""
    if not isinstance(content, Mapping):
        remedy = 'give settings, {"checkpoint": …}, or a graph that ComfyUI exported in API format'
        return Fault("the workflow", "", shown(content), remedy)
    if not content:
        return Fault("the workflow", "", "{}", 'empty: the least is {"checkpoint": "sd_xl_base_1.0.safetensors"}')
    if isinstance(content.get("nodes"), list) and _INTERFACE_KEYS & content.keys():
        return Fault("the workflow", "", "", _API_REMEDY)
    inner = content.get("prompt")
    if isinstance(inner, Mapping) and _is_graph(inner):
        return Fault("the workflow", "prompt", "", 'a request to a server: give only what is under "prompt"')
    return None


def read_workflow(source: bytes | Mapping[str, Any], *, name: str) -> WorkflowSettings | SavedGraph:
    """Read settings or a saved graph, told apart by what they hold.

    Args:
        source: a JSON file's bytes, or its content.
        name: for faults: a path, an address, or ``the workflow settings``.

    Raises:
        WorkflowFaults: Everything that is wrong with it.
    """
    faults: list[Fault] = []
    try:
        content = _plain(_parsed(source, name) if isinstance(source, bytes) else source, "", faults)
    except RecursionError as error:
        raise WorkflowFaults(name, (Fault("the workflow", "", "", "objects within objects without end"),)) from error
    if refusal := _refusal(content):
        raise WorkflowFaults(name, (refusal,))
    if _is_graph(content):
        return read_graph(content, name=name, known=faults)
    return read_settings(content, name=name, known=faults)
