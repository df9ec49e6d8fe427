"""Break texts into lines and draw them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from PIL import Image, ImageDraw

from previs.publishing.fonts import Font, Fonts

_WORDS: Final = re.compile(r"\s+|[\u0021-\u2e7f]+|.")
# Signs that do not begin a line, and those that do not end it.
_NOT_FIRST: Final = frozenset("，。、；：？！）」』】》〉”’…—·,.;:?!)]}")
_NOT_LAST: Final = frozenset("（「『【《〈“‘([{")
_LEADING: Final = 1.25
_OVERHANG: Final = 2  # pixels by which a letter may stand beyond its width


@dataclass(slots=True)
class Lettering:
    """Draw texts in the fonts of a film."""

    fonts: Fonts
    _sizes: dict[int, tuple[Font, ...]] = field(default_factory=dict)

    def height(self, size: int) -> int:
        """Return the distance of two lines in pixels."""
        return round(size * _LEADING)

    def width(self, text: str, size: int) -> int:
        """Return the width of a line in pixels."""
        return round(sum(font.getlength(run) for font, run in self._runs(text, size)))

    def lines(self, text: str, size: int, width: int, most: int) -> list[str]:
        """Return a text as lines of at most a width in pixels; of more than ``most``, the last ends with ``…``."""
        found = [line for paragraph in text.splitlines() for line in self._broken(paragraph.strip(), size, width)]
        if len(found) <= most:
            return found
        last = found[most - 1]
        while last and self.width(f"{last}…", size) > width:
            last = last[:-1]
        return [*found[: most - 1], f"{last}…"]

    def mask(self, lines: list[str], size: int, *, stroke: int = 0, centred: bool = False) -> Image.Image:
        """Return lines, drawn white on black in grey, with margins for a stroke of so many pixels."""
        widths = [self.width(line, size) for line in lines]
        whole = (
            max(widths, default=0) + 2 * (stroke + _OVERHANG),
            self.height(size) * len(lines) + 2 * stroke + _OVERHANG,
        )
        made = Image.new("L", whole)
        drawing = ImageDraw.Draw(made)
        for number, (line, width) in enumerate(zip(lines, widths, strict=True)):
            x = (whole[0] - width) / 2 if centred else stroke + _OVERHANG
            base = stroke + number * self.height(size) + size
            for font, run in self._runs(line, size):
                drawing.text((x, base), run, fill=255, font=font, anchor="ls", stroke_width=stroke)
                x += font.getlength(run)
        return made

    def _broken(self, paragraph: str, size: int, width: int) -> Iterator[str]:
        line = ""
        for word in self._words(paragraph, size, width):
            if line.strip() and self.width(line + word.rstrip(), size) > width:
                # What must not end a line goes to the next, and what must not begin one stays.
                if word in _NOT_FIRST:
                    line += word
                    continue
                carried = line[-1] if line[-1] in _NOT_LAST and len(line) > 1 else ""
                yield line.removesuffix(carried).strip()
                line = carried
            line += word if line else word.lstrip()
        if line.strip():
            yield line.strip()

    def _words(self, paragraph: str, size: int, width: int) -> Iterator[str]:
        """Yield words, and characters of scripts without spaces or of a word that is wider than a line."""
        for word in _WORDS.findall(paragraph):
            if self.width(word, size) > width:
                yield from word
            else:
                yield word

    def _runs(self, text: str, size: int) -> Iterator[tuple[Font, str]]:
        """Yield parts of a line with their fonts; what no font has becomes ``?``."""
        fonts = self._at(size)
        known = "".join("?" if each in self.fonts.missing else each for each in text)
        last = 0

        def number(character: str) -> int:
            nonlocal last
            last = self.fonts.of_character.get(character, last)
            return last

        for index, run in groupby(known, number):
            yield fonts[index], "".join(run)

    def _at(self, size: int) -> tuple[Font, ...]:
        if size not in self._sizes:
            self._sizes[size] = tuple(face.at(size) for face in self.fonts.faces)
        return self._sizes[size]
