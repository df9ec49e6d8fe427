"""List the boards and runs of a store from their keys and manifests."""

import asyncio
import contextlib
import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from previs.errors import NotInStore, RecordUnreadable
from previs.records.manifest import Manifest, read_manifest
from previs.store import Store, keys
from previs.store.bounds import MANIFEST_BYTES
from previs.store.record_files import get_record

T = TypeVar("T")

_MANIFESTS_AT_ONCE: Final = 4
# Of a manifest; a larger one is read alone.
_SEVERAL_BYTES: Final = 25_000_000
_FILES_AT_ONCE: Final = 16
_NAMES_SHOWN: Final = 5
_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True, order=True)
class RunLocation:
    """Locate a run in the store by parts of keys, which may differ from the names that people gave.

    Attributes:
        board: Part that all runs of the board share.
        run: Part of this run; parts sort in the order in which runs started.
    """

    board: str
    run: str

    @property
    def prefix(self) -> str:
        """Return the prefix of all files of the run, with its closing slash."""
        return f"{keys.BOARDS}{self.board}/{self.run}/"

    @property
    def manifest(self) -> str:
        """Return the manifest's key."""
        return self.prefix + _MANIFEST


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Summarize a run.

    Attributes:
        run: Name of the run.
        manifest: Key of the manifest.
        finished: When the run ended; None if the manifest cannot be read, and then all counts are 0.
        shots: Number of shots; the counts named like outcomes count takes.
        size: Size of its frames in bytes; a frame that several takes share counts once.
        fault: Reason why the manifest cannot be read.
    """

    run: str
    manifest: str
    finished: datetime | None = None
    shots: int = 0
    rendered: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    size: int = 0
    fault: str | None = None
    joined: int = 0


@dataclass(frozen=True, slots=True)
class BoardSummary:
    """Summarize a board.

    Attributes:
        name: Name as given, or its part of keys if that is not known.
        runs: Runs from the latest to the first.
        latest: Name of the run that was published last.
    """

    name: str
    runs: tuple[RunSummary, ...]
    latest: str


class _Latest(BaseModel):
    """Represent ``latest.json``."""

    board: str
    run: str


async def boards(store: Store, board: str | None = None) -> list[BoardSummary]:
    """Return all boards of a store, or one of them, by name, with all their runs.

    Raises:
        NotInStore: The board does not exist; the error lists those that do, the closest name first.
    """
    if board is None:
        locations = run_locations(await store.entries(keys.BOARDS))
    else:
        locations = await runs_of(store, board)
    facts = await each_manifest(store, locations, summarize)
    latest_of = await _latest(store, {location.board for location in facts})
    found = []
    for folder, latest in latest_of.items():
        here = sorted((location for location in facts if location.board == folder), reverse=True)
        runs = tuple(_facts(location, facts[location]) for location in here)
        newest = _newest(here, latest)
        found.append(BoardSummary(_board_name(folder, latest), runs, runs[here.index(newest)].run))
    return sorted(found, key=lambda each: each.name)


async def load_manifest(store: Store, board: str, run: str | None = None) -> tuple[Manifest, str]:
    """Return the manifest of a run, and its key.

    Args:
        store: Store of the board.
        board: Name of the board, or its part of keys.
        run: Name of the run, or its part of keys; None or ``latest`` for the run that was published last.

    Raises:
        NotInStore: The board or run does not exist; the error lists those that do, the closest name first.
        RecordUnreadable: The manifest is damaged, or of a later version.
    """
    location = await find_run(store, board, run)
    content = await store.get(location.manifest, limit=MANIFEST_BYTES)
    if content is None:
        raise NotInStore(store.name, f"run {location.run!r} of board {board!r} any more", "it was just removed")
    return await asyncio.to_thread(read_manifest, content, name=store.uri(location.manifest)), location.manifest


async def find_run(store: Store, board: str, run: str | None = None) -> RunLocation:
    """Locate a run; see :func:`load_manifest`.

    Raises:
        NotInStore: The board or run does not exist.
    """
    locations = await runs_of(store, board)
    if run is None or run == "latest":
        folder = locations[0].board
        return _newest(locations, (await _latest(store, [folder]))[folder])
    named = {location.run: location for location in locations}
    found = named.get(keys.part(run)) or named.get(run)
    if found is None:
        raise NotInStore(store.name, f"run {run!r} of board {board!r}", list_names(run, named))
    return found


async def runs_of(store: Store, board: str) -> list[RunLocation]:
    """Return the locations of a board's runs, at least one, from the latest to the first.

    Raises:
        NotInStore: The board does not exist.
    """
    locations = run_locations(await store.entries(keys.board_prefix(board)))
    if not locations:
        everything = run_locations(await store.entries(keys.BOARDS))
        # A board may be given as it stands in a URL, which is its part of keys.
        locations = [location for location in everything if location.board == board]
        if not locations:
            names = [name for _, name in await _names(store, {location.board for location in everything})]
            raise NotInStore(store.name, f"board {board!r}", list_names(board, names))
    return sorted(locations, reverse=True)


async def name_of(store: Store, board: str) -> str:
    """Return the name of a board that is given by its name or its part of keys.

    Raises:
        NotInStore: The board does not exist.
    """
    folder = (await runs_of(store, board))[0].board
    if keys.part(board) == folder:
        return board
    return _board_name(folder, (await _latest(store, [folder]))[folder])


async def only_board(store: Store) -> str:
    """Return the name of a store's only board.

    Raises:
        NotInStore: The store has no board, or more than one.
    """
    names = [
        name for _, name in await _names(store, {p.board for p in run_locations(await store.entries(keys.BOARDS))})
    ]
    if len(names) == 1:
        return names[0]
    remedy = f"say which with --board: {list_names('', names)}" if names else "nothing was published there yet"
    raise NotInStore(store.name, "board that is meant without a name" if names else "board", remedy)


def run_locations(listed: Iterable[str]) -> list[RunLocation]:
    """Return the locations of all runs that have a manifest among the keys, sorted."""
    found = []
    for key in listed:
        match key.split("/"):
            # A shot may be called "manifest", and its pick is a file of that name.
            case ["boards", board, run, name] if name == _MANIFEST and run != "picks":
                found.append(RunLocation(board, run))
    return sorted(found)


async def each_manifest(
    store: Store, locations: Iterable[RunLocation], of: Callable[[RunLocation, Manifest], T]
) -> dict[RunLocation, T | RecordUnreadable]:
    """Apply a function to each run's manifest and return the results, or errors for unreadable manifests.

    Few manifests are in memory at a time. A run that was removed meanwhile is left out.
    """
    gate, alone = asyncio.Semaphore(_MANIFESTS_AT_ONCE), asyncio.Lock()

    async def read(location: RunLocation, limit: int) -> T | None:
        content = await store.get(location.manifest, limit=limit)
        if content is None:
            return None
        return of(location, await asyncio.to_thread(read_manifest, content, name=store.uri(location.manifest)))

    async def read_one(location: RunLocation) -> T | RecordUnreadable | None:
        async with gate:
            with contextlib.suppress(RecordUnreadable):
                return await read(location, _SEVERAL_BYTES)
        async with alone:
            try:
                return await read(location, MANIFEST_BYTES)
            except RecordUnreadable as error:
                return error

    ordered = list(locations)
    found = await asyncio.gather(*(read_one(location) for location in ordered))
    return {location: each for location, each in zip(ordered, found, strict=True) if each is not None}


async def last_manifests(store: Store, board: str, count: int = 3) -> list[Manifest]:
    """Return the manifests of a board's last runs, newest first, without those that cannot be read.

    Args:
        store: Store of the board.
        board: Name of the board; one that does not exist has no runs.
        count: Number of runs to read.
    """
    try:
        runs = (await runs_of(store, board))[:count]
    except NotInStore:
        return []
    read = await each_manifest(store, runs, lambda _, manifest: manifest)
    return [manifest for run in runs if isinstance(manifest := read.get(run), Manifest)]


async def each_file(store: Store, names: Iterable[str], of: Callable[[str, bytes], T]) -> dict[str, T]:
    """Apply a function to key and content of many records and return the results by key, without absent files.

    Too large a file has no content.
    """
    gate = asyncio.Semaphore(_FILES_AT_ONCE)

    async def read(key: str) -> tuple[T] | None:
        async with gate:
            content = await get_record(store, key)
        return None if content is None else (of(key, content),)

    wanted = list(names)
    found = await asyncio.gather(*(read(key) for key in wanted))
    return {key: each[0] for key, each in zip(wanted, found, strict=True) if each is not None}


def summarize(location: RunLocation, manifest: Manifest) -> RunSummary:
    """Summarize a run that can be read."""
    takes = [take for shot in manifest.shots for take in shot.takes]
    count = Counter(take.outcome for take in takes)
    sizes = {frame.key: frame.size for take in takes for frame in take.frames}
    return RunSummary(
        run=manifest.run if keys.part(manifest.run) == location.run else location.run,
        manifest=location.manifest,
        finished=manifest.finished,
        shots=len(manifest.shots),
        rendered=count["rendered"],
        joined=count["joined"],
        cached=count["cached"],
        failed=count["failed"],
        skipped=count["skipped"],
        size=sum(sizes.values()),
    )


def list_names(wanted: str, names: Collection[str]) -> str:
    """Return a sentence that lists names, the closest to the wanted one first."""
    if not names:
        return "there is none"

    def order(name: str) -> tuple[float, str]:
        return -difflib.SequenceMatcher(None, name.lower(), wanted.lower()).ratio(), name

    known = sorted(set(names), key=order)
    more = f" and {len(known) - _NAMES_SHOWN} more" if len(known) > _NAMES_SHOWN else ""
    return f"there {'is' if len(known) == 1 else 'are'} {', '.join(map(repr, known[:_NAMES_SHOWN]))}{more}"


def _facts(location: RunLocation, found: RunSummary | RecordUnreadable) -> RunSummary:
    if isinstance(found, RunSummary):
        return found
    return RunSummary(location.run, location.manifest, fault=found.reason)


async def latest_locations(store: Store, locations: Collection[RunLocation]) -> set[RunLocation]:
    """Return the run of each board that was published last, and the one that started last if that is another."""
    latest_of = await _latest(store, {location.board for location in locations})
    found = set()
    for folder, latest in latest_of.items():
        here = [location for location in locations if location.board == folder]
        found |= {max(here), _newest(here, latest)}
    return found


async def _latest(store: Store, folders: Iterable[str]) -> dict[str, _Latest | None]:
    """Read each board's ``latest.json``, by its part of keys."""
    files = {folder: f"{keys.BOARDS}{folder}/latest.json" for folder in sorted(folders)}
    found = await each_file(store, files.values(), _read_latest)
    return {folder: found.get(key) for folder, key in files.items()}


def _read_latest(_: str, content: bytes) -> _Latest | None:
    """Return the content of ``latest.json``, or None if it is damaged; the runs' names then show the latest."""
    try:
        return _Latest.model_validate_json(content)
    except ValidationError:
        return None


def _newest(locations: Collection[RunLocation], latest: _Latest | None) -> RunLocation:
    published = [location for location in locations if latest is not None and location.run == keys.part(latest.run)]
    return published[0] if published else max(locations)


async def _names(store: Store, folders: Collection[str]) -> list[tuple[str, str]]:
    """Return pairs of a board's part of keys and its name."""
    latest_of = await _latest(store, folders)
    return [(folder, _board_name(folder, latest)) for folder, latest in latest_of.items()]


def _board_name(folder: str, latest: _Latest | None) -> str:
    return latest.board if latest is not None and keys.part(latest.board) == folder else folder
