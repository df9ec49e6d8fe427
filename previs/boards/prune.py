"""Remove from a store what no kept run refers to.

See :mod:`previs.boards.retention` for what that is, and in which order it goes.

Whatever ends it half-way, what can still be seen is whole, and what is left over is found by the next prune.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from previs.boards.nightly import NightlyBoard, nightly_boards
from previs.boards.picks import read_pick
from previs.boards.retention import Made, Removal, Rule, Run, kept_runs, made_of, plan_removal, records_to_read, run_of
from previs.boards.runs import each_file, each_manifest, latest_places, run_places
from previs.errors import RecordUnreadable
from previs.records.takes import TakeRecord
from previs.store import Store, StoredFile, keys

_BEATS: Final = f"{keys.CLAIMS}runs/"
# Beside the claims, so that one listing tells their ages and the time.
_CLOCK: Final = f"{keys.CLAIMS}prune.json"
_ALIVE: Final = timedelta(minutes=10)
_AT_ONCE: Final = 1000
_KINDS: Final = (keys.BOARDS, keys.TAKES, keys.FRAMES, keys.INPUTS, keys.LISTS, keys.CLAIMS)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune found and did.

    Attributes:
        removal: what goes, or went.
        kept: how many runs stay.
        obstacles: why nothing may be removed, or no more was; in sentences.
        done: whether all of it was removed.
    """

    removal: Removal = field(default_factory=Removal)
    kept: int = 0
    obstacles: tuple[str, ...] = ()
    done: bool = False


async def prune(store: Store, rule: Rule, *, really: bool = False, now: datetime | None = None) -> Pruned:
    """Find what no kept run refers to, and remove it if that is really wanted.

    Nothing is removed while a run is at work, or if a manifest, a pick or a nightly board cannot be read. A run that
    begins meanwhile stops it.

    Args:
        store: whose files.
        rule: which runs are kept.
        really: whether to remove anything.
        now: aware; by default the store's own clock, or this machine's where nothing is to be removed.
    """
    try:
        now = now or (await _store_time(store) if really else datetime.now(UTC))
        found, beats = await _survey(store, rule, now)
        return await _remove(store, found, beats) if really and not found.obstacles else found
    finally:
        if really:
            await store.delete([_CLOCK])


async def _store_time(store: Store) -> datetime:
    """The time by the store's clock, which is also that of its files."""
    content = json.dumps({"schema": "previs.prune/1"}).encode()
    await store.put(_CLOCK, content, media_type="application/json")
    return (await store.entries(keys.CLAIMS))[_CLOCK].modified


async def _remove(store: Store, found: Pruned, beats: Mapping[str, StoredFile]) -> Pruned:
    left = dict(beats)
    for stage in found.removal.stages:
        going = list(stage)
        for batch in (going[start : start + _AT_ONCE] for start in range(0, len(going), _AT_ONCE)):
            if await store.entries(_BEATS) != left:
                return replace(found, obstacles=("a run began meanwhile: prune again when it is over",))
            await store.delete(batch)
            for key in batch:
                left.pop(key, None)
    return replace(found, done=True)


async def _survey(store: Store, rule: Rule, now: datetime) -> tuple[Pruned, dict[str, StoredFile]]:
    """What would go, and the signs of life of runs at the start of the search."""
    beats = await store.entries(_BEATS)
    if at_work := await _at_work(store, beats, now):
        return Pruned(obstacles=tuple(at_work)), beats
    # Manifests first: what a run publishes later is younger than all that is listed here.
    listing: dict[str, StoredFile] = {}
    for kind in _KINDS:
        listing |= await store.entries(kind)
    places = run_places(listing)
    found = await each_manifest(store, places, run_of)
    runs = [run for run in found.values() if isinstance(run, Run)]
    faults = [str(fault) for fault in found.values() if isinstance(fault, RecordUnreadable)]
    picked = await _picked(store, listing, faults)
    nightly = await _nightly_places(store, faults)
    kept = kept_runs(runs, await latest_places(store, found), rule, now)
    staying, oldest = [run for run in runs if run.place in kept], now - rule.spare
    records = await _records(store, records_to_read(listing, staying, picked, oldest), faults)
    if faults:
        return Pruned(obstacles=tuple(faults)), beats
    removal = plan_removal(listing, runs, kept, picked, records, oldest=oldest, places=nightly)
    return Pruned(removal, kept=len(staying)), beats


async def _at_work(store: Store, beats: Mapping[str, StoredFile], now: datetime) -> list[str]:
    """A sentence for each run that gave a sign of life lately and did not say that it is over."""
    young = [key for key, entry in beats.items() if now - entry.modified <= _ALIVE]

    def read(key: str, content: bytes) -> str | None:
        beat = _object(content)
        if beat.get("over") is True:
            return None
        ago = max(0, round((now - beats[key].modified).total_seconds()))
        return f"run {str(beat.get('run') or key)!r} was at work {ago} s ago: prune again when it is over"

    return [sentence for sentence in (await each_file(store, young, read)).values() if sentence is not None]


async def _picked(store: Store, listing: Iterable[str], faults: list[str]) -> set[str]:
    """Fingerprints of the chosen takes of all boards."""

    def read(key: str, content: bytes) -> str | None:
        try:
            return read_pick(key, content).fingerprint
        except RecordUnreadable as error:
            faults.append(f"{error}: pick the take again")
            return None

    wanted = [key for key in listing if key.startswith(keys.BOARDS) and key.split("/")[2:3] == ["picks"]]
    return {mark for mark in (await each_file(store, wanted, read)).values() if mark is not None}


async def _nightly_places(store: Store, faults: list[str]) -> set[str]:
    """What the boards that are rendered each night are made from."""
    found = (await nightly_boards(store)).values()
    faults += [str(fault) for fault in found if isinstance(fault, RecordUnreadable)]
    return {place for board in found if isinstance(board, NightlyBoard) for place in board.places}


async def _records(store: Store, fingerprints: Iterable[str], faults: list[str]) -> dict[str, Made]:
    """What records name, by fingerprint. One that is damaged names nothing, but one of a later version might."""

    def read(key: str, content: bytes) -> Made | None:
        try:
            record = TakeRecord.model_validate_json(content)
        except ValidationError:
            schema = _object(content).get("schema")
            if isinstance(schema, str) and schema.startswith("previs.take/") and schema != "previs.take/1":
                faults.append(f"{key} cannot be used: it is of another version ({schema!r})")
            return None
        return made_of(record)

    marks = {keys.take_key(mark): mark for mark in fingerprints}
    found = await each_file(store, marks, read)
    return {marks[key]: made for key, made in found.items() if made is not None}


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object, empty where the content is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
