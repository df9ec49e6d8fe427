"""Which boards and runs a store holds: what their keys say, and what their manifests say."""

import asyncio
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

T = TypeVar("T")

# With its thumbnails a manifest of a thousand shots has some 20 MB.
_AT_ONCE: Final = 4
_SMALL_AT_ONCE: Final = 16
_NAMES_SHOWN: Final = 5
_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True, order=True)
class RunPlace:
    """Where a run is in the store; its parts are those of keys, which may differ from the names that people gave.

    Attributes:
        board: the part that all runs of the board share.
        run: the part of this run; parts sort as the runs started.
    """

    board: str
    run: str

    @property
    def prefix(self) -> str:
        """What all files of the run share, with its closing slash."""
        return f"{keys.BOARDS}{self.board}/{self.run}/"

    @property
    def manifest(self) -> str:
        """The manifest's key."""
        return self.prefix + _MANIFEST


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What there is to say of a run in a line.

    Attributes:
        run: its name.
        manifest: the key of its record.
        finished: none if the manifest cannot be read, and then all counts are 0.
        shots: how many there are; ``rendered``, ``cached``, ``failed`` and ``skipped`` count takes.
        size: of its frames in bytes, one that several takes share counted once.
        fault: why the manifest cannot be read.
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


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What there is to say of a board.

    Attributes:
        name: as it was given; where that is not known, as it stands in keys.
        runs: from the latest to the first.
        latest: the name of the run that was published last.
    """

    name: str
    runs: tuple[RunSummary, ...]
    latest: str


class _Latest(BaseModel):
    """What ``latest.json`` says."""

    board: str
    run: str


async def boards(store: Store, board: str | None = None) -> list[BoardFacts]:
    """All boards of a store by name, or one of them, with all their runs.

    Raises:
        NotInStore: there is no such board; the names of those there are follow, the closest first.
    """
    if board is None:
        places = run_places(await store.entries(keys.BOARDS))
    else:
        places = await runs_of(store, board)
    facts = await each_manifest(store, places, facts_of)
    told = await _latest(store, {place.board for place in facts})
    found = []
    for folder, latest in told.items():
        here = sorted((place for place in facts if place.board == folder), reverse=True)
        runs = tuple(_facts(place, facts[place]) for place in here)
        newest = _newest(here, latest)
        found.append(BoardFacts(_board_name(folder, latest), runs, runs[here.index(newest)].run))
    return sorted(found, key=lambda each: each.name)


async def load_manifest(store: Store, board: str, run: str | None = None) -> tuple[Manifest, str]:
    """The manifest of a run, and its key.

    Args:
        store: where to look.
        board: its name, or how that stands in keys.
        run: its name, likewise; with none, or ``latest``, the one that was published last.

    Raises:
        NotInStore: there is no such board or run; the names of those there are follow, the closest first.
        RecordUnreadable: the manifest is damaged, or of a later version.
    """
    place = await find_run(store, board, run)
    content = await store.get(place.manifest)
    if content is None:
        raise NotInStore(store.name, f"run {place.run!r} of board {board!r} any more", "it was just removed")
    return read_manifest(content, name=store.uri(place.manifest)), place.manifest


async def find_run(store: Store, board: str, run: str | None = None) -> RunPlace:
    """Where a run is; see :func:`load_manifest`.

    Raises:
        NotInStore: there is no such board or run.
    """
    places = await runs_of(store, board)
    if run is None or run == "latest":
        folder = places[0].board
        return _newest(places, (await _latest(store, [folder]))[folder])
    named = {place.run: place for place in places}
    found = named.get(keys.part(run)) or named.get(run)
    if found is None:
        raise NotInStore(store.name, f"run {run!r} of board {board!r}", there_are(run, named))
    return found


async def runs_of(store: Store, board: str) -> list[RunPlace]:
    """The places of a board's runs, one at least, from the latest to the first.

    Raises:
        NotInStore: there is no such board.
    """
    places = run_places(await store.entries(keys.board_prefix(board)))
    if not places:
        everything = run_places(await store.entries(keys.BOARDS))
        # Names that a key has to change are known from elsewhere, such as an address, only as the key has them.
        places = [place for place in everything if place.board == board]
        if not places:
            names = [name for _, name in await _names(store, {place.board for place in everything})]
            raise NotInStore(store.name, f"board {board!r}", there_are(board, names))
    return sorted(places, reverse=True)


async def name_of(store: Store, board: str) -> str:
    """The name of a board, which may be given as it stands in keys.

    Raises:
        NotInStore: there is no such board.
    """
    folder = (await runs_of(store, board))[0].board
    if keys.part(board) == folder:
        return board
    return _board_name(folder, (await _latest(store, [folder]))[folder])


async def only_board(store: Store) -> str:
    """The name of the one board of a store, for who did not name any.

    Raises:
        NotInStore: there is none, or more than one.
    """
    names = [name for _, name in await _names(store, {p.board for p in run_places(await store.entries(keys.BOARDS))})]
    if len(names) == 1:
        return names[0]
    remedy = f"say which with --board: {there_are('', names)}" if names else "nothing was published there yet"
    raise NotInStore(store.name, "board that is meant without a name" if names else "board", remedy)


def run_places(listed: Iterable[str]) -> list[RunPlace]:
    """The runs among keys, in their order: what has a manifest."""
    found = []
    for key in listed:
        match key.split("/"):
            # A shot may be called "manifest", and its pick is a file of that name.
            case ["boards", board, run, name] if name == _MANIFEST and run != "picks":
                found.append(RunPlace(board, run))
    return sorted(found)


async def each_manifest(
    store: Store, places: Iterable[RunPlace], of: Callable[[RunPlace, Manifest], T]
) -> dict[RunPlace, T | RecordUnreadable]:
    """Something of each run's manifest, or why it cannot be read; few manifests are in memory at a time.

    A run that was removed meanwhile is left out.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(place: RunPlace) -> T | RecordUnreadable | None:
        async with gate:
            content = await store.get(place.manifest)
            if content is None:
                return None
            try:
                return of(place, read_manifest(content, name=store.uri(place.manifest)))
            except RecordUnreadable as error:
                return error

    ordered = list(places)
    found = await asyncio.gather(*(read(place) for place in ordered))
    return {place: each for place, each in zip(ordered, found, strict=True) if each is not None}


async def each_file(store: Store, names: Iterable[str], of: Callable[[str, bytes], T]) -> dict[str, T]:
    """Something of each of many small files, by key, without those that are not there any more."""
    gate = asyncio.Semaphore(_SMALL_AT_ONCE)

    async def read(key: str) -> tuple[T] | None:
        async with gate:
            content = await store.get(key)
        return None if content is None else (of(key, content),)

    wanted = list(names)
    found = await asyncio.gather(*(read(key) for key in wanted))
    return {key: each[0] for key, each in zip(wanted, found, strict=True) if each is not None}


def facts_of(place: RunPlace, manifest: Manifest) -> RunSummary:
    """What there is to say of a run that can be read."""
    takes = [take for shot in manifest.shots for take in shot.takes]
    count = Counter(take.outcome for take in takes)
    sizes = {frame.key: frame.size for take in takes for frame in take.frames}
    return RunSummary(
        run=manifest.run if keys.part(manifest.run) == place.run else place.run,
        manifest=place.manifest,
        finished=manifest.finished,
        shots=len(manifest.shots),
        rendered=count["rendered"],
        cached=count["cached"],
        failed=count["failed"],
        skipped=count["skipped"],
        size=sum(sizes.values()),
    )


def there_are(wanted: str, names: Collection[str]) -> str:
    """Which names there are, in a sentence, the closest to the wanted one first."""
    if not names:
        return "there is none"

    def order(name: str) -> tuple[float, str]:
        return -difflib.SequenceMatcher(None, name.lower(), wanted.lower()).ratio(), name

    known = sorted(set(names), key=order)
    more = f" and {len(known) - _NAMES_SHOWN} more" if len(known) > _NAMES_SHOWN else ""
    return f"there {'is' if len(known) == 1 else 'are'} {', '.join(map(repr, known[:_NAMES_SHOWN]))}{more}"


def _facts(place: RunPlace, found: RunSummary | RecordUnreadable) -> RunSummary:
    if isinstance(found, RunSummary):
        return found
    return RunSummary(place.run, place.manifest, fault=found.reason)


async def latest_places(store: Store, places: Collection[RunPlace]) -> set[RunPlace]:
    """The run of each board that was published last, and the one that started last where that is another."""
    told = await _latest(store, {place.board for place in places})
    found = set()
    for folder, latest in told.items():
        here = [place for place in places if place.board == folder]
        found |= {max(here), _newest(here, latest)}
    return found


async def _latest(store: Store, folders: Iterable[str]) -> dict[str, _Latest | None]:
    """What each board says of its latest run, by the parts of its keys."""
    files = {folder: f"{keys.BOARDS}{folder}/latest.json" for folder in sorted(folders)}
    told = await each_file(store, files.values(), _read_latest)
    return {folder: told.get(key) for folder, key in files.items()}


def _read_latest(_: str, content: bytes) -> _Latest | None:
    """What the file says, or nothing if it is damaged: the names of runs say as much."""
    try:
        return _Latest.model_validate_json(content)
    except ValidationError:
        return None


def _newest(places: Collection[RunPlace], latest: _Latest | None) -> RunPlace:
    told = [place for place in places if latest is not None and place.run == keys.part(latest.run)]
    return told[0] if told else max(places)


async def _names(store: Store, folders: Collection[str]) -> list[tuple[str, str]]:
    """Boards by their parts of keys, with their names."""
    told = await _latest(store, folders)
    return [(folder, _board_name(folder, latest)) for folder, latest in told.items()]


def _board_name(folder: str, latest: _Latest | None) -> str:
    return latest.board if latest is not None and keys.part(latest.board) == folder else folder
