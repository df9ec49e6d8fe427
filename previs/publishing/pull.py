"""Download a run into a folder: frames under readable names, page and manifest; only what is missing."""

import asyncio
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
from previs.pictures.media import is_inert
from previs.publishing.last_run import since_last_run
from previs.publishing.views import ASSETS, FrameLinks, Since, page, page_assets
from previs.records.manifest import Manifest, TakeEntry, read_manifest
from previs.records.takes import Frame
from previs.store import FolderStore, Store, keys
from previs.store.bounds import MANIFEST_BYTES

_AT_ONCE: Final = 8
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}\Z")
# Most file systems limit names to 255 bytes; the hash, take, number and suffix need some of them.
_LONGEST_STEM: Final = 200

Report = Callable[[int, int], None]
"""Receives the number of finished frames and the number of all frames."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """Hold the result of a pull.

    Attributes:
        run: Name of the run.
        fetched: Sizes of the downloaded frames, by file name.
        kept: Names of the frames that the folder already had.
        failed: Reasons why frames are missing, by file name, in sentences.
    """

    run: str
    fetched: Mapping[str, int]
    kept: tuple[str, ...]
    failed: Mapping[str, str]


async def pull(
    store: Store,
    board: str,
    folder: Path,
    *,
    run: str | None = None,
    beside: bool = False,
    report: Report = lambda *_: None,
) -> Pulled:
    """Download a run's frames, page and manifest into a folder, leaving its other files alone.

    A frame that the folder has with the same size and hash is kept; a file of that name with other bytes is replaced.
    The page is written last and refers to the frames beside it. One missing frame does not prevent the others.

    Args:
        store: Store with the board.
        board: Name of the board.
        folder: Folder to download to; created if it does not exist.
        run: Name of the run; None or ``latest`` for the run that was published last.
        beside: Whether the page's style and script are files beside it, for web hosts that allow no inline ones.
        report: Callback for progress.

    Raises:
        NotInStore: The store has no such board or run.
        RecordUnreadable: The manifest is damaged, or of a later version.
        StoreRefused, StoreUnavailable: The folder cannot be written to, or the store cannot be read at all; frames that
            were downloaded stay.
    """
    location = await find_run(store, board, run)
    content = await store.get(location.manifest, limit=MANIFEST_BYTES)
    if content is None:
        raise NotInStore(store.name, f"run {location.run!r} of board {board!r}", "it was removed a moment ago")
    manifest = await asyncio.to_thread(read_manifest, content, name=store.uri(location.manifest))
    named, target = file_names(manifest), FolderStore(folder)
    await target.check()
    results = await _download_all(named, store, target, report)
    failed = {name: str(result) for name, result in results.items() if isinstance(result, PrevisError)}
    await target.put("manifest.json", content, media_type="application/json")
    downloaded = {name: frame for name, frame in named.items() if name not in failed}
    if beside:
        for name, text in page_assets(manifest).items():
            await target.put(name, text.encode(), media_type=ASSETS[name])
    since = await since_last_run(manifest, store)
    html = _page(manifest, downloaded, {name: name for name in ASSETS} if beside else None, since)
    await target.put("index.html", html.encode(), media_type="text/html; charset=utf-8")
    return Pulled(
        run=location.run,
        fetched={name: result for name, result in results.items() if isinstance(result, int)},
        kept=tuple(name for name, result in results.items() if result is None),
        failed=failed,
    )


def file_names(manifest: Manifest) -> dict[str, Frame]:
    """Return the frames of a run by file name: ``SQ010_SH020_t01.png``, or ``…_t01_1.png`` if a take has several.

    A pass has its name behind: ``SQ010_SH020_t01_finish.png``.

    No name leads out of the folder, and no two names are equal to a file system that ignores case or accents. Names
    that would be equal get a hash of their shot_id, so that they stay the same from run to run.
    """
    wanted = [
        (_stem(str(shot.shot_id)), str(shot.shot_id), f"{_of_take(take)}{number}{_file_suffix(frame.key)}", frame)
        for shot in manifest.shots
        for take in shot.renders
        for number, frame in _numbered(take.frames)
    ]
    count = Counter(_folded(stem + rest) for stem, _, rest, _ in wanted)
    named: dict[str, Frame] = {}
    used: dict[str, str] = {}
    for stem, shot_id, rest, frame in wanted:
        name = stem + rest if count[_folded(stem + rest)] == 1 else f"{stem}~{_short_hash(shot_id)}{rest}"
        # previs never writes a manifest with the same shot twice.
        if used.setdefault(_folded(name), frame.key) != frame.key:
            name = f"{stem}~{_short_hash(shot_id + frame.key)}{rest}"
            used[_folded(name)] = frame.key
        named[name] = frame
    return named


def _of_take(take: TakeEntry) -> str:
    return f"_t{take.take:02d}" + (f"_{_stem(take.pass_name)}" if take.pass_name else "")


def _stem(shot_id: str) -> str:
    """Return the part of a shot_id that every file system accepts; other IDs may have the same."""
    safe = keys.part(shot_id).partition("~")[0]
    return safe.encode()[:_LONGEST_STEM].decode("utf-8", "ignore")


def _numbered(frames: tuple[Frame, ...]) -> list[tuple[str, Frame]]:
    return [(f"_{number}" if len(frames) > 1 else "", frame) for number, frame in enumerate(frames, 1)]


def _suffix(key: str) -> str:
    found = _SUFFIX.search(key)
    return found[0] if found else ""


def _file_suffix(key: str) -> str:
    """Return the suffix of a downloaded frame: that of its key, unless a browser or the system would run the file."""
    suffix = _suffix(key)
    return suffix if is_inert(key) or not suffix else ".bin"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _folded(name: str) -> str:
    """Return a name as the least discerning file system compares it."""
    return unicodedata.normalize("NFKD", name).upper().casefold()


async def _download_all(
    named: Mapping[str, Frame], store: Store, target: FolderStore, report: Report
) -> dict[str, int | PrevisError | None]:
    """Return for each name the number of bytes downloaded, None if the folder has the frame, or the error."""
    gate, done = asyncio.Semaphore(_AT_ONCE), 0

    async def download(name: str, frame: Frame) -> int | PrevisError | None:
        nonlocal done
        async with gate:
            try:
                return await _download(name, frame, store, target)
            except (FrameDamaged, NotInStore, RecordUnreadable) as error:
                return error
            finally:
                done += 1
                report(done, len(named))

    work = [asyncio.create_task(download(name, frame)) for name, frame in named.items()]
    try:
        return dict(zip(named, await asyncio.gather(*work), strict=True))
    finally:
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _download(name: str, frame: Frame, store: Store, target: FolderStore) -> int | None:
    if not _SHA256.fullmatch(frame.sha256) or frame.key != keys.frame_key(frame.sha256, _suffix(frame.key)):
        raise RecordUnreadable(name, f"the manifest names it by {frame.key!r}, which is not the key of a frame")
    if await asyncio.to_thread(_has_frame, Path(target.uri(name)), frame):
        return None
    async with target.replacing(name) as path:
        if not await store.get_file(frame.key, path, limit=frame.size):
            raise NotInStore(store.name, f"{frame.key} ({name})", "run the list again to render it again")
        if not await asyncio.to_thread(_has_frame, path, frame):
            raise FrameDamaged(name, f"the bytes of {store.uri(frame.key)} have changed since it was rendered")
    return frame.size


def _has_frame(path: Path, frame: Frame) -> bool:
    """Return whether a file has a frame's size and bytes; False if it cannot be read."""
    try:
        if path.stat().st_size != frame.size:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == frame.sha256
    except OSError:
        return False


def _page(
    manifest: Manifest, downloaded: Mapping[str, Frame], assets: Mapping[str, str] | None, since: Since | None
) -> str:
    """Return the page, which refers to the frames beside it and shows thumbnails in place of missing ones."""
    urls = {frame.key: quote(name) for name, frame in downloaded.items()}

    def beside(frame: Frame) -> FrameLinks:
        return FrameLinks(src=urls.get(frame.key, ""), href=urls.get(frame.key, ""))

    return page(manifest, links=beside, assets=assets, since=since)
