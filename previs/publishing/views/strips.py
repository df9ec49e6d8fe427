"""Arrange a board's takes in strips of pictures: parts of a contact sheet, as markdown."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape

from previs.pictures.media import is_inert
from previs.publishing.views.addresses import for_artifact
from previs.publishing.views.film import Film, film_of
from previs.publishing.views.labels import Labels, counted, labels
from previs.publishing.views.marks import in_words
from previs.publishing.views.sequences import Placed, Sequence, sequences
from previs.publishing.views.takes import PICKED_MARK, arranged, circled, reason
from previs.publishing.views.timecode import number, timecode
from previs.publishing.views.wording import inline, one_line, shorten, wrapped
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame

_LINES = 3

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
        as_given: Whether to show the shot's own prompt, which a person may change, rather than what looks made of it.
    """

    across: int
    width: int
    columns: int
    every: bool = False
    as_given: bool = False


FOR_PAGE = Layout(across=3, width=240, columns=32)
FOR_FORM = Layout(across=2, width=190, columns=24, every=True, as_given=True)


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold one take of the sheet as markdown, except ``picture``, a URL or None, ``shot`` and ``alt``, plain text."""

    width: int
    shot: str
    slate: str
    alt: str
    picture: str | None
    instead: str
    line: str
    text: str

    def with_picture(self, picture: str | None) -> "Cell":
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
        return len(self.middle(self.picture).encode()) - len(self.picture) if self.picture else 0


@dataclass(frozen=True, slots=True)
class Strip:
    """Hold a row of takes, with a heading if it is the first of a sequence.

    Attributes:
        continued: Heading for a row that is not the first of its sequence, if it is the first of a page.
    """

    heading: str
    continued: str
    cells: tuple[Cell, ...]

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

    def without_pictures(self) -> "Strip":
        """Return the strip with words instead of pictures."""
        return self.with_pictures([None] * len(self.cells))

    def with_pictures(self, pictures: list[str | None]) -> "Strip":
        """Return the strip with other pictures, one for each take."""
        return replace(self, cells=tuple(map(Cell.with_picture, self.cells, pictures)))

    def at_the_top(self) -> "Strip":
        """Return the strip with a heading, if its sequence has one."""
        return replace(self, heading=self.heading or self.continued)


def strips(manifest: Manifest, picture: PictureOf, layout: Layout) -> Iterator[Strip]:
    """Yield the rows of a board's takes; of a picked shot only that take, unless the layout says every one."""
    groups, label = sequences(manifest), labels(manifest.lang)
    for group in groups:
        headed = len(groups) > 1 or group.name
        heading, continued = _headings(group, manifest.fps, label) if headed else ("", "")
        cells = [cell for placed in group.shots for cell in _cells(placed, manifest.fps, picture, layout, label)]
        for first in range(0, len(cells), layout.across):
            yield Strip("" if first else heading, continued, tuple(cells[first : first + layout.across]))


def _headings(group: Sequence, fps: float, label: Labels) -> tuple[str, str]:
    name = inline(group.name, 80) or label("Without sequence")
    length = f"{counted(label, len(group.shots), 'shot')} · {timecode(group.frames, fps)}"
    return f"## {name} · {length}\n\n", f"## {name} · {label('continued')}\n\n"


def _cells(placed: Placed, fps: float, picture: PictureOf, layout: Layout, label: Labels) -> Iterator[Cell]:
    shot = placed.shot
    plain = shorten(one_line(str(shot.shot_id)), 60)
    name = inline(plain, 60)
    film = film_of(shot.shot)
    text = wrapped(_words(shot, layout, film), columns=layout.columns, lines=_LINES)
    when = f"{timecode(placed.start, fps)} · {label('{count} s', count=number(shot.duration))}"
    if film.camera:
        when += f"<br>{wrapped(film.camera, columns=layout.columns, lines=2)}"
    wanted = shot.renders if layout.every else _wanted(shot)
    left = sum(each not in wanted for each in shot.takes)
    others = f"<br>{counted(label, left, 'other take')}" if left else ""
    for take in wanted:
        seed = "" if take.seed is None else f"<br>{label('seed {seed}', seed=take.seed)}"
        shown = next(filter(None, (for_artifact(picture(frame)) for frame in take.frames if is_inert(frame.key))), None)
        mark, spoken = (f" {PICKED_MARK}", f", {label('picked')}") if take is circled(shot) else ("", "")
        slate, alt = (_slate(each, take, label) for each in (name, plain))
        found = "".join(f"<br>**{inline(words, layout.columns * 2)}**" for words in in_words(take.marks, label))
        line, instead = f"{when}{seed}{found}{others}", _instead(take, layout, label)
        yield Cell(layout.width, plain, f"{slate}{mark}", f"{alt}{spoken}", shown, instead, line, text)
    if not shot.takes:
        yield Cell(layout.width, plain, name, plain, None, f"**{label('NO TAKE')}**", when, text)


def _words(shot: ShotEntry, layout: Layout, film: Film) -> str:
    given = shot.shot.get("prompt")
    if layout.as_given and isinstance(given, str) and given.strip():
        return given
    return film.description or shot.prompt


def _wanted(shot: ShotEntry) -> tuple[TakeEntry, ...]:
    """Return only the picked take if it is shown for the shot, else all takes and passes that are seen at once."""
    picked = circled(shot)
    return (picked,) if picked is not None and picked is shot.shown and not shot.passes else arranged(shot)[0]


def _slate(shot: str, take: TakeEntry, label: Labels) -> str:
    if take.pass_name:
        return label("{shot} · {name}", shot=shot, name=inline(take.pass_name, 60))
    return label("{shot} · take {take}", shot=shot, take=take.take)


def _instead(take: TakeEntry, layout: Layout, label: Labels) -> str:
    if take.frames:
        return f"*{label('no picture')}*"
    why = wrapped(reason(take), columns=layout.columns, lines=6)
    found = {"failed": f"**{label('FAILED')}** {why}", "skipped": f"*{label('Skipped')}*<br>{why}"}
    return found.get(take.outcome, f"**{label('NO FRAME')}**")
