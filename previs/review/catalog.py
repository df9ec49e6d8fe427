"""Know the boards of a store without keeping them: each manifest is read once, and only its outline stays."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from previs.boards.picks import read_pick
from previs.boards.runs import RunLocation, each_file, find_run, latest_locations, run_locations
from previs.errors import NotInStore, RecordUnreadable
from previs.records.manifest import Manifest, read_manifest
from previs.records.takes import Pick
from previs.review.outline import BoardSummary, Outline, outlined, summarized
from previs.store import Store, StoredFile, keys
from previs.store.bounds import MANIFEST_BYTES

T = TypeVar("T")

_INDEX_SECONDS: Final = 5.0
_BOARD_SECONDS: Final = 1.0
# Files that were written within one second may differ and look the same in a listing.
_SETTLED_SECONDS: Final = 3.0
_MOST_TAKES: Final = 30_000
_MOST_SUMMARIES: Final = 2_000
_LARGE_BYTES: Final = 25_000_000


@dataclass(frozen=True, slots=True)
class BoardNow:
    """Describe the latest run of a board as the listing has it.

    Attributes:
        files: Names of the files beside the run's manifest.
        picks: The board's pick files, by key.
    """

    location: RunLocation
    version: str
    size: int
    files: frozenset[str]
    picks: dict[str, StoredFile]


@dataclass(slots=True)
class Catalog:
    """Read the boards of a store; use one for all requests.

    Attributes:
        store: Store of the boards.
        clock: Returns the time in seconds.
    """

    store: Store
    clock: Callable[[], float] = time.monotonic
    _index: tuple[float, dict[str, tuple[RunLocation, str, int]]] | None = None
    _now: OrderedDict[str, tuple[float, BoardNow]] = field(default_factory=OrderedDict)
    _outlines: OrderedDict[str, Outline] = field(default_factory=OrderedDict)
    _summaries: OrderedDict[str, BoardSummary] = field(default_factory=OrderedDict)
    _picks: OrderedDict[str, tuple[StoredFile, float, Pick | None]] = field(default_factory=OrderedDict)
    _changed: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))

    async def boards(self) -> list[BoardSummary]:
        """Return all boards by the time of their latest run, the youngest first."""
        async with self._lock("index"):
            if self._index is None or self.clock() - self._index[0] > _INDEX_SECONDS:
                listed = await self.store.entries(keys.BOARDS)
                latest = await latest_locations(self.store, run_locations(listed))
                newest = {each.board: each for each in sorted(latest)}
                for each in newest:
                    newest[each] = await self._latest(each, [one for one in latest if one.board == each])
                found = {part: (at, *_version(listed[at.manifest])) for part, at in newest.items()}
                self._index = self.clock(), found
        summaries = await asyncio.gather(*(self._summary(*each) for each in self._index[1].values()))
        return sorted(summaries, key=lambda each: (each.finished is not None, each.finished, each.name), reverse=True)

    async def now(self, part: str, *, fresh: bool = False) -> BoardNow:
        """Return the latest run of a board; at most a second old, unless it must be fresh.

        Raises:
            NotInStore: There is no such board.
        """
        if not fresh and (known := self._now.get(part)) and self.is_current(part, known[0]):
            return known[1]
        async with self._lock(f"now {part}"):
            began = self.clock()
            listed = await self.store.entries(f"{keys.BOARDS}{part}/")
            runs = [run for run in run_locations(listed) if run.board == part]
            if not runs:
                raise NotInStore(self.store.name, f"board {part!r}", "previs boards lists them")
            location = await self._latest(part, runs)
            version, size = _version(listed[location.manifest])
            beside = {key.removeprefix(location.prefix) for key in listed if key.startswith(location.prefix)}
            prefix = f"{keys.BOARDS}{part}/picks/"
            picks = {key: file for key, file in listed.items() if key.startswith(prefix)}
            found = BoardNow(location, version, size, frozenset(beside), picks)
            _keep(self._now, part, (began, found), _MOST_SUMMARIES)
            return found

    async def outline(self, part: str, run: str | None = None, *, fresh: bool = False) -> Outline:
        """Return the outline of a run, by default of the latest.

        Raises:
            NotInStore: There is no such board or run.
            RecordUnreadable: The manifest cannot be used.
        """
        now = await self.now(part, fresh=fresh)
        if run is None or run == now.location.run:
            return await self._outline(now.location, now.version, now.size)
        location = await find_run(self.store, part, run)
        listed = await self.store.entries(location.prefix)
        if location.manifest not in listed or location.board != part:
            raise NotInStore(self.store.name, f"run {run!r} of board {part!r}", "it was removed")
        return await self._outline(location, *_version(listed[location.manifest]))

    async def manifest(self, location: RunLocation) -> Manifest:
        """Read the whole manifest of a run, which is not kept.

        Raises:
            NotInStore: The run was removed.
            RecordUnreadable: The manifest cannot be used.
        """
        content = await self.store.get(location.manifest, limit=MANIFEST_BYTES)
        if content is None:
            raise NotInStore(self.store.name, f"run {location.run!r} of board {location.board!r}", "it was removed")
        return await asyncio.to_thread(read_manifest, content, name=self.store.uri(location.manifest))

    async def picks(self, part: str) -> dict[str, int]:
        """Return the numbers of the picked takes of a board, by shot_id as text."""
        files = (await self.now(part)).picks
        began = self.clock()
        unsettled = [key for key, file in files.items() if not self._settled(key, file)]
        for key, chosen in (await each_file(self.store, unsettled, _read_pick)).items():
            known = self._picks.get(key)
            since = known[1] if known and known[0] == files[key] else began
            _keep(self._picks, key, (files[key], since, chosen), 10 * _MOST_SUMMARIES)
        found = [self._picks[key][2] for key in files if key in self._picks]
        return {each.shot_id: each.take for each in found if each is not None and each.take is not None}

    def forget(self, part: str) -> None:
        """Look at a board's listing again the next time, because this program has changed it."""
        _keep(self._changed, part, self.clock(), _MOST_SUMMARIES)
        prefix = f"{keys.BOARDS}{part}/picks/"
        for key in [key for key in self._picks if key.startswith(prefix)]:
            del self._picks[key]

    def is_current(self, part: str, since: float) -> bool:
        """Return whether what was read of a board since a time may still be shown: for a second, and not once changed.

        What a look that began before a change has found is not shown to whoever made the change.
        """
        return self.clock() - since <= _BOARD_SECONDS and since > self._changed.get(part, -1.0)

    def _settled(self, key: str, file: StoredFile) -> bool:
        known = self._picks.get(key)
        return known is not None and known[0] == file and self.clock() - known[1] > _SETTLED_SECONDS

    async def _latest(self, part: str, runs: list[RunLocation]) -> RunLocation:
        return runs[0] if len(runs) == 1 else await find_run(self.store, part)

    async def _outline(self, location: RunLocation, version: str, size: int) -> Outline:
        key = f"{location.manifest} {version}"
        async with self._lock(key):
            if key not in self._outlines:
                async with self._few if size < _LARGE_BYTES else self._alone:
                    made = await asyncio.to_thread(outlined, location, version, await self.manifest(location))
                self._outlines[key] = made
            self._outlines.move_to_end(key)
            while len(self._outlines) > 1 and sum(len(each.media) for each in self._outlines.values()) > _MOST_TAKES:
                self._outlines.popitem(last=False)
            return self._outlines[key]

    async def _summary(self, location: RunLocation, version: str, size: int) -> BoardSummary:
        key = f"{location.manifest} {version}"
        async with self._lock(f"summary {key}"):
            if key not in self._summaries:
                async with self._few if size < _LARGE_BYTES else self._alone:
                    try:
                        made = summarized(location, await self.manifest(location))
                    except (NotInStore, RecordUnreadable) as error:
                        made = BoardSummary(location.board, location.board, run=location.run, fault=str(error))
                _keep(self._summaries, key, made, _MOST_SUMMARIES)
            return self._summaries[key]

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


def _version(file: StoredFile) -> tuple[str, int]:
    """Return a text that changes with each publication of a manifest, and its size."""
    return hashlib.sha256(f"{file.size} {file.modified.isoformat()}".encode()).hexdigest()[:12], file.size


def _keep(cache: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)


def _read_pick(key: str, content: bytes) -> Pick | None:
    try:
        return read_pick(key, content)
    except RecordUnreadable:
        return None
