"""Hold the queue and the history of a simulated server."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.graph import Graph


@dataclass(frozen=True, slots=True)
class Prompt:
    """Represent a graph in the queue.

    Attributes:
        number: Position in the queue; the lowest runs first, and ``front`` makes it negative.
        outputs: Ids of the output nodes to run.
    """

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: tuple[str, ...]

    @property
    def client(self) -> str | None:
        """Return the client that gets the frames; if None, all clients get progress and previews, no other frames."""
        client = self.extra_data.get("client_id")
        return client if isinstance(client, str) else None

    def as_list(self) -> list[Any]:
        """Return the prompt in the form of ``/queue`` and ``/history``."""
        return [self.number, self.prompt_id, self.graph, self.extra_data, list(self.outputs)]


@dataclass(slots=True)
class Queue:
    """Hold the waiting prompts, the running one and the ended ones.

    Args:
        changed: Called when the number of prompts changes, and once too often where ComfyUI does so.
        history_limit: Returns the maximum of ended prompts to keep.
    """

    changed: Callable[[], None]
    history_limit: Callable[[], int]
    running: Prompt | None = None
    history: dict[str, Any] = field(default_factory=dict)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: list[tuple[float, int, Prompt]] = field(default_factory=list)
    _arrivals: Iterator[int] = field(default_factory=itertools.count)

    @property
    def remaining(self) -> int:
        """Return the number of prompts that wait or run."""
        return len(self._waiting) + (self.running is not None)

    @property
    def pending(self) -> list[Prompt]:
        """Return the waiting prompts, the next one first."""
        return [prompt for _, _, prompt in sorted(self._waiting, key=lambda entry: entry[:2])]

    def put(self, prompt: Prompt) -> None:
        """Add a prompt; prompts with the same id both run."""
        heapq.heappush(self._waiting, (prompt.number, next(self._arrivals), prompt))
        self.changed()
        self.filled.set()

    async def take(self) -> Prompt:
        """Wait for the next prompt, mark it as running and return it."""
        while not self._waiting:
            self.filled.clear()
            await self.filled.wait()
        self.running = heapq.heappop(self._waiting)[2]
        self.changed()
        return self.running

    def finish(self, prompt: Prompt, ended: dict[str, Any]) -> None:
        """Put the running prompt into the history; replace an entry with the same id."""
        self.running = None
        self.history[prompt.prompt_id] = {"prompt": prompt.as_list(), **ended}
        while len(self.history) > self.history_limit():
            del self.history[next(iter(self.history))]
        self.changed()

    def delete(self, prompt_id: str) -> bool:
        """Delete one waiting prompt with this id, and return whether there was one."""
        found = next((entry for entry in self._waiting if entry[2].prompt_id == prompt_id), None)
        if found is None:
            return False
        if len(self._waiting) == 1:
            self.clear()  # ComfyUI sends the status twice when it deletes the last one
        else:
            self._waiting.remove(found)
            heapq.heapify(self._waiting)
        self.changed()
        return True

    def clear(self) -> None:
        """Delete all waiting prompts."""
        self._waiting.clear()
        self.changed()
