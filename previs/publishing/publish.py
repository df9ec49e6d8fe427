"""Write a run's manifest and page to the store."""

import asyncio
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from previs.boards.runs import RunLocation, run_locations
from previs.errors import StoreUnavailable
from previs.pictures.spill import SpillFolder
from previs.publishing.last_run import since_last_run
from previs.publishing.views import ASSETS, FrameLinks, Since, page_assets, page_pieces
from previs.publishing.views.labels import labels
from previs.publishing.views.wording import calendar, moment
from previs.records.manifest import Manifest, json_pieces
from previs.records.takes import Frame
from previs.store import Store, keys

_PAGE: Final = "index.html"
_WRITE_BUFFER: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Published:
    """Locate a published board.

    Attributes:
        link: URL of ``index.html`` for people; signed if the store is private.
        page: Path or URL of ``index.html`` in the store.
        manifest: Path or URL of ``manifest.json`` in the store.
        notice: Sentence that says why the page does not mark what changed; empty if it does, or is the board's first.
    """

    link: str
    page: str
    manifest: str
    notice: str = ""


async def links_of(frames: Iterable[Frame], store: Store) -> dict[str, str]:
    """Return URLs of frames for people, by the frames' keys."""
    return {key: await store.link(key) for key in dict.fromkeys(frame.key for frame in frames)}


def lasting_addresses(frames: Iterable[Frame], links: dict[str, str], store: Store) -> dict[str, str]:
    """Return URLs of frames for the record, by their keys: links if these never expire, else the store's own URIs."""
    return {frame.key: links[frame.key] if store.public else store.uri(frame.key) for frame in frames}


def links_until(manifest: Manifest, store: Store) -> str | None:
    """Return in words of the board's language until when a run's links work, or None if they never expire.

    Links may expire earlier: they are signed before the run finishes, and end with temporary credentials.
    """
    if store.link_seconds is None:
        return None
    ends = manifest.finished + timedelta(seconds=store.link_seconds)
    return labels(manifest.lang)("{time} at the latest", time=moment(ends) if manifest.lang == "zh" else calendar(ends))


async def publish(manifest: Manifest, links: dict[str, str], store: Store) -> Published:
    """Write ``index.html``, ``manifest.json`` and the board's ``latest.json``, in this order.

    The page marks what changed since the last run that is published.
    If the store's host allows pages no inline style and script, these are written beside the page first.
    """
    board, run = manifest.board, manifest.run
    manifest_key = keys.run_key(board, run, "manifest.json")
    page_key = keys.run_key(board, run, _PAGE)
    assets = await _write_assets(manifest, store) if store.page_assets else None
    since = await since_last_run(manifest, store)
    before = await links_of(filter(None, since.changed.values()), store) if since else {}
    html = (piece.encode() for piece in _page(manifest, before | links, store, assets, since))
    await _put_pieces(html, page_key, store, media_type="text/html; charset=utf-8")
    # Readers take a run as published as soon as its manifest exists.
    await _put_pieces(json_pieces(manifest), manifest_key, store, media_type="application/json")
    await _write_latest(board, run, store)
    notice = since.fault if since else ""
    return Published(await store.link(page_key), store.uri(page_key), store.uri(manifest_key), notice)


async def _put_pieces(pieces: Iterable[bytes], key: str, store: Store, *, media_type: str) -> None:
    """Write a file that is never in memory as a whole: of a long list it is large."""
    try:
        with SpillFolder() as spill:
            path = spill.new().path
            await asyncio.to_thread(_write, path, pieces)
            await store.put_file(key, path, media_type=media_type)
    except OSError as error:
        reason = f"{key} cannot be kept in the temporary folder {tempfile.gettempdir()}: {error.strerror}"
        raise StoreUnavailable(store.name, reason) from error


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb", _WRITE_BUFFER) as out:
        out.writelines(pieces)


async def _write_assets(manifest: Manifest, store: Store) -> dict[str, str]:
    """Write the page's style and script, and return their URLs by name."""
    urls: dict[str, str] = {}
    for name, content in page_assets(manifest).items():
        key = keys.run_key(manifest.board, manifest.run, name)
        await store.put(key, content.encode(), media_type=ASSETS[name])
        urls[name] = name if store.public else await store.link(key)
    return urls


async def _write_latest(board: str, run: str, store: Store) -> None:
    """Make ``latest.json`` name the run that started last, even if another run publishes after it.

    It looks again after each write, so that the last of several concurrent writers leaves the right run.
    """
    published = RunLocation(keys.part(board), keys.part(run))
    written = None
    while (latest := max(published, *run_locations(await store.entries(keys.board_prefix(board))))) != written:
        content = {
            "schema": "previs.latest/1",
            "board": board,
            "run": latest.run,
            "manifest": latest.manifest,
            "page": latest.prefix + _PAGE,
        }
        as_json = json.dumps(content, ensure_ascii=False, indent=1).encode()
        await store.put(keys.latest_key(board), as_json, media_type="application/json")
        written = latest


def _page(
    manifest: Manifest, links: dict[str, str], store: Store, assets: dict[str, str] | None, since: Since | None
) -> Iterator[str]:
    to_root = "../" * keys.run_prefix(manifest.board, manifest.run).count("/")

    def address(frame: Frame) -> FrameLinks:
        url = to_root + frame.key if store.public else links[frame.key]
        return FrameLinks(src=url, href=url)

    until = links_until(manifest, store)
    words = "Links to the full frames work until {until}; run again for new ones."
    note = labels(manifest.lang)(words, until=until) if until else None
    return page_pieces(manifest, links=address, note=note, assets=assets, since=since)
