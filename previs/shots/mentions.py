"""Find the names of characters and locations in a prompt, written as ``@MEI``; pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from previs.shots.camera import is_chinese
from previs.shots.rules import same_name

# Chinese, Japanese and Korean put no blank around a name.
_UNSPACED: Final = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_ENDS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]$")
_LETTER: Final = rf"[^\W{_UNSPACED}]"
# An address such as mei@studio.com has a letter before the sign.
_SIGN: Final = re.compile(rf"@@|(?<!{_LETTER})@(?=\w)")
_WORD: Final = re.compile(r"[\w.\-]*\w")


def folded(name: str) -> str:
    """Return a form of a name that is equal for all spellings of it, in capitals or not."""
    return same_name(name).casefold()


@dataclass(frozen=True, slots=True)
class Mentions:
    """Hold a text with the names that it mentions.

    Attributes:
        pieces: The text between mentions, one more than there are names.
        names: Names as folded, in the order of the text.
        unknown: Words after a sign that are no known name, in the order of the text; they stay in the text.
    """

    pieces: tuple[str, ...]
    names: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def filled(self, looks: Mapping[str, str], names: Mapping[str, str]) -> str:
        """Return the text with what it mentions in place of each sign and name.

        A name that is mentioned once is replaced by its look. One that is mentioned more often stays, with its look in
        brackets behind the first, so that a model does not take it for several.

        Args:
            looks: Looks by folded names; empty for one without words.
            names: Names as people write them, by folded names.
        """
        made, seen = self.pieces[0], set[str]()
        for name, piece in zip(self.names, self.pieces[1:], strict=True):
            look, word = looks.get(name, ""), names[name]
            if look and self.names.count(name) == 1:
                word = look
            elif look and name not in seen:
                word = f"{word}（{look}）" if is_chinese(look) else f"{word} ({look})"
            seen.add(name)
            made += word + piece
        return made


class Mentionable:
    """Find the mentions of known names in texts."""

    def __init__(self, names: Iterable[str]) -> None:
        longest_first = sorted(map(same_name, names), key=len, reverse=True)
        self._names = {folded(name): name for name in longest_first}
        known = (re.escape(name) + ("" if _ENDS_UNSPACED.search(name) else f"(?!{_LETTER})") for name in longest_first)
        self._known = re.compile("|".join(known), re.IGNORECASE) if longest_first else None

    def read(self, text: str) -> Mentions:
        """Return the names that a text mentions; ``@@`` stands for the sign itself."""
        pieces, names, unknown = [""], list[str](), list[str]()
        at = 0
        for sign in _SIGN.finditer(text):
            if sign.start() < at:
                continue
            pieces[-1] += text[at : sign.start()]
            at = sign.end()
            if sign[0] == "@@":
                pieces[-1] += "@"
            elif self._known and (found := self._known.match(text, at)):
                names.append(self._key(found[0]))
                pieces.append("")
                at = found.end()
            else:
                word = _WORD.match(text, at)
                unknown.append(word[0] if word else "")
                pieces[-1] += "@"
        pieces[-1] += text[at:]
        return Mentions(tuple(pieces), tuple(names), tuple(unknown))

    def _key(self, word: str) -> str:
        """Return the folded name of a word; matching ignores more differences than folding does, such as ı and i."""
        key = folded(word)
        if key in self._names:
            return key
        return next(each for each, name in self._names.items() if re.fullmatch(re.escape(name), word, re.IGNORECASE))
