"""Remove from a store what no kept run refers to.

:mod:`previs.boards.retention` decides what that is, and the order of removal. If a prune is interrupted, nothing
visible is incomplete, and the next prune finds the rest.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from previs.boards.nightly import NightlyBoard, nightly_boards
from previs.boards.picks import read_pick
from previs.boards.retention import (
    Removal,
    Rule,
    Run,
    TakeFiles,
    files_of,
    kept_runs,
    plan_removal,
    records_to_read,
    run_of,
)
from previs.boards.runs import each_file, each_manifest, latest_locations, run_locations
from previs.errors import RecordUnreadable
from previs.records.takes import TakeRecord
from previs.store import Store, StoredFile, keys

_HEARTBEATS: Final = f"{keys.CLAIMS}runs/"
# Beside the leases, so that one listing shows their ages and the time.
_CLOCK: Final = f"{keys.CLAIMS}prune.json"
_ALIVE: Final = timedelta(minutes=10)
_BATCH: Final = 1000
_KINDS: Final = (keys.BOARDS, keys.TAKES, keys.FRAMES, keys.INPUTS, keys.LISTS, keys.CLAIMS)


@dataclass(frozen=True, slots=True)
class Pruned:
    """Report what a prune found and did.

    Attributes:
        removal: Files to remove, or removed.
        kept: Number of runs that stay.
        obstacles: Sentences that say why nothing may be removed, or why the prune stopped.
        done: Whether all files were removed.
    """

    removal: Removal = field(default_factory=Removal)
    kept: int = 0
    obstacles: tuple[str, ...] = ()
    done: bool = False


async def prune(store: Store, rule: Rule, *, really: bool = False, now: datetime | None = None) -> Pruned:
    """Find what no kept run refers to, and remove it if ``really`` is set.

    Nothing is removed while a run is at work, or if a manifest, a pick or a nightly board cannot be read. A run that
    starts meanwhile stops the prune.

    Args:
        store: Store to prune.
        rule: Runs to keep.
        really: Whether to remove files.
        now: Present time, aware; by default the store's own clock, or this machine's if nothing is to be removed.
    """
    try:
        now = now or (await _store_time(store) if really else datetime.now(UTC))
        found, heartbeats = await _survey(store, rule, now)
        return await _remove(store, found, heartbeats) if really and not found.obstacles else found
    finally:
        if really:
            await store.delete([_CLOCK])


async def _store_time(store: Store) -> datetime:
    """Return the time by the store's clock, which also stamps its files."""
    content = json.dumps({"schema": "previs.prune/1"}).encode()
    await store.put(_CLOCK, content, media_type="application/json")
    return (await store.entries(keys.CLAIMS))[_CLOCK].modified


async def _remove(store: Store, found: Pruned, heartbeats: Mapping[str, StoredFile]) -> Pruned:
    left = dict(heartbeats)
    for stage in found.removal.stages:
        going = list(stage)
        for batch in (going[start : start + _BATCH] for start in range(0, len(going), _BATCH)):
            if await store.entries(_HEARTBEATS) != left:
                return replace(found, obstacles=("a run began meanwhile: prune again when it is over",))
            await store.delete(batch)
            for key in batch:
                left.pop(key, None)
    return replace(found, done=True)


async def _survey(store: Store, rule: Rule, now: datetime) -> tuple[Pruned, dict[str, StoredFile]]:
    """Return what would be removed, and the heartbeats at the start of the search."""
    heartbeats = await store.entries(_HEARTBEATS)
    if at_work := await _at_work(store, heartbeats, now):
        return Pruned(obstacles=tuple(at_work)), heartbeats
    # Manifests first: what a run publishes later is younger than every listed file.
    listing: dict[str, StoredFile] = {}
    for kind in _KINDS:
        listing |= await store.entries(kind)
    locations = run_locations(listing)
    found = await each_manifest(store, locations, run_of)
    runs = [run for run in found.values() if isinstance(run, Run)]
    faults = [str(fault) for fault in found.values() if isinstance(fault, RecordUnreadable)]
    picked = await _picked(store, listing, faults)
    nightly = await _nightly_inputs(store, faults)
    kept = kept_runs(runs, await latest_locations(store, found), rule, now)
    staying, oldest = [run for run in runs if run.location in kept], now - rule.spare
    records = await _records(store, records_to_read(listing, staying, picked, oldest), faults)
    if faults:
        return Pruned(obstacles=tuple(faults)), heartbeats
    unfinished = await store.unfinished()
    removal = plan_removal(
        listing, runs, kept, picked, records, oldest=oldest, input_uris=nightly, unfinished=unfinished
    )
    return Pruned(removal, kept=len(staying)), heartbeats


async def _at_work(store: Store, heartbeats: Mapping[str, StoredFile], now: datetime) -> list[str]:
    """Return a sentence for each run with a recent heartbeat that does not say that the run is over."""
    young = [key for key, entry in heartbeats.items() if now - entry.modified <= _ALIVE]

    def read(key: str, content: bytes) -> str | None:
        heartbeat = _object(content)
        if heartbeat.get("over") is True:
            return None
        ago = max(0, round((now - heartbeats[key].modified).total_seconds()))
        return f"run {str(heartbeat.get('run') or key)!r} was at work {ago} s ago: prune again when it is over"

    return [sentence for sentence in (await each_file(store, young, read)).values() if sentence is not None]


async def _picked(store: Store, listing: Iterable[str], faults: list[str]) -> set[str]:
    """Return the fingerprints of the picked takes of all boards."""

    def read(key: str, content: bytes) -> str | None:
        try:
            return read_pick(key, content).fingerprint
        except RecordUnreadable as error:
            faults.append(f"{error}: pick the take again")
            return None

    wanted = [key for key in listing if key.startswith(keys.BOARDS) and key.split("/")[2:3] == ["picks"]]
    return {each for each in (await each_file(store, wanted, read)).values() if each is not None}


async def _nightly_inputs(store: Store, faults: list[str]) -> set[str]:
    """Return the paths or URLs that nightly boards read."""
    found = (await nightly_boards(store)).values()
    faults += [str(fault) for fault in found if isinstance(fault, RecordUnreadable)]
    return {uri for board in found if isinstance(board, NightlyBoard) for uri in board.input_uris}


async def _records(store: Store, fingerprints: Iterable[str], faults: list[str]) -> dict[str, TakeFiles]:
    """Return the files that records name, by fingerprint; damaged records are ignored, later versions are faults."""

    def read(key: str, content: bytes) -> TakeFiles | None:
        try:
            record = TakeRecord.model_validate_json(content)
        except ValidationError:
            schema = _object(content).get("schema")
            if isinstance(schema, str) and schema.startswith("previs.take/") and schema != "previs.take/1":
                faults.append(f"{key} cannot be used: it is of another version ({schema!r})")
            return None
        return files_of(record)

    by_key = {keys.take_key(each): each for each in fingerprints}
    found = await each_file(store, by_key, read)
    return {by_key[key]: made for key, made in found.items() if made is not None}


def _object(content: bytes) -> dict[str, Any]:
    """Return a JSON object, empty if the content is not one."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
