"""Make characters visible that would control a terminal, forge a line of a log or hide text."""

import json
import re
from typing import Final

# C0, DEL and C1 control a terminal (ECMA-48). Line and paragraph separators end a line for some readers. Controls of
# direction reorder what follows (Unicode TR36, "Trojan Source"), and invisible characters and tags hide text. Half of
# a surrogate pair cannot be written as UTF-8.
_HIDDEN: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f"
)
# Joiners are part of the spelling of Persian and Indic words and of emoji; between other characters they are invisible.
_JOINER: Final = "(?<![^\\x00-\\x7f])[\u200c\u200d]"
_IN_LINES: Final = re.compile(f"[{_HIDDEN}]|{_JOINER}")
_IN_ONE_LINE: Final = re.compile(f"[\\t\\n{_HIDDEN}]|{_JOINER}")

LONGEST_VALUE: Final = 60
"""Characters of a value from outside that are shown."""


def visible(text: str, *, lines: bool = False) -> str:
    r"""Return a text with control and invisible characters as escapes such as ``\x1b`` and ``\u202e``.

    Every text from outside that a person sees on a terminal or in a log passes this function: of servers, lists,
    workflows, file names and Prefect. Calling it twice changes nothing.

    Args:
        text: Text from anywhere.
        lines: Whether line feeds and tabs stay, as they do in a text that previs itself broke into lines.
    """
    return (_IN_LINES if lines else _IN_ONE_LINE).sub(_escape, text)


def shortened(text: str, most: int = LONGEST_VALUE) -> str:
    """Return the start of a text that is too long to show, with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def visible_json(text: str) -> str:
    """Return a text in JSON with the same characters as JSON's own escapes, so that it means the same."""
    return _IN_LINES.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
