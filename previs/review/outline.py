"""Reduce a manifest to what a review needs of it, so that many boards can be known at one time; pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from previs.boards.runs import RunLocation
from previs.publishing.views.wording import one_line
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.store import keys

Render = TypeVar("Render", bound=TakeEntry)


@dataclass(frozen=True, slots=True)
class Outline:
    """Hold what the review needs of a run.

    Attributes:
        version: Text that changes whenever the run is published.
        manifest: Manifest without thumbnails, graphs, attempts and shots as given.
        media: Media types and sizes of all frames, by key.
    """

    location: RunLocation
    version: str
    manifest: Manifest
    media: dict[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class BoardSummary:
    """Describe a board for a list.

    Attributes:
        part: The board's part of keys.
        thumbnail: ``data:`` URI of the first picture; None if there is none.
        fault: Why its latest manifest cannot be read; empty if it can.
    """

    part: str
    name: str
    title: str = ""
    run: str = ""
    number: int | None = None
    finished: datetime | None = None
    shots: int = 0
    failed: int = 0
    thumbnail: str | None = None
    fault: str = ""


def outlined(location: RunLocation, version: str, manifest: Manifest) -> Outline:
    """Return the outline of a run."""
    media = {
        frame.key: (frame.media_type, frame.size)
        for shot in manifest.shots
        for take in shot.renders
        for frame in take.frames
    }
    nothing = {"shot_list": {}, "workflow": "", "workflows": {}, "looks": {}, "bindings": (), "problems": ()}
    kept = manifest.model_copy(update=nothing | {"shots": tuple(map(_without_weight, manifest.shots))})
    return Outline(location, version, kept, media)


def summarized(location: RunLocation, manifest: Manifest) -> BoardSummary:
    """Return what a list shows of a run."""
    shown = (shot.shown for shot in manifest.shots)
    frames = (frame for take in shown if take for frame in take.frames)
    return BoardSummary(
        part=location.board,
        name=manifest.board if keys.part(manifest.board) == location.board else location.board,
        title=one_line(manifest.title),
        run=location.run,
        number=manifest.number,
        finished=manifest.finished,
        shots=len(manifest.shots),
        failed=len(manifest.failed),
        thumbnail=next((frame.thumbnail for frame in frames if frame.thumbnail), None),
    )


def _without_weight(shot: ShotEntry) -> ShotEntry:
    kept: dict[str, Any] = {"shot": {}, "prompt": "", "uses": (), "image_url": None}
    return shot.model_copy(
        update=kept | {"takes": tuple(map(_light, shot.takes)), "passes": tuple(map(_light, shot.passes))}
    )


def _light(take: Render) -> Render:
    frames = tuple(frame.model_copy(update={"thumbnail": None}) for frame in take.frames)
    return take.model_copy(update={"frames": frames, "graph": {}, "bound": {}, "inputs": (), "attempts": ()})
