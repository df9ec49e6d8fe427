"""What ``GET /queue`` tells of the prompts that run and wait, everybody's; pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Queued(NamedTuple):
    """A prompt in a server's queue.

    Attributes:
        prompt_id: which one.
        number: its place in the order of all prompts, the lowest next; none if the server tells none.
        client_id: the ``client_id`` that it was submitted with, if with any.
        running: whether it runs; else it waits.
    """

    prompt_id: str
    number: float | None
    client_id: str | None
    running: bool


class Queue:
    """All prompts in a server's queue at one moment.

    Args:
        entries: in any order. Of an id that was posted twice the one that runs counts, or else the first.
    """

    def __init__(self, entries: tuple[Queued, ...]) -> None:
        self.entries = entries
        self._by_id: dict[str, Queued] = {}
        for entry in entries:
            known = self._by_id.get(entry.prompt_id)
            if known is None or (entry.running and not known.running):
                self._by_id[entry.prompt_id] = entry

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of those that run."""
        return tuple(entry.prompt_id for entry in self.entries if entry.running)

    @property
    def pending(self) -> tuple[str, ...]:
        """Ids of those that wait, in the server's own order."""
        return tuple(entry.prompt_id for entry in self.entries if not entry.running)

    def get(self, prompt_id: str) -> Queued | None:
        """What is told of a prompt, if it is there."""
        return self._by_id.get(prompt_id)

    def place_of(self, prompt_id: str) -> str | None:
        """``running``, ``pending`` or none."""
        entry = self._by_id.get(prompt_id)
        if entry is None:
            return None
        return "running" if entry.running else "pending"


def read_queue(body: Mapping[str, Any]) -> Queue | None:
    """The queue that a server told of; none where the answer lacks one of its two lists.

    Entries are ``[number, prompt_id, graph, extra_data, outputs]``, of which newer servers tell more; one that is none
    is left out.
    """
    running, pending = body.get("queue_running"), body.get("queue_pending")
    if not isinstance(running, list) or not isinstance(pending, list):
        # Taken for an empty queue, this would make every prompt in work a lost one.
        return None
    told = [*(_queued(entry, running=True) for entry in running), *(_queued(entry, running=False) for entry in pending)]
    return Queue(tuple(entry for entry in told if entry is not None))


def _queued(entry: object, *, running: bool) -> Queued | None:
    match entry:
        case [number, str() as prompt_id, *rest]:
            place = number if isinstance(number, int | float) else None
            return Queued(prompt_id, place, _client(rest), running)
        case _:
            return None


def _client(rest: list[Any]) -> str | None:
    match rest:
        case [_, {"client_id": str() as client_id}, *_]:
            return client_id
        case _:
            return None
