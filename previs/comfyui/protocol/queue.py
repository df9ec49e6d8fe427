"""Read the running and pending prompts of all clients from ``GET /queue``; pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from previs.comfyui.protocol.wire import as_mapping, as_number


class Queued(NamedTuple):
    """Represent a prompt in a server's queue.

    Attributes:
        number: Position in the order of all prompts, the lowest first; None if the server gives none.
        client_id: ``client_id`` that the prompt was submitted with, if any.
        running: Whether the prompt runs; otherwise it is pending.
    """

    prompt_id: str
    number: float | None
    client_id: str | None
    running: bool


class Queue:
    """Hold all prompts in a server's queue at one moment, in any order.

    If an id was posted twice, the running entry counts, or else the first.
    """

    def __init__(self, entries: tuple[Queued, ...]) -> None:
        self.entries = entries
        self._by_id: dict[str, Queued] = {}
        for entry in entries:
            known = self._by_id.get(entry.prompt_id)
            if known is None or (entry.running and not known.running):
                self._by_id[entry.prompt_id] = entry

    def place_of(self, prompt_id: str) -> str | None:
        """Return ``running``, ``pending``, or None if the prompt is not in the queue."""
        entry = self._by_id.get(prompt_id)
        if entry is None:
            return None
        return "running" if entry.running else "pending"


def read_queue(body: Mapping[str, Any]) -> Queue | None:
    """Return the queue, or None if the answer lacks one of its two lists.

    Entries are ``[number, prompt_id, graph, extra_data, outputs, …]``. Unreadable entries are left out.
    """
    running, pending = body.get("queue_running"), body.get("queue_pending")
    if not isinstance(running, list) or not isinstance(pending, list):
        # Read as an empty queue, this would turn every prompt in progress into a lost one.
        return None
    return Queue((*_read_entries(running, running=True), *_read_entries(pending, running=False)))


def _read_entries(entries: list[Any], *, running: bool) -> Iterator[Queued]:
    for entry in entries:
        match entry:
            case [number, str() as prompt_id, *rest]:
                client_id = as_mapping(rest[1]).get("client_id") if len(rest) > 1 else None
                yield Queued(
                    prompt_id,
                    as_number(number),
                    client_id if isinstance(client_id, str) else None,
                    running,
                )
