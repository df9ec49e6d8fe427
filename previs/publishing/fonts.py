"""Find fonts that have the characters of a board's texts."""

import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import ImageFont

from previs.errors import Fault, ShotListFaults
from previs.publishing.views import wording
from previs.text.listing import first_of

INSTALL: Final = (
    "install a font that has them, such as Noto Sans CJK (Debian, Ubuntu: apt install fonts-noto-cjk; "
    "Fedora: dnf install google-noto-sans-cjk-fonts; macOS and Windows have one), or name one with --font"
)
# Fonts with Chinese characters of macOS, Windows and Linux, and some for other scripts; Pillow knows the folders.
_KNOWN: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "STHeiti Light.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "Arial.ttf",
    "arial.ttf",
)
# Han characters look different in each language.
_LANGUAGES: Final = {"zh": "zh-cn", "ja": "ja", "ko": "ko"}
_ALWAYS: Final = "?…:·0123456789"
_NO_CHARACTER: Final = "\U0010ffff"
# Different characters that are looked up; no board has as many, but a manifest may.
_MOST: Final = 20_000
_TRIAL: Final = 24  # pixels
_SECONDS: Final = 10
_ASKED: Final = 400
_NAMED: Final = 10

Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class Face:
    """Hold the file of a font, and its number there; an empty path is Pillow's own font, which has Latin letters."""

    path: str
    index: int = 0

    def at(self, size: int) -> Font:
        """Return the font in a size in pixels."""
        if self.path:
            return ImageFont.truetype(self.path, size, self.index)
        built_in = ImageFont.load_default(size)
        assert isinstance(built_in, Font)  # noqa: S101 - Pillow's wheels have FreeType
        return built_in


@dataclass(frozen=True, slots=True)
class Fonts:
    """Hold the fonts of some texts; a character is drawn with the first that has it.

    Attributes:
        faces: The fonts.
        of_character: Number of the font of each character.
        missing: Characters that no font has.
    """

    faces: tuple[Face, ...]
    of_character: dict[str, int]
    missing: frozenset[str]

    @property
    def notice(self) -> str:
        """Return a sentence on the characters that cannot be drawn; empty if all can."""
        if not self.missing:
            return ""
        shown = first_of([f"{each} (U+{ord(each):04X})" for each in sorted(self.missing)], _NAMED)
        return f"no font has these characters, and ? stands for them: {shown}; {INSTALL}"


def find_fonts(
    texts: Iterable[str], named: Path | None = None, usable: Callable[[Face], bool] = lambda _: True
) -> Fonts:
    """Return fonts for all characters of some texts.

    Args:
        texts: What is drawn.
        named: File of a font that is used first.
        usable: Returns whether a font can be used at all.

    Raises:
        ShotListFaults: The named file is no font.
    """
    whole = "".join(texts)
    found = [each for each in dict.fromkeys(_ALWAYS + whole) if not _is_blank(each)]
    wanted = set(found[:_MOST])
    language = _LANGUAGES.get(wording.language(whole) or "", "")
    faces: list[Face] = []
    of_character: dict[str, int] = {}
    if named is not None:
        _check_named(named)
    for face in (*([Face(str(named))] if named else []), *_candidates(wanted, language)):
        left = wanted - of_character.keys()
        if not left:
            break
        if usable(face) and (has := _covered(face, left)):
            of_character |= dict.fromkeys(has, len(faces))
            faces.append(face)
    return Fonts(tuple(faces) or (Face(""),), of_character, frozenset(set(found) - of_character.keys()))


def _check_named(path: Path) -> None:
    try:
        ImageFont.truetype(str(path), _TRIAL)
    except (OSError, ValueError) as error:
        fault = Fault("--font", "", str(path), "give the file of a font: .ttf, .otf or .ttc")
        raise ShotListFaults("the font", (fault,)) from error


def _candidates(wanted: set[str], language: str) -> Iterator[Face]:
    """Yield fonts that may have the characters, the best first."""
    yield from _matched(sorted(wanted)[-_ASKED:], language)
    yield from _matched([], "")
    for name in _KNOWN:
        try:
            yield Face(str(ImageFont.truetype(name, _TRIAL).path))
        except OSError:
            continue
    yield Face("")


def _matched(characters: list[str], language: str) -> Iterator[Face]:
    """Yield the sans-serif font that fontconfig proposes for some characters."""
    program = shutil.which("fc-match")
    if program is None:
        return
    pattern = f"sans:lang={language}" if language else "sans"
    if characters:
        pattern += ":charset=" + " ".join(f"{ord(each):x}" for each in characters)
    words = (program, "-f", "%{file}\n%{index}", pattern)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603 - found on the PATH
    except (OSError, ValueError, subprocess.SubprocessError):
        return
    path, _, index = done.stdout.partition("\n")
    # The upper half of an index is the number of a named instance.
    if path and index.isascii() and index.isdigit():
        yield Face(path, int(index) & 0xFFFF)


def _covered(face: Face, characters: set[str]) -> set[str]:
    """Return the characters that a font has: the picture of all others is that of a character that cannot exist."""
    try:
        font = face.at(_TRIAL)
        none = _picture(font, _NO_CHARACTER)
        return {each for each in characters if _picture(font, each) != none}
    except (OSError, ValueError):
        return set()


def _picture(font: Font, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character, mode="L")
    return mask.size, bytes(mask)


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Mn")
