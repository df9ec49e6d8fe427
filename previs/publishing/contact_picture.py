"""Draw the shots of a board in one picture with their names, for messages to people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import groupby
from typing import Final

from PIL import Image, ImageDraw, ImageOps

from previs.publishing.fonts import Font, Fonts, find_fonts
from previs.publishing.views.labels import Labels, labels
from previs.publishing.views.takes import lacking
from previs.publishing.views.thumbnails import flat
from previs.publishing.views.wording import one_line, shorten
from previs.records.manifest import Manifest, ShotEntry

_ACROSS: Final = 4
_MOST: Final = 24
_PICTURE: Final = (240, 135)
_GAP: Final = 10
_LINE: Final = 22
_SIZE: Final = 15
_BACKGROUND, _EMPTY, _TEXT, _FAILED, _NOTE = (
    (24, 24, 27),
    (39, 39, 42),
    (228, 228, 231),
    (248, 113, 113),
    (161, 161, 170),
)
_QUALITY: Final = 78
_LONGEST: Final = 80
_ELLIPSIS: Final = "…"

Colour = tuple[int, int, int]


def contact_picture(manifest: Manifest) -> bytes | None:
    """Return a JPEG of the first 24 shots of a board, four in a row, each with its ID; None if no shot has a picture.

    A shot without a picture is an empty field with the reason. It is at most 1,010 pixels wide and takes about 5 KB for
    each shot.
    """
    label = labels(manifest.lang)
    cells = [_cell(shot, label) for shot in manifest.shots[:_MOST]]
    if not any(cell.picture for cell in cells):
        return None
    more = len(manifest.shots) - len(cells)
    note = label("and {count} more", count=more) if more else ""
    return _drawn(
        cells, note, _Letters(find_fonts([note, _ELLIPSIS, *(f"{each.name}{each.instead}" for each in cells)]))
    )


def sample_picture() -> bytes:
    """Return such a picture without a board, for a test."""
    colours = ((82, 82, 91), (113, 113, 122), (63, 63, 70), (161, 161, 170))
    cells = [_Cell(f"SH{10 * n:03}", Image.new("RGB", _PICTURE, each), "", _TEXT) for n, each in enumerate(colours, 1)]
    return _drawn(cells, "", _Letters(find_fonts([_ELLIPSIS, *(each.name for each in cells)])))


@dataclass(frozen=True, slots=True)
class _Cell:
    """Hold a shot's ID and its picture, or words instead of one."""

    name: str
    picture: Image.Image | None
    instead: str
    colour: Colour


def _cell(shot: ShotEntry, label: Labels) -> _Cell:
    take, state = shot.shown, lacking(shot)
    thumbnail = next((frame.thumbnail for frame in take.frames if frame.thumbnail), None) if take else None
    picture = flat(thumbnail) if thumbnail else None
    words = {"failed": "Failed", "skipped": "Skipped", "": "No picture"}[state if not (take and take.frames) else ""]
    name = shorten(one_line(str(shot.shot_id)), _LONGEST)
    return _Cell(name, picture, label(words), _FAILED if state else _TEXT)


@dataclass(slots=True)
class _Letters:
    """Write lines in the fonts of a picture."""

    fonts: Fonts
    _faces: tuple[Font, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._faces = tuple(face.at(_SIZE) for face in self.fonts.faces)

    def write(self, drawing: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: Colour) -> None:
        """Write a line from the left, shortened to the width of a picture."""
        x, y = place
        for font, run in self._runs(self._fitted(text)):
            drawing.text((x, y), run, fill=colour, font=font, anchor="ls")
            x += font.getlength(run)

    def width(self, text: str) -> float:
        """Return the width of a line in pixels."""
        return sum(font.getlength(run) for font, run in self._runs(text))

    def _fitted(self, text: str) -> str:
        if self.width(text) <= _PICTURE[0]:
            return text
        while text and self.width(text + _ELLIPSIS) > _PICTURE[0]:
            text = text[:-1]
        return text.rstrip() + _ELLIPSIS

    def _runs(self, text: str) -> Iterator[tuple[Font, str]]:
        known = "".join("?" if each in self.fonts.missing else each for each in text)
        for index, run in groupby(known, lambda each: self.fonts.of_character.get(each, 0)):
            yield self._faces[index], "".join(run)


def _drawn(cells: Sequence[_Cell], note: str, letters: _Letters) -> bytes:
    across = min(_ACROSS, len(cells))
    width, height = _PICTURE[0] + _GAP, _PICTURE[1] + _LINE + _GAP
    below = _LINE if note else 0
    sheet = Image.new("RGB", (width * across + _GAP, height * -(-len(cells) // across) + _GAP + below), _BACKGROUND)
    drawing = ImageDraw.Draw(sheet)
    for place, cell in enumerate(cells):
        row, column = divmod(place, across)
        x, y = _GAP + column * width, _GAP + row * height
        if cell.picture is not None:
            sheet.paste(ImageOps.pad(cell.picture, _PICTURE, color=_EMPTY), (x, y))
        else:
            drawing.rectangle((x, y, x + _PICTURE[0] - 1, y + _PICTURE[1] - 1), fill=_EMPTY)
            left = x + max(_PICTURE[0] - letters.width(cell.instead), 0) / 2
            letters.write(drawing, (left, y + (_PICTURE[1] + _SIZE) / 2), cell.instead, cell.colour)
        letters.write(drawing, (x, y + _PICTURE[1] + _SIZE + 2), cell.name, cell.colour)
    if note:
        letters.write(drawing, (_GAP, sheet.height - _GAP), note, _NOTE)
    jpeg = BytesIO()
    sheet.save(jpeg, "JPEG", quality=_QUALITY, optimize=True)
    return jpeg.getvalue()
