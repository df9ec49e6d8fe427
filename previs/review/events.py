"""Keep what people said of the shots of a board: one small record for each event, numbered within its shot.

An event is written under the next free number, which only one writer can create, so no event is lost or overwritten,
and all readers see the events of a shot in one order, whatever clocks say.
"""

import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from previs.boards.runs import each_file
from previs.errors import ReviewRefused
from previs.records.reviews import ReviewEvent
from previs.store import Store, StoredFile, keys
from previs.text.visible import shortened, visible

MOST_OF_SHOT: Final = 5_000
"""Most events of a shot; more are refused, so that nobody fills the store."""
_BOARDS_KEPT: Final = 32
_JSON: Final = "application/json"


@dataclass(slots=True)
class _Board:
    """Hold the events of a board as they were last read, by key."""

    read: dict[str, tuple[StoredFile, ReviewEvent | None]] = field(default_factory=dict)


@dataclass(slots=True)
class ReviewEvents:
    """Read and write the events of the boards of a store; what was read once is not read again.

    Attributes:
        store: Store of the boards.
    """

    store: Store
    _boards: OrderedDict[str, _Board] = field(default_factory=OrderedDict)

    async def of_board(self, board: str) -> dict[str, list[ReviewEvent]]:
        """Return the events of a board in order, by shot_id as text; without records that cannot be read."""
        found: dict[str, list[ReviewEvent]] = {}
        for _, event in sorted((await self._read(board, None)).items()):
            if event is not None:
                found.setdefault(event.shot_id, []).append(event)
        return found

    async def append(
        self, board: str, shot_id: str, make: Callable[[Sequence[ReviewEvent]], ReviewEvent]
    ) -> ReviewEvent:
        """Write the next event of a shot, and return it.

        Args:
            board: Name of the board.
            shot_id: The shot's shot_id as text.
            make: Function that returns the event for the events before it, or raises; called again if another event
                came in between. Number and nonce are set here.

        Raises:
            ReviewRefused: The shot has too many events.
        """
        while True:
            read = await self._read(board, shot_id)
            number = max((_number_of(key) for key in read), default=0) + 1
            if number > MOST_OF_SHOT:
                raise ReviewRefused(
                    f"shot {shortened(visible(shot_id))} has {MOST_OF_SHOT:,} comments and decisions, the most kept"
                )
            made = make([event for _, event in sorted(read.items()) if event is not None])
            event = made.model_copy(update={"number": number, "nonce": uuid.uuid4().hex})
            content = event.model_dump_json(by_alias=True, indent=1).encode()
            if await self.store.create(keys.review_key(board, shot_id, number), content, media_type=_JSON):
                return event

    async def _read(self, board: str, shot_id: str | None) -> dict[str, ReviewEvent | None]:
        """Return the events of a board or of a shot by key, None for a damaged one; each is read once."""
        cache = self._cache(keys.part(board))
        prefix = keys.reviews_prefix(board, shot_id)
        listed = {key: file for key, file in (await self.store.entries(prefix)).items() if _number_of(key)}
        new = [key for key, file in listed.items() if cache.get(key, (None,))[0] != file]
        for key, event in (await each_file(self.store, new, _parsed)).items():
            cache[key] = (listed[key], event)
        for key in [key for key in cache if key.startswith(prefix) and key not in listed]:
            del cache[key]
        return {key: cache[key][1] for key in listed if key in cache}

    def _cache(self, board: str) -> dict[str, tuple[StoredFile, ReviewEvent | None]]:
        found = self._boards.setdefault(board, _Board())
        self._boards.move_to_end(board)
        while len(self._boards) > _BOARDS_KEPT:
            self._boards.popitem(last=False)
        return found.read


def _number_of(key: str) -> int:
    """Return the number that a key ends with; 0 if it is no event's."""
    name = key.rpartition("/")[2].removesuffix(".json")
    return (
        int(name)
        if name.isascii() and name.isdecimal() and key.count("/") == keys.review_key("b", "s", 1).count("/")
        else 0
    )


def _parsed(key: str, content: bytes) -> ReviewEvent | None:
    try:
        event = ReviewEvent.model_validate_json(content)
    except ValidationError:
        return None
    # The key decides: a record that was copied there by hand is another shot's.
    same = key.split("/")[2] == keys.part(event.shot_id) and _number_of(key) == event.number
    return event if same else None
