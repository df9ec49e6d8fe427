"""Make the contact sheet: a board as markdown, small enough for a Prefect artifact."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape

from previs.pictures.media import is_inert
from previs.publishing.views.addresses import for_artifact
from previs.publishing.views.sequences import Placed, Sequence, sequences, totals
from previs.publishing.views.takes import PICKED_MARK, circled, lacking, picked_first, reason
from previs.publishing.views.thumbnails import fit
from previs.publishing.views.timecode import number, spell, timecode
from previs.publishing.views.wording import inline, moment, one_line, plural, shorten, wrapped
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame

_LINES = 3
_CLOSING = 400
"""Bytes kept free for the closing lines."""

# Characters that end an attribute, a table cell or a run of text.
_INERT = re.compile(r"[&<>\"'|\\`]")

PictureOf = Callable[[Frame], str | None]


@dataclass(frozen=True, slots=True)
class Layout:
    """Arrange takes in rows.

    Attributes:
        across: Takes per row.
        width: Width of a picture in pixels.
        columns: Characters per line of the text below it, about as wide as the picture: Prefect's UI does not wrap
            cells.
        every: Whether to show the other takes of a picked shot, too.
    """

    across: int
    width: int
    columns: int
    every: bool = False


FOR_PAGE = Layout(across=3, width=240, columns=32)
FOR_FORM = Layout(across=2, width=190, columns=24, every=True)


@dataclass(frozen=True, slots=True)
class _Cell:
    """Hold one take of the sheet as markdown, except ``picture``, a URL or None, and ``alt``, plain text."""

    width: int
    slate: str
    alt: str
    picture: str | None
    instead: str
    line: str
    text: str

    def with_picture(self, picture: str | None) -> "_Cell":
        """Return the take with another picture."""
        return replace(self, picture=picture)

    def middle(self, url: str | None) -> str:
        """Return the markup of the picture at this URL, or the words that replace it."""
        if url is None:
            return self.instead
        source = escape(url, quote=True).replace("|", "%7C").replace("`", "%60").replace("\\", "%5C")
        alt = _INERT.sub(lambda found: f"&#{ord(found[0])};", self.alt)
        return f'<img src="{source}" width="{self.width}" alt="{alt}">'

    def markup(self) -> int:
        """Return the size in bytes of the picture's markup without its URL."""
        return _size(self.middle(self.picture)) - len(self.picture) if self.picture else 0


@dataclass(frozen=True, slots=True)
class _Strip:
    """Hold a row of takes, with a heading if it is the first of a sequence."""

    heading: str
    cells: tuple[_Cell, ...]

    def markdown(self) -> str:
        """Return the markdown of the strip."""
        rows = [
            [each.slate for each in self.cells],
            [":--"] * len(self.cells),
            [each.middle(each.picture) for each in self.cells],
            [each.line for each in self.cells],
            [each.text for each in self.cells],
        ]
        return self.heading + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n\n"

    def without_pictures(self) -> "_Strip":
        """Return the strip with words instead of pictures."""
        return self.with_pictures([None] * len(self.cells))

    def with_pictures(self, pictures: list[str | None]) -> "_Strip":
        """Return the strip with other pictures, one for each take."""
        return _Strip(self.heading, tuple(map(_Cell.with_picture, self.cells, pictures)))


def contact_sheet(
    manifest: Manifest,
    *,
    picture: PictureOf,
    note: str | None = None,
    budget: int = 2_000_000,
    layout: Layout = FOR_PAGE,
) -> str:
    """Return markdown with a heading, totals, and the picture and slate of each take; of a picked shot only that take.

    To stay within the budget, pictures are made smaller, then the last ones are left out, then the last shots; a
    closing line says what is missing.

    Args:
        manifest: Manifest of the run.
        picture: Function that returns a ``data:`` URI or public http(s) URL of a frame's picture, or None.
        note: Sentence for the foot of the sheet, such as until when its links work.
        budget: Size limit in bytes of UTF-8; at least 4,000.
        layout: Arrangement of the takes.
    """
    foot = f"*{inline(note)}*\n" if note else ""
    budget -= _CLOSING + _size(foot)
    head = _head(manifest, budget)
    strips = list(_strips(manifest, picture, layout))
    room = budget - _size(head)
    kept = list(_fitting(strips, room))
    room -= sum(_size(strip.without_pictures().markdown()) for strip in kept)
    fitted, left_out = _with_fitting_pictures(kept, room)
    closing = _closing(left_out, len(strips) - len(kept), sum(len(strip.cells) for strip in strips[len(kept) :]))
    return head + "".join(strip.markdown() for strip in fitted) + closing + foot


def _size(text: str) -> int:
    return len(text.encode())


def _fitting(strips: list[_Strip], room: int) -> Iterator[_Strip]:
    for strip in strips:
        room -= _size(strip.without_pictures().markdown())
        if room < 0:
            return
        yield strip


def _with_fitting_pictures(strips: list[_Strip], room: int) -> tuple[list[_Strip], int]:
    """Return the strips with the pictures that fit, and the number of pictures left out."""
    cells = [each for strip in strips for each in strip.cells]
    pictures = [each.picture for each in cells]
    fitted = fit(pictures, room - sum(each.markup() for each in cells))
    rest = iter(fitted)
    shown = [strip.with_pictures([next(rest) for _ in strip.cells]) for strip in strips]
    return shown, sum(1 for before, after in zip(pictures, fitted, strict=True) if before and not after)


def _closing(pictures: int, strips: int, takes: int) -> str:
    lines = []
    if pictures:
        lines.append(
            f"{plural(pictures, 'picture')} left out to keep this sheet small: the board's page shows them all."
        )
    if strips:
        lines.append(f"{plural(takes, 'more take')} on the board's page.")
    return "".join(f"*{line}*\n\n" for line in lines)


def _head(manifest: Manifest, room: int) -> str:
    count = totals(manifest)
    length = f"{timecode(count.frames, manifest.fps)} ({spell(manifest.duration)} at {number(manifest.fps)} fps)"
    joined = f"{count.joined} joined · " if count.joined else ""
    counts = f"{count.rendered} rendered · {joined}{count.cached} cached · {count.failed} failed"
    counts += f" · {count.skipped} skipped" if count.skipped else ""
    ran = f"Board {inline(manifest.board, 80)} · run {inline(manifest.run, 80)} · {moment(manifest.finished)}"
    head = (
        f"# {inline(manifest.title or manifest.board, 120)}\n\n"
        f"**{plural(count.shots, 'shot')}** · {length} · {counts}\n\n{ran}\n\n"
    )
    return head + _remarks(manifest, (room - _size(head)) // 2)


def _remarks(manifest: Manifest, room: int) -> str:
    """Return the list of problems, cut to ``room`` bytes."""
    states = {"failed": "lacks a frame", "skipped": "was skipped"}
    remarks = [f"- Shot **{inline(str(shot.shot_id), 60)}** {states[lacking(shot)]}.\n" for shot in manifest.failed]
    remarks += [f"- {inline(problem)}\n" for problem in manifest.problems]
    listed = ""
    for place, remark in enumerate(remarks):
        if _size(listed) + _size(remark) + _CLOSING // 2 > room:
            return f"{listed}- and {len(remarks) - place} more\n\n"
        listed += remark
    return f"{listed}\n" if listed else ""


def _strips(manifest: Manifest, picture: PictureOf, layout: Layout) -> Iterator[_Strip]:
    groups = sequences(manifest)
    for group in groups:
        heading = _heading(group, manifest.fps) if len(groups) > 1 or group.name else ""
        cells = [cell for placed in group.shots for cell in _cells(placed, manifest.fps, picture, layout)]
        for first in range(0, len(cells), layout.across):
            yield _Strip("" if first else heading, tuple(cells[first : first + layout.across]))


def _heading(group: Sequence, fps: float) -> str:
    name = inline(group.name, 80) or "Without sequence"
    return f"## {name} · {plural(len(group.shots), 'shot')} · {timecode(group.frames, fps)}\n\n"


def _cells(placed: Placed, fps: float, picture: PictureOf, layout: Layout) -> Iterator[_Cell]:
    shot = placed.shot
    plain = shorten(one_line(str(shot.shot_id)), 60)
    name = inline(plain, 60)
    text = wrapped(shot.prompt, columns=layout.columns, lines=_LINES)
    when = f"{timecode(placed.start, fps)} · {number(shot.duration)} s"
    wanted = shot.takes if layout.every else _wanted(shot)
    others = f"<br>{plural(len(shot.takes) - len(wanted), 'other take')}" if len(wanted) < len(shot.takes) else ""
    for take in wanted:
        seed = "" if take.seed is None else f"<br>seed {take.seed}"
        shown = next(filter(None, (for_artifact(picture(frame)) for frame in take.frames if is_inert(frame.key))), None)
        mark, spoken = (f" {PICKED_MARK}", ", picked") if take is circled(shot) else ("", "")
        slate, alt = f"{name} · take {take.take}{mark}", f"{plain} · take {take.take}{spoken}"
        yield _Cell(layout.width, slate, alt, shown, _instead(take, layout), f"{when}{seed}{others}", text)
    if not shot.takes:
        yield _Cell(layout.width, name, plain, None, "**NO TAKE**", when, text)


def _wanted(shot: ShotEntry) -> tuple[TakeEntry, ...]:
    """Return only the picked take if it is shown for the shot, else all takes."""
    picked = circled(shot)
    return (picked,) if picked is not None and picked is shot.shown else picked_first(shot)


def _instead(take: TakeEntry, layout: Layout) -> str:
    if take.frames:
        return "*no picture*"
    why = wrapped(reason(take), columns=layout.columns, lines=6)
    return {"failed": f"**FAILED** {why}", "skipped": f"*Skipped*<br>{why}"}.get(take.outcome, "**NO FRAME**")
