"""Break text into lines for a picture; leave out characters that the font lacks."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FONT_FILES = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/wenquanyi/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)
"""Paths of fonts with Chinese glyphs on Debian, Arch, Fedora, macOS and Windows, best first."""

NO_CHARACTER = "\U0010ffff"
"""Code point that stays unassigned, so that every font draws its sign for a missing glyph."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=16)
def font(size: int) -> Font:
    """Return an installed font with Chinese glyphs, or else Pillow's own font, which is Latin only."""
    for name in FONT_FILES:
        if Path(name).is_file():
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def has_glyph(letters: Font, character: str) -> bool:
    """Return whether a font has a character's glyph and does not draw a box in its place."""
    if character.isspace():
        return True
    missing, drawn = letters.getmask(NO_CHARACTER), letters.getmask(character)
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))


def lines(text: str, letters: Font, width: float, most: int) -> list[str]:
    """Break text into at most ``most`` lines of a width in pixels; end a text that does not fit with an ellipsis."""
    shown = "".join(character for character in " ".join(text.split()) if has_glyph(letters, character))
    broken = [""]
    for word in _words(shown):
        for part in [word] if letters.getlength(word) <= width else word:
            if letters.getlength(broken[-1] + part) <= width or not broken[-1]:
                broken[-1] += part
            else:
                broken.append(part.lstrip())
        if len(broken) > most:
            return [*broken[: most - 1], _ended(broken[most - 1], letters, width)]
    return [line for line in broken if line]


def _words(text: str) -> Iterator[str]:
    word = ""
    for character in text:
        if ord(character) >= 0x2E80:  # noqa: PLR2004 - CJK starts here; it breaks between any two characters
            yield from (part for part in (word, character) if part)
            word = ""
        elif character == " ":
            yield word
            word = character
        else:
            word += character
    yield word


def _ended(line: str, letters: Font, width: float) -> str:
    while line and letters.getlength(line + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…"
