"""Write the words of prompts, in English or Chinese like the script."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from previs.screenplay.headings import Setting, Side
from previs.screenplay.text import is_east_asian

_SIDES: Final[dict[Side, str]] = {"": "", "interior": "内景", "exterior": "外景", "interior and exterior": "内外景"}
_FRAMINGS: Final = {
    "establishing": ("wide establishing shot", "远景，定场镜头"),
    "action": ("medium wide shot", "中景"),
    "speech": ("medium close-up", "中近景"),
    "dual": ("two-shot", "双人中景"),
    "voice": ("wide shot", "全景"),
}
_NAMES_FRAMING: Final = re.compile(
    r"\b(?:close(?:-| )?up|close on|close shot|wide shot|wide on|angle on|(?:high|low) angle|medium shot|long shot"
    r"|two-shot|overhead|p\.?o\.?v\b|over[- ]the[- ]shoulder|aerial|insert|macro)"
    r"|[特近中全远]景|[俯仰]拍|特写|过肩|主观镜头|航拍",
    re.IGNORECASE,
)
_ENDS: Final = " .。,，;；:："
_CAPITALS: Final = re.compile(r"[^\W\d_]{2,}(?:['’][^\W\d_]{1,2}(?!\w))?")


def usual_framing(kind: str, text: str, *, chinese: bool) -> str:
    """Return the framing of a shot without a note for it; empty if the text of an action names one."""
    if kind == "action" and _NAMES_FRAMING.search(text):
        return ""
    return _FRAMINGS[kind][chinese]


def speaking(names: Iterable[str], manner: str, *, chinese: bool) -> str:
    """Return the words for characters who speak, and how they speak."""
    who = ("和" if chinese else " and ").join(titled(name) for name in names)
    said = f"{who}在说话" if chinese else f"{who} speaking"
    return joined([said, manner], chinese=chinese)


def titled(name: str) -> str:
    """Return a name in capitals in title case."""
    return _CAPITALS.sub(lambda word: word[0].capitalize(), name) if name.isupper() else name


def place_words(setting: Setting, *, chinese: bool) -> str:
    """Return the words for the place and time of a setting."""
    side = _SIDES[setting.side] if chinese else setting.side
    return joined([side, setting.place, setting.time], chinese=chinese)


def joined(parts: Iterable[str], *, chinese: bool) -> str:
    """Join parts of a prompt with commas."""
    kept = (part.strip(_ENDS) for part in parts)
    return ("，" if chinese else ", ").join(part for part in kept if part)


@lru_cache(maxsize=1024)
def _sought(name: str) -> tuple[str, re.Pattern[str]]:
    sought = name.casefold()
    return sought, re.compile(rf"(?<!\w){re.escape(sought)}(?!\w)")


def named_in(text: str, names: Iterable[str]) -> Iterator[str]:
    """Yield those names of characters that are in a text."""
    folded = text.casefold()
    for name in names:
        sought, as_word = _sought(name)
        if sought in folded and (is_east_asian(name) or as_word.search(folded)):
            yield name
