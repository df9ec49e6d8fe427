"""Bring a run down into a folder: frames under names for people, page and manifest; only what is missing."""

import asyncio
import contextlib
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from previs.boards.runs import find_run
from previs.errors import FrameDamaged, NotInStore, PrevisError, RecordUnreadable
from previs.publishing.views import FrameLinks, page
from previs.records.manifest import Manifest, read_manifest
from previs.records.takes import Frame
from previs.store import FolderStore, Store, keys

_AT_ONCE: Final = 8
# Bytes of a frame above which only one is in memory at a time.
_LARGE: Final = 32 * 1024 * 1024
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}\Z")
# File systems allow a name 255 bytes, of which marks, take, number and suffix need some.
_LONGEST_STEM: Final = 200

Tell = Callable[[int, int], None]
"""Is told how many frames are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did.

    Attributes:
        run: whose files they are.
        fetched: sizes of the frames that were brought, by file name.
        kept: names of those that were there already.
        failed: the sentence that says why a frame could not be brought, by file name.
    """

    run: str
    fetched: Mapping[str, int]
    kept: tuple[str, ...]
    failed: Mapping[str, str]


async def pull(
    store: Store, board: str, folder: Path, *, run: str | None = None, tell: Tell = lambda *_: None
) -> Pulled:
    """Bring a run's frames, page and manifest into a folder; other files in it are left alone.

    A frame that is there with its size and hash is not fetched again; what is there with other bytes under its name is
    replaced. The page finds its frames beside it and is written last. A frame that cannot be had costs no other.

    Args:
        store: where the board is.
        board: its name.
        folder: where to; made if it is not there.
        run: its name; with none, or ``latest``, the run that was published last.
        tell: of the progress.

    Raises:
        NotInStore: there is no such board or run.
        RecordUnreadable: its manifest is damaged, or of a later version.
        StoreRefused, StoreTrouble: the folder cannot be written to, or the store cannot be read at all; frames that
            have been brought stay.
    """
    place = await find_run(store, board, run)
    content = await store.get(place.manifest)
    if content is None:
        raise NotInStore(store.name, f"run {place.run!r} of board {board!r}", "it was removed a moment ago")
    manifest = read_manifest(content, name=store.uri(place.manifest))
    named, target = file_names(manifest), FolderStore(folder)
    await target.check()
    ends = await _bring_all(named, store, target, tell)
    failed = {name: str(end) for name, end in ends.items() if isinstance(end, PrevisError)}
    await target.put("manifest.json", content, media_type="application/json")
    html = _page(manifest, {name: frame for name, frame in named.items() if name not in failed})
    await target.put("index.html", html.encode(), media_type="text/html; charset=utf-8")
    return Pulled(
        run=place.run,
        fetched={name: end for name, end in ends.items() if isinstance(end, int)},
        kept=tuple(name for name, end in ends.items() if end is None),
        failed=failed,
    )


def file_names(manifest: Manifest) -> dict[str, Frame]:
    """The frames of a run by names for people: ``SQ010_SH020_t01.png``, or ``…_t01_1.png`` where a take has several.

    No name leads out of a folder, and no two are the same to any file system, such as one that ignores case. Names that
    would be are marked, each by its shot_id, so they stay the same from run to run.
    """
    wanted = [
        (_stem(str(shot.shot_id)), str(shot.shot_id), f"_t{take.take:02d}{number}{_suffix(frame.key)}", frame)
        for shot in manifest.shots
        for take in shot.takes
        for number, frame in _numbered(take.frames)
    ]
    count = Counter(_folded(stem + rest) for stem, _, rest, _ in wanted)
    named: dict[str, Frame] = {}
    taken: dict[str, str] = {}
    for stem, shot_id, rest, frame in wanted:
        name = stem + rest if count[_folded(stem + rest)] == 1 else f"{stem}~{_mark(shot_id)}{rest}"
        # One shot twice, which is in no manifest of ours.
        if taken.setdefault(_folded(name), frame.key) != frame.key:
            name = f"{stem}~{_mark(shot_id + frame.key)}{rest}"
            taken[_folded(name)] = frame.key
        named[name] = frame
    return named


def _stem(shot_id: str) -> str:
    """What of a shot_id every file system takes; others may have the same."""
    safe = keys.part(shot_id).partition("~")[0]
    return safe.encode()[:_LONGEST_STEM].decode("utf-8", "ignore")


def _numbered(frames: tuple[Frame, ...]) -> list[tuple[str, Frame]]:
    return [(f"_{number}" if len(frames) > 1 else "", frame) for number, frame in enumerate(frames, 1)]


def _suffix(key: str) -> str:
    found = _SUFFIX.search(key)
    return found[0] if found else ""


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _folded(name: str) -> str:
    """What is left of a name in the least discerning file system."""
    return unicodedata.normalize("NFKD", name).upper().casefold()


async def _bring_all(
    named: Mapping[str, Frame], store: Store, target: FolderStore, tell: Tell
) -> dict[str, int | PrevisError | None]:
    """For each name how many bytes were brought, none if they were there, or why they could not be."""
    gate, large, done = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(1), 0

    async def bring(name: str, frame: Frame) -> int | PrevisError | None:
        nonlocal done
        async with large if frame.size > _LARGE else contextlib.nullcontext(), gate:
            try:
                return await _bring(name, frame, store, target)
            except (FrameDamaged, NotInStore, RecordUnreadable) as error:
                return error
            finally:
                done += 1
                tell(done, len(named))

    work = [asyncio.create_task(bring(name, frame)) for name, frame in named.items()]
    try:
        return dict(zip(named, await asyncio.gather(*work), strict=True))
    finally:
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _bring(name: str, frame: Frame, store: Store, target: FolderStore) -> int | None:
    if not _SHA256.fullmatch(frame.sha256) or frame.key != keys.frame_key(frame.sha256, _suffix(frame.key)):
        raise RecordUnreadable(name, f"the manifest names it by {frame.key!r}, which is no frame's key")
    if await asyncio.to_thread(_is_there, Path(target.uri(name)), frame):
        return None
    content = await store.get(frame.key)
    if content is None:
        raise NotInStore(store.name, f"{frame.key} ({name})", "run the list again, and it is rendered again")
    if await asyncio.to_thread(_sha256, content) != frame.sha256:
        raise FrameDamaged(name, f"the bytes of {store.uri(frame.key)} are not those that were rendered")
    await target.put(name, content, media_type=frame.media_type)
    return len(content)


def _is_there(path: Path, frame: Frame) -> bool:
    """Whether a file has a frame's bytes; one that cannot be read has not."""
    try:
        if path.stat().st_size != frame.size:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == frame.sha256
    except OSError:
        return False


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _page(manifest: Manifest, there: Mapping[str, Frame]) -> str:
    """The page with its frames beside it; in the place of one that is not there it shows the thumbnail."""
    addresses = {frame.key: quote(name) for name, frame in there.items()}

    def beside(frame: Frame) -> FrameLinks:
        return FrameLinks(src=addresses.get(frame.key, ""), href=addresses.get(frame.key, ""))

    return page(manifest, links=beside)
