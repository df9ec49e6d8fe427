"""Read the frames of a server's WebSocket; pure.

Text frames are ``{"type": …, "data": {…}}``. Binary frames begin with a big-endian 32-bit event type: 1 is a preview
picture (32-bit picture type, then the picture), 4 a preview with metadata (32-bit length, JSON, then the picture).
Seen on ComfyUI 0.3.64. Types are an open set: an unknown type becomes :class:`Other`, never an error.
"""

import struct
from dataclasses import dataclass
from typing import Any

from previs.comfyui.protocol.wire import as_mapping, as_number, read_json


@dataclass(frozen=True, slots=True)
class Status:
    """Report to all clients that the queue changed; ``queue_remaining`` counts running and pending prompts."""

    queue_remaining: int


@dataclass(frozen=True, slots=True)
class Started:
    """Report that the server took the prompt from its queue."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class Executing:
    """Report that a node starts, or if ``node`` is None, that the prompt has ended and its history entry exists."""

    prompt_id: str
    node: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """Report that a node, usually a sampler, has done ``value`` of ``maximum`` steps."""

    prompt_id: str
    node: str
    value: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Executed:
    """Report that an output node is done; ``output`` has the form of an entry of the history's ``outputs``."""

    prompt_id: str
    node: str
    output: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """Report that the prompt succeeded, failed or was interrupted; its history entry may not exist yet."""

    prompt_id: str
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Alive:
    """Report another sign of life of a prompt: cached nodes, the state of all nodes, or a preview with metadata."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class Other:
    """Represent a frame that concerns no prompt or cannot be read."""

    kind: str


Frame = Status | Started | Executing | Step | Executed | Ending | Alive | Other

_PREVIEW_WITH_METADATA = 4
# Frames are read between other work, and the history has what an unreadable one said; ten thousand files are 50,000.
_MOST_VALUES = 200_000
_ENDINGS = {"execution_success": True, "execution_error": False, "execution_interrupted": False}


def read_frame(message: str | bytes) -> Frame:
    """Return the meaning of one WebSocket message; never raises."""
    if isinstance(message, bytes):
        return _read_binary(message)
    try:
        content = read_json(message, _MOST_VALUES)
    except (ValueError, RecursionError):
        return Other("unreadable")
    match content:
        case {"type": str() as kind, "data": dict() as data}:
            return _read_text(kind, data)
        case _:
            return Other("unreadable")


def _read_binary(message: bytes) -> Frame:
    try:
        event_type, length = struct.unpack_from(">II", message)
        if event_type != _PREVIEW_WITH_METADATA:
            return Other(f"binary {event_type}")
        metadata = read_json(message[8 : 8 + length], _MOST_VALUES)
        return Alive(str(metadata["prompt_id"]))
    except (struct.error, ValueError, RecursionError, KeyError, TypeError):
        return Other("unreadable")


def _read_text(kind: str, data: dict[str, Any]) -> Frame:
    if kind == "status":
        return _read_status(data)
    prompt_id = data.get("prompt_id")
    if not isinstance(prompt_id, str):
        return Other(kind)
    if kind == "execution_start":
        return Started(prompt_id)
    if kind in _ENDINGS:
        return Ending(prompt_id, _ENDINGS[kind])
    if kind == "executing":
        node = data.get("node")
        return Executing(prompt_id, None if node is None else str(node))
    if kind == "progress":
        return _read_step(prompt_id, data)
    if kind == "executed" and isinstance(data.get("output"), dict):
        return Executed(prompt_id, str(data.get("node")), data["output"])
    return Alive(prompt_id)


def _read_status(data: dict[str, Any]) -> Frame:
    execution = as_mapping(as_mapping(data.get("status")).get("exec_info"))
    remaining = as_number(execution.get("queue_remaining"))
    return Other("status") if remaining is None or remaining < 0 else Status(int(remaining))


def _read_step(prompt_id: str, data: dict[str, Any]) -> Frame:
    value, maximum = as_number(data.get("value")), as_number(data.get("max"))
    if value is None or maximum is None or not 0 <= value <= maximum:
        return Alive(prompt_id)
    return Step(prompt_id, str(data.get("node")), int(value), int(maximum))
