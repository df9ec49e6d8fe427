"""Put a run's manifest and page into the store, and say where they are."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from previs.boards.runs import RunLocation, run_locations
from previs.publishing.views import FrameLinks, page
from previs.publishing.views.wording import calendar
from previs.records.manifest import Manifest
from previs.records.takes import Frame
from previs.store import Store, keys

_PAGE: Final = "index.html"


@dataclass(frozen=True, slots=True)
class Published:
    """Where a run's board is.

    Attributes:
        link: address of ``index.html`` that a person can open; of a private store it holds a signature.
        page: the place of ``index.html`` in the store.
        manifest: the place of ``manifest.json`` in the store.
    """

    link: str
    page: str
    manifest: str


async def links_of(frames: Iterable[Frame], store: Store) -> dict[str, str]:
    """An address that a person can open for each frame, by its key."""
    return {key: await store.link(key) for key in dict.fromkeys(frame.key for frame in frames)}


def lasting_addresses(frames: Iterable[Frame], links: dict[str, str], store: Store) -> dict[str, str]:
    """Addresses for the record, by key: those of people where they last, else the store's own."""
    return {frame.key: links[frame.key] if store.public else store.uri(frame.key) for frame in frames}


def links_until(manifest: Manifest, store: Store) -> str | None:
    """Until when a run's links work, in words; none where they last.

    Those to frames are made before the run is finished, and what temporary credentials signed ends with these, so that
    no such link works longer.
    """
    if store.link_seconds is None:
        return None
    return f"{calendar(manifest.finished + timedelta(seconds=store.link_seconds))} at the latest"


async def publish(manifest: Manifest, links: dict[str, str], store: Store) -> Published:
    """Write ``manifest.json``, ``index.html`` and the board's ``latest.json``, this one last."""
    board, run = manifest.board, manifest.run
    manifest_key = keys.run_key(board, run, "manifest.json")
    page_key = keys.run_key(board, run, _PAGE)
    content = manifest.model_dump_json(by_alias=True, indent=1).encode()
    # A run is there as soon as its manifest is.
    await store.put(page_key, _page(manifest, links, store).encode(), media_type="text/html; charset=utf-8")
    await store.put(manifest_key, content, media_type="application/json")
    await _point_at_the_latest(board, run, store)
    return Published(await store.link(page_key), store.uri(page_key), store.uri(manifest_key))


async def _point_at_the_latest(board: str, run: str, store: Store) -> None:
    """Have ``latest.json`` name the run that started last, whichever publishes last.

    Whoever writes looks once more: what a slower run has written over is then set right by that run.
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


def _page(manifest: Manifest, links: dict[str, str], store: Store) -> str:
    to_root = "../" * keys.run_prefix(manifest.board, manifest.run).count("/")

    def beside(frame: Frame) -> FrameLinks:
        relative = to_root + frame.key
        return FrameLinks(src=relative, href=relative)

    def signed(frame: Frame) -> FrameLinks:
        picture = frame.thumbnail if frame.kind == "image" else None
        return FrameLinks(src=picture or links[frame.key], href=links[frame.key])

    if store.public:
        return page(manifest, links=beside)
    note = "The pictures here are small ones."
    if until := links_until(manifest, store):
        note += f" Links to the full frames work until {until}; run again for new ones."
    return page(manifest, links=signed, note=note)
