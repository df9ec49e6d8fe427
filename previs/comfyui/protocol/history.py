"""Read how a prompt ended from its history entry; pure.

The history decides the outcome. ``status_str`` is ``error`` for both failed and interrupted prompts; the last of
``messages`` distinguishes them. Seen on ComfyUI 0.3.64.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.wire import as_list, as_mapping, as_number
from previs.text.visible import shortened

_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class OutputFile:
    """Name a file that an output node wrote, as ``GET /view`` expects it; never use these names as a local path.

    Attributes:
        node_id: The output node; empty if unknown.
    """

    filename: str
    subfolder: str
    type: str
    node_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Success:
    """Represent a graph that ran to its end.

    Attributes:
        files: Files to keep, by output node and in the node's order; previews (``type: temp``) are left out.
        seconds: Time between the server's timestamps of start and end; None if either is missing.
    """

    files: tuple[OutputFile, ...]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Represent a node that raised; its traceback and inputs, which may hold secrets, are left out."""

    node_id: str
    class_type: str
    exception_type: str
    message: str

    @property
    def out_of_memory(self) -> bool:
        """Return whether the GPU or the machine ran out of memory."""
        return self.exception_type.endswith("OutOfMemoryError")


@dataclass(frozen=True, slots=True)
class Interruption:
    """Represent a prompt that somebody stopped."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Represent a prompt that is in neither queue nor history any more."""


End = Success | Failure | Interruption | Loss
NO_REASON = Failure("?", "?", "", "the server reports failure without a reason")


def read_entry(entry: Mapping[str, Any]) -> Success | Failure | Interruption:
    """Return how a prompt ended according to its history entry."""
    status = as_mapping(entry.get("status"))
    messages = dict(_messages(status))
    if status.get("status_str") == "error":
        if "execution_error" in messages:
            return _read_failure(messages["execution_error"])
        return Interruption() if "execution_interrupted" in messages else NO_REASON
    return Success(output_files(as_mapping(entry.get("outputs"))), _seconds(messages))


def output_files(outputs: Mapping[str, Any]) -> tuple[OutputFile, ...]:
    """Return every output node's files of every kind (``images``, ``gifs``, ``audio``, …: an open set) but previews."""
    files = (file for node in sorted(outputs, key=_node_order) for file in _files_of(node, outputs[node]))
    return tuple(dict.fromkeys(files))


def _read_failure(data: Mapping[str, Any]) -> Failure:
    message = str(data.get("exception_message", "")).strip()[:_LONGEST_REASON]
    exception_type = str(data.get("exception_type", ""))[-_LONGEST_REASON:]
    return Failure(
        node_id=shortened(str(data.get("node_id", "?"))),
        class_type=shortened(str(data.get("node_type", "?"))),
        exception_type=exception_type,
        message=message.splitlines()[0] if message else exception_type or "no reason given",
    )


def _files_of(node: str, output: object) -> Iterator[OutputFile]:
    for items in as_mapping(output).values():
        for item in map(as_mapping, as_list(items)):
            folder = str(item.get("type") or "output")
            if isinstance(item.get("filename"), str) and folder == "output":
                yield OutputFile(item["filename"], str(item.get("subfolder") or ""), folder, node)


def _node_order(node: str) -> tuple[bool, int, str]:
    """Order numbers by their value, before all others; Python converts no text of more than 4,300 digits."""
    if node.isascii() and node.isdigit():
        digits = node.lstrip("0")
        return False, len(digits), digits
    return True, 0, node


def _messages(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for message in as_list(status.get("messages")):
        match message:
            case [str() as kind, dict() as data]:
                yield kind, data


def _seconds(messages: Mapping[str, Mapping[str, Any]]) -> float | None:
    start, end = (
        as_number(messages.get(kind, {}).get("timestamp")) for kind in ("execution_start", "execution_success")
    )
    return None if start is None or end is None else max(0.0, end - start) / 1000
