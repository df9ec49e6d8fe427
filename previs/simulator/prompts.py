"""The queue and the history of a simulated server."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.graph import Graph


@dataclass(frozen=True, slots=True)
class Prompt:
    """A graph in the queue.

    Attributes:
        number: its place; the lowest runs first, and ``front`` makes it negative.
        outputs: ids of the output nodes to run.
    """

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: tuple[str, ...]

    @property
    def client(self) -> str | None:
        """Whose socket its frames go to; none where they go to nobody, and previews to everybody."""
        client = self.extra_data.get("client_id")
        return client if isinstance(client, str) else None

    def told(self) -> list[Any]:
        """As ``/queue`` and ``/history`` tell it."""
        return [self.number, self.prompt_id, self.graph, self.extra_data, list(self.outputs)]


@dataclass(slots=True)
class Queue:
    """Prompts that wait, the one that runs, and those that ended.

    Args:
        changed: called at each change of the number of prompts, once more than needed where ComfyUI does so too.
        history_limit: asked for the number of ended prompts to remember.
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
        """Prompts that wait or run."""
        return len(self._waiting) + (self.running is not None)

    @property
    def pending(self) -> list[Prompt]:
        """Prompts that wait, the next one first."""
        return [prompt for _, _, prompt in sorted(self._waiting, key=lambda entry: entry[:2])]

    def put(self, prompt: Prompt) -> None:
        """Add a prompt; one of the same id runs as well."""
        heapq.heappush(self._waiting, (prompt.number, next(self._arrivals), prompt))
        self.changed()
        self.filled.set()

    async def take(self) -> Prompt:
        """The next prompt, which runs from now on; waits for one."""
        while not self._waiting:
            self.filled.clear()
            await self.filled.wait()
        self.running = heapq.heappop(self._waiting)[2]
        self.changed()
        return self.running

    def finish(self, prompt: Prompt, ended: dict[str, Any]) -> None:
        """Remember how the running prompt ended; the latest of equal ids is the one remembered."""
        self.running = None
        self.history[prompt.prompt_id] = {"prompt": prompt.told(), **ended}
        while len(self.history) > self.history_limit():
            del self.history[next(iter(self.history))]
        self.changed()

    def delete(self, prompt_id: str) -> bool:
        """Drop one waiting prompt of an id.

        Returns:
            Whether there was one.
        """
        found = next((entry for entry in self._waiting if entry[2].prompt_id == prompt_id), None)
        if found is None:
            return False
        if len(self._waiting) == 1:
            self.clear()  # ComfyUI tells everybody twice when it deletes the last one
        else:
            self._waiting.remove(found)
            heapq.heapify(self._waiting)
        self.changed()
        return True

    def clear(self) -> None:
        """Drop all waiting prompts."""
        self._waiting.clear()
        self.changed()
