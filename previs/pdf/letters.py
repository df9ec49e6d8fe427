"""Measure texts in the fonts in which a document has them."""

import io
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final

from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageFont

from previs.publishing.fonts import Face, Fonts

_FONTS: Final = 32
_UNKNOWN: Final = "?"
_OUTLINES: Final = ("glyf", "CFF ", "CFF2")
_USAGE, _RESTRICTED = 0xF, 2
_MARKS: Final = frozenset({"Cc", "Cf", "Cs", "Mn", "Me"})


class Letters:
    """Know the width of each character, and the font that has it.

    A character that no font has becomes ``?``, one that has no picture is left out, and white space becomes a space.
    """

    def __init__(self, fonts: Fonts) -> None:
        self.fonts = fonts
        self._widths = [_widths(face) for face in fonts.faces]
        self._known: dict[str, tuple[int, str, float]] = {}
        self.missing: set[str] = set(fonts.missing)

    @property
    def seen(self) -> frozenset[str]:
        """Return the characters that were measured or drawn so far."""
        return frozenset(self._known)

    def width(self, text: str) -> float:
        """Return the width of a text, as a multiple of its size."""
        return sum(self._character(each)[2] for each in text)

    def runs(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield parts of a text as they are drawn, with the number of their font."""
        drawn = [found for each in text if (found := self._character(each))[1]]
        for face, run in groupby(drawn, lambda each: each[0]):
            yield face, "".join(each[1] for each in run)

    def _character(self, character: str) -> tuple[int, str, float]:
        found = self._known.get(character)
        if found is None:
            found = self._known[character] = self._look_up(character)
        return found

    def _look_up(self, character: str) -> tuple[int, str, float]:
        shown = " " if character.isspace() else character
        preferred = self.fonts.of_character.get(shown, 0)
        for face in (preferred, *range(len(self._widths))):
            width = self._widths[face].get(ord(shown))
            if width is not None:
                return face, shown, width
        if unicodedata.category(shown) in _MARKS or shown == " ":
            return preferred, "", 0.0
        self.missing.add(character)
        return (0, "", 0.0) if shown == _UNKNOWN else self._character(_UNKNOWN)


def is_embeddable(face: Face) -> bool:
    """Return whether a font can, and may, be embedded."""
    return bool(_widths(face))


def font_file(face: Face, folder: Path) -> Path:
    """Return the file of a font; the font of Pillow is written to a folder first."""
    if face.path:
        return Path(face.path)
    path = folder / "latin.ttf"
    path.write_bytes(_built_in())
    return path


@lru_cache(_FONTS)
def _widths(face: Face) -> Mapping[int, float]:
    """Return the widths of a font's characters; none if it cannot, or must not, be embedded."""
    source = face.path or io.BytesIO(_built_in())
    try:
        with TTFont(source, fontNumber=face.index, lazy=True) as font:
            if not any(table in font for table in _OUTLINES) or _is_restricted(font):
                return {}
            em = font["head"].unitsPerEm
            advances = font["hmtx"].metrics
            cmap = font.getBestCmap() or {}
            return {code: advances[glyph][0] / em for code, glyph in cmap.items() if glyph in advances}
    except (TTLibError, OSError, KeyError, ValueError, AssertionError):
        return {}


def _is_restricted(font: TTFont) -> bool:
    """Return whether the licence of a font forbids to embed it (fsType in OpenType's table OS/2)."""
    return "OS/2" in font and font["OS/2"].fsType & _USAGE == _RESTRICTED


def _built_in() -> bytes:
    font = ImageFont.load_default(10)
    assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101 - Pillow's wheels have FreeType
    return font.font_bytes
