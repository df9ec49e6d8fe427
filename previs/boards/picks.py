"""The circled takes: which take of a shot a person chose, kept with the board, for all its later runs."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import ValidationError

from previs.boards.runs import each_file, load_manifest, name_of, runs_of, there_are
from previs.errors import NotInStore, RecordUnreadable
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Pick
from previs.store import Store, keys


async def picks(store: Store, board: str, *, say: Callable[[str], None] = lambda _: None) -> dict[str, Pick]:
    """The chosen takes of a board, by shot_id as text; empty if there are none, or no such board.

    Args:
        store: where to look.
        board: its name.
        say: is told of picks that cannot be used.
    """

    def read(key: str, content: bytes) -> Pick | RecordUnreadable:
        try:
            return read_pick(key, content)
        except RecordUnreadable as error:
            return error

    found: dict[str, Pick] = {}
    for chosen in (await each_file(store, await store.entries(keys.picks_prefix(board)), read)).values():
        if isinstance(chosen, RecordUnreadable):
            say(f"{chosen}: pick the take again")
        elif chosen.take is not None:
            found[chosen.shot_id] = chosen
    return found


async def pick(store: Store, board: str, shot: str, take: int) -> Pick:
    """Choose a take of a shot, in the place of another; later runs of the board show it.

    A take that the latest run does not have, or has no frame of, is looked for in earlier ones.

    Args:
        store: where the board is.
        board: its name.
        shot: its shot_id as text.
        take: its number.

    Raises:
        NotInStore: there is no such board, shot or take, or the take has no frame.
        RecordUnreadable: the board's latest manifest is damaged, or of a later version.
    """
    board = await name_of(store, board)
    latest, key = await load_manifest(store, board)
    found = _take(latest, shot, take) or await _earlier(store, board, key, shot, take)
    if found is None:
        raise _unknown(store, board, latest, shot, take)
    return await select(store, board, *found)


async def select(store: Store, board: str, entry: ShotEntry, take: TakeEntry) -> Pick:
    """Choose a take that is at hand, in the place of another.

    Args:
        store: where the board is.
        board: its name.
        entry: the shot, as a run has it.
        take: of that shot; it has a frame.
    """
    chosen = Pick(shot_id=str(entry.shot_id), take=take.take, fingerprint=take.fingerprint, picked=datetime.now(UTC))
    await _write(store, board, chosen)
    return chosen


async def unpick(store: Store, board: str, shot: str) -> Pick:
    """Take a choice back, and say what it was.

    Raises:
        NotInStore: there is no such board, or no take of the shot was picked.
    """
    board = await name_of(store, board)
    chosen = await picks(store, board)
    before = next((each for each in chosen.values() if _same(each.shot_id, shot)), None)
    if before is None:
        raise NotInStore(store.name, f"picked take of shot {shot!r} in board {board!r}", there_are(shot, chosen))
    await _write(store, board, Pick(shot_id=before.shot_id, take=None, fingerprint=None, picked=datetime.now(UTC)))
    return before


def read_pick(key: str, content: bytes) -> Pick:
    """The record of a choice.

    Raises:
        RecordUnreadable: it is damaged, of a later version, or of another shot.
    """
    try:
        chosen = Pick.model_validate_json(content)
    except ValidationError as error:
        raise RecordUnreadable(key, "it is no pick of version 1") from error
    if key.rpartition("/")[2] != f"{keys.part(chosen.shot_id)}.json":
        raise RecordUnreadable(key, f"it is the pick of another shot ({chosen.shot_id!r})")
    return chosen


async def _earlier(store: Store, board: str, latest: str, shot: str, take: int) -> tuple[ShotEntry, TakeEntry] | None:
    """The take as the last of the earlier runs has it; runs that cannot be read are passed over."""
    for place in await runs_of(store, board):
        if place.manifest == latest:
            continue
        try:
            manifest, _ = await load_manifest(store, place.board, place.run)
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
        return NotInStore(store.name, f"shot {shot!r} in board {board!r}", there_are(shot, names))
    what = f"take {take} of shot {shot!r} in board {board!r}"
    with_frames = ", ".join(str(each.take) for each in entry.takes if each.frames)
    if any(each.take == take for each in entry.takes):
        return NotInStore(store.name, f"frame of {what}", f"takes with frames: {with_frames or 'none'}")
    return NotInStore(store.name, what, f"there are: {with_frames or 'none'}")


def _same(one: str, other: str) -> bool:
    """Whether two shot_ids are one for keys, too."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


async def _write(store: Store, board: str, chosen: Pick) -> None:
    content = chosen.model_dump_json(by_alias=True, indent=1).encode()
    await store.put(keys.pick_key(board, chosen.shot_id), content, media_type="application/json")
