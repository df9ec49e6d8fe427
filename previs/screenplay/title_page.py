"""Read the title page: keys and values before the first blank line of a script."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from previs.errors import Fault
from previs.screenplay.models import USUAL_FPS
from previs.screenplay.notes import LONGEST_REPEATED, TOO_LONG, Line, without_notes
from previs.screenplay.text import join_lines, plain_text
from previs.shots.faults import display_value
from previs.shots.fields import HIGHEST_FPS

_KEY: Final = re.compile(r"([^\W\d_][^:：.,;!?。，；！？]{0,30}?)\s*[:：](.*)")
_CONTINUED: Final = re.compile(r" {3,}\S")
_OWN: Final = {"title": "title", "标题": "title", "片名": "title", "剧名": "title", "style": "style", "风格": "style"}
_OWN_FPS: Final = {"fps": "fps", "frame rate": "fps", "帧率": "fps"}
_USUAL: Final = {
    *("credit", "author", "authors", "source", "notes", "draft date", "date", "contact", "copyright", "revision"),
    *("作者", "编剧", "原著", "日期", "联系方式", "版权", "版本", "备注"),
}
_KNOWN: Final = _OWN | _OWN_FPS | {key: key for key in _USUAL}
_NUMBER: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class TitlePage:
    """Hold the values of a title page that matter to a board, and the number of its lines."""

    title: str = ""
    style: str = ""
    fps: float = USUAL_FPS
    lines: int = 0
    faults: tuple[Fault, ...] = ()


def read_title_page(lines: Sequence[Line]) -> TitlePage:
    """Read the title page, if the script begins with one."""
    first = next((index for index, line in enumerate(lines) if not line.is_blank), None)
    if first is None or not _begins(lines[first], lines[first + 1 : first + 2]):
        return TitlePage()
    values: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    key, index = "", first
    for index in range(first, len(lines) + 1):
        line = without_notes(lines[index].text) if index < len(lines) else ""
        if key and _CONTINUED.match(line):
            values[key].append(line)
        elif line.strip() and (found := _KEY.fullmatch(line.strip())):
            key = _KNOWN.get(found[1].casefold(), found[1].casefold())
            values[key] = [found[2]]
            numbers[key] = lines[index].number
        else:
            break
    texts = {key: join_lines(plain_text("\n".join(each.strip() for each in value))) for key, value in values.items()}
    fps, faults = _fps(texts.get("fps", ""), numbers.get("fps", 0))
    style = texts.get("style", "")
    if len(style) > LONGEST_REPEATED:
        faults += (Fault(f"line {numbers['style']}", "style", display_value(style), TOO_LONG),)
    return TitlePage(texts.get("title", ""), style, fps, index, faults)


def _begins(line: Line, following: Sequence[Line]) -> bool:
    """Return whether a title page begins here, rather than ``FADE IN:`` or a sentence with a colon."""
    found = _KEY.fullmatch(line.text_only)
    if found is None:
        return False
    key, value = found[1], found[2].strip()
    if key.casefold() in _KNOWN:
        return True
    has_value = bool(value) or any(_CONTINUED.match(each.text) for each in following)
    return has_value and all(word[0].isupper() for word in key.split())


def _fps(value: str, line: int) -> tuple[float, tuple[Fault, ...]]:
    if not value:
        return USUAL_FPS, ()
    found = float(value) if _NUMBER.fullmatch(value) else 0.0
    if 0 < found <= HIGHEST_FPS:
        return found, ()
    remedy = f"frames per second, a number above 0 and at most {HIGHEST_FPS}, such as 24"
    return USUAL_FPS, (Fault(f"line {line}", "fps", display_value(value), remedy),)
