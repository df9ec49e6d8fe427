"""What a history entry says about a prompt's end; pure.

The history is the authority on the outcome. ``status_str`` is ``error`` both for a failed and for an interrupted
prompt; the last of ``messages`` tells them apart. Seen on ComfyUI 0.3.64.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that an output node left, as ``GET /view`` wants it named; the server's words, never a path here."""

    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True, slots=True)
class Success:
    """The graph ran to its end.

    Attributes:
        files: those to keep, by output node and in the node's own order; previews (``type: temp``) are left out.
        seconds: between the server's own timestamps of start and end; none if it told none.
    """

    files: tuple[OutputFile, ...]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A node raised; of what the server tells, the inputs, which may hold secrets, and the traceback are left out."""

    node_id: str
    class_type: str
    exception_type: str
    message: str

    @property
    def out_of_memory(self) -> bool:
        """Whether the GPU, or the machine, had no room."""
        return self.exception_type.endswith("OutOfMemoryError")


@dataclass(frozen=True, slots=True)
class Interruption:
    """Somebody stopped it."""


@dataclass(frozen=True, slots=True)
class Loss:
    """It is in neither queue nor history any more."""


End = Success | Failure | Interruption | Loss


def read_entry(entry: Mapping[str, Any]) -> Success | Failure | Interruption:
    """The end that a history entry tells of."""
    status = _mapping(entry.get("status"))
    messages = dict(_messages(status))
    if status.get("status_str") == "error":
        if "execution_error" in messages:
            return read_failure(messages["execution_error"])
        if "execution_interrupted" in messages:
            return Interruption()
        return Failure("?", "?", "", "the server says error and gives no reason")
    return Success(output_files(_mapping(entry.get("outputs"))), _seconds(messages))


def read_failure(data: Mapping[str, Any]) -> Failure:
    """The content of ``execution_error``, as frame and as history message."""
    message = str(data.get("exception_message", "")).strip()
    return Failure(
        node_id=str(data.get("node_id", "?")),
        class_type=str(data.get("node_type", "?")),
        exception_type=str(data.get("exception_type", "")),
        message=message.splitlines()[0][:500] if message else str(data.get("exception_type", "no reason given")),
    )


def output_files(outputs: Mapping[str, Any]) -> tuple[OutputFile, ...]:
    """Every file of every output node and kind (``images``, ``gifs``, ``audio``, …: an open set) but previews."""
    found: dict[OutputFile, None] = {}
    for node in sorted(outputs, key=_node_order):
        for file in _files_of(outputs[node]):
            found.setdefault(file)
    return tuple(found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _files_of(output: object) -> Iterator[OutputFile]:
    if not isinstance(output, Mapping):
        return
    for listed in output.values():
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, Mapping) and isinstance(item.get("filename"), str):
                file = OutputFile(item["filename"], str(item.get("subfolder") or ""), str(item.get("type") or "output"))
                if file.type == "output":
                    yield file


def _node_order(node: str) -> tuple[int, int, str]:
    return (0, int(node), "") if node.isascii() and node.isdigit() else (1, 0, node)


def _messages(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    messages = status.get("messages")
    for message in messages if isinstance(messages, list) else ():
        match message:
            case [str() as kind, dict() as data]:
                yield kind, data


def _seconds(messages: Mapping[str, Mapping[str, Any]]) -> float | None:
    try:
        start = float(messages["execution_start"]["timestamp"])
        return max(0.0, float(messages["execution_success"]["timestamp"]) - start) / 1000
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
