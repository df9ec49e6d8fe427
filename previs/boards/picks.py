"""Keep the circled takes: the take of a shot that a person picked, for all later runs of the board."""

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import ValidationError

from previs.boards.runs import each_file, list_names, load_manifest, name_of, runs_of
from previs.errors import NotInStore, RecordUnreadable
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Pick
from previs.store import Store, keys


async def picks(store: Store, board: str, *, warn: Callable[[str], None] = lambda _: None) -> dict[str, Pick]:
    """Return the picks of a board, by shot_id as text; empty if there are none, or no such board.

    Args:
        store: Store of the board.
        board: Name of the board.
        warn: Function that receives a warning for each pick that cannot be used.
    """

    def read(key: str, content: bytes) -> Pick | RecordUnreadable:
        try:
            return read_pick(key, content)
        except RecordUnreadable as error:
            return error

    found: dict[str, Pick] = {}
    for chosen in (await each_file(store, await store.entries(keys.picks_prefix(board)), read)).values():
        if isinstance(chosen, RecordUnreadable):
            warn(f"{chosen}: pick the take again")
        elif chosen.take is not None:
            found[chosen.shot_id] = chosen
    return found


async def pick(store: Store, board: str, shot: str, take: int) -> Pick:
    """Pick a take of a shot and replace an earlier pick; later runs of the board show it.

    If the latest run does not have the take, or has no frame of it, earlier runs are searched.

    Args:
        store: Store of the board.
        board: Name of the board.
        shot: The shot's shot_id as text.
        take: Number of the take.

    Raises:
        NotInStore: The board, shot or take does not exist, or the take has no frame.
        RecordUnreadable: The board's latest manifest is damaged, or of a later version.
    """
    board = await name_of(store, board)
    latest, key = await load_manifest(store, board)
    found = _take(latest, shot, take) or await _earlier(store, board, key, shot, take)
    if found is None:
        raise _unknown(store, board, latest, shot, take)
    return await select(store, board, *found)


async def pick_several(store: Store, board: str, wanted: Mapping[str, int | None]) -> None:
    """Pick takes of several shots, or withdraw the picks where the take is None, once all the takes are found.

    Args:
        store: Store of the board.
        board: Name of the board.
        wanted: Numbers of takes by shot_id as text.

    Raises:
        NotInStore: The board, a shot or a take does not exist, or a take has no frame; nothing is written.
        RecordUnreadable: The board's latest manifest is damaged, or of a later version.
    """
    latest, key = await load_manifest(store, board)
    found: dict[str, tuple[ShotEntry, TakeEntry] | None] = {}
    for shot, take in wanted.items():
        found[shot] = None
        if take is not None:
            found[shot] = _take(latest, shot, take) or await _earlier(store, board, key, shot, take)
            if found[shot] is None:
                raise _unknown(store, board, latest, shot, take)
    for shot, rendering in found.items():
        if rendering:
            await select(store, board, *rendering)
        else:
            await _withdraw(store, board, shot)


async def select(store: Store, board: str, entry: ShotEntry, take: TakeEntry) -> Pick:
    """Pick a take of a run's manifest and replace an earlier pick.

    Args:
        store: Store of the board.
        board: Name of the board.
        entry: The shot in the manifest.
        take: Take of that shot; it has a frame.
    """
    chosen = Pick(shot_id=str(entry.shot_id), take=take.take, fingerprint=take.fingerprint, picked=datetime.now(UTC))
    await _write(store, board, chosen)
    return chosen


async def unpick(store: Store, board: str, shot: str) -> Pick:
    """Withdraw a pick and return it.

    Raises:
        NotInStore: The board does not exist, or no take of the shot is picked.
    """
    board = await name_of(store, board)
    chosen = await picks(store, board)
    before = next((each for each in chosen.values() if _same(each.shot_id, shot)), None)
    if before is None:
        raise NotInStore(store.name, f"picked take of shot {shot!r} in board {board!r}", list_names(shot, chosen))
    await _withdraw(store, board, before.shot_id)
    return before


def read_pick(key: str, content: bytes) -> Pick:
    """Read a pick.

    Raises:
        RecordUnreadable: The pick is damaged, of a later version, or of another shot.
    """
    try:
        chosen = Pick.model_validate_json(content)
    except ValidationError as error:
        raise RecordUnreadable(key, "it is not a pick of version 1") from error
    if key.rpartition("/")[2] != f"{keys.part(chosen.shot_id)}.json":
        raise RecordUnreadable(key, f"it is the pick of another shot ({chosen.shot_id!r})")
    return chosen


async def _earlier(store: Store, board: str, latest: str, shot: str, take: int) -> tuple[ShotEntry, TakeEntry] | None:
    """Return the take from the latest earlier run that has it, or None; unreadable runs are skipped."""
    for location in await runs_of(store, board):
        if location.manifest == latest:
            continue
        try:
            manifest, _ = await load_manifest(store, location.board, location.run)
        except (NotInStore, RecordUnreadable):
            continue
        if found := _take(manifest, shot, take):
            return found
    return None


def _take(manifest: Manifest, shot: str, take: int) -> tuple[ShotEntry, TakeEntry] | None:
    for entry in manifest.shots:
        for rendering in entry.takes:
            if _same(str(entry.shot_id), shot) and rendering.take == take and rendering.frames:
                return entry, rendering
    return None


def _unknown(store: Store, board: str, latest: Manifest, shot: str, take: int) -> NotInStore:
    entry = next((each for each in latest.shots if _same(str(each.shot_id), shot)), None)
    if entry is None:
        names = [str(each.shot_id) for each in latest.shots]
        return NotInStore(store.name, f"shot {shot!r} in board {board!r}", list_names(shot, names))
    what = f"take {take} of shot {shot!r} in board {board!r}"
    with_frames = ", ".join(str(each.take) for each in entry.takes if each.frames)
    if any(each.take == take for each in entry.takes):
        return NotInStore(store.name, f"frame of {what}", f"takes with frames: {with_frames or 'none'}")
    return NotInStore(store.name, what, f"there are: {with_frames or 'none'}")


def _same(one: str, other: str) -> bool:
    """Return whether two shot_ids have the same key."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


async def _withdraw(store: Store, board: str, shot: str) -> None:
    await _write(store, board, Pick(shot_id=shot, take=None, fingerprint=None, picked=datetime.now(UTC)))


async def _write(store: Store, board: str, chosen: Pick) -> None:
    content = chosen.model_dump_json(by_alias=True, indent=1).encode()
    await store.put(keys.pick_key(board, chosen.shot_id), content, media_type="application/json")
