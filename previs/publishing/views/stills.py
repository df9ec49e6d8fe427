"""Show frames on a page: only allowed URLs are kept."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from previs.pictures.media import is_inert
from previs.publishing.views.addresses import for_page, is_picture
from previs.publishing.views.wording import one_line
from previs.records.manifest import Manifest
from previs.records.takes import Frame

_USUAL: Final = (1024, 576)
Kind = Literal["picture", "clip", "video", "sound", "file"]
PLAYED: Final[dict[str, Kind]] = {"video": "video", "audio": "sound"}


@dataclass(frozen=True, slots=True)
class FrameLinks:
    """Locate a frame for a page.

    Relative paths are relative to the page and percent-encoded. A URL that may not be used (see
    :mod:`previs.publishing.views.addresses`) is dropped.

    Attributes:
        src: Relative path, URL, or ``data:`` URI to show or play; of a picture only if it has no thumbnail.
        href: URL to open with a click.
    """

    src: str
    href: str


LinksOf = Callable[[Frame], FrameLinks]


@dataclass(frozen=True, slots=True)
class Still:
    """Describe one frame on the page.

    Attributes:
        kind: ``picture`` opens large on the page, ``clip`` is a picture that opens its film elsewhere, ``video`` and
            ``sound`` have a player, ``file`` is only a link.
        src: URL to show or play; None for ``file`` and if no URL may be used.
        href: URL to open with a click; None if no URL may be used, and for ``data:``, which browsers do not open.
    """

    kind: Kind
    src: str | None
    href: str | None
    alt: str
    width: int
    height: int
    poster: str | None
    format: str


def usual_size(manifest: Manifest) -> tuple[int, int]:
    """Return the most frequent width and height of the board's frames, in pixels."""
    sizes = Counter(
        (frame.width, frame.height)
        for shot in manifest.shots
        for take in shot.renders
        for frame in take.frames
        if frame.width and frame.height and frame.width > 0 and frame.height > 0
    )
    return next(((w, h) for (w, h), _ in sizes.most_common(1)), _USUAL)


def still_of(frame: Frame, alt: str, usual: tuple[int, int], links: FrameLinks) -> Still:
    """Return a frame for the page: a picture as its thumbnail, so that full frames are loaded only when opened."""
    thumbnail = frame.thumbnail if frame.thumbnail and is_picture(frame.thumbnail) else None
    src, href = for_page(links.src) or thumbnail, for_page(links.href)
    if frame.kind == "image":
        src = thumbnail or src
    if not is_inert(frame.key):
        src, href = thumbnail, None
    kind = _kind(frame, src)
    sized = frame.width and frame.height and frame.width > 0 and frame.height > 0
    return Still(
        kind=kind,
        src=src,
        href=href if href and not is_picture(href) else None,
        alt=alt,
        width=(frame.width or 0) if sized else usual[0],
        height=(frame.height or 0) if sized else usual[1],
        poster=thumbnail,
        format=one_line(frame.media_type),
    )


def _kind(frame: Frame, src: str | None) -> Kind:
    if src is None:
        return "file"
    if frame.kind == "image":
        return "picture"
    if is_picture(src):
        return "clip"
    return PLAYED.get(frame.kind, "file")
