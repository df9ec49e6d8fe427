"""Find the names of characters and locations in a prompt, written as ``@MEI``; pure."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from previs.shots.camera import is_chinese
from previs.shots.rules import same_name

# Chinese, Japanese and Korean put no blank around a name.
_UNSPACED: Final = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_ENDS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]$")
_LETTER: Final = re.compile(rf"[^\W{_UNSPACED}]")
# An address such as mei@studio.com has a letter before the sign.
_SIGN: Final = re.compile(rf"@@|(?<!{_LETTER.pattern})@(?=\w)")
_WORD: Final = re.compile(r"[\w.\-]*\w")


def folded(name: str) -> str:
    """Return a form of a name that is equal for all spellings of it, in capitals or not."""
    return bare(name).casefold()


def bare(name: str) -> str:
    """Return a name without the sign that prompts have before it."""
    return same_name(name).removeprefix("@")


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

    def filled(self, words: Mapping[str, tuple[str, str]]) -> str:
        """Return the text with what it mentions in place of each sign and name.

        A name that is mentioned once is replaced by its look. One that is mentioned more often stays, with its look in
        brackets behind the first, so that a model does not take it for several.

        Args:
            words: Name as people write it, and look, which may be empty, by the folded name.
        """
        made, counts, seen = self.pieces[0], Counter(self.names), set[str]()
        for key, piece in zip(self.names, self.pieces[1:], strict=True):
            word, look = words[key]
            if look and counts[key] == 1:
                word = look
            elif look and key not in seen:
                word = f"{word}（{look}）" if is_chinese(look) else f"{word} ({look})"
            seen.add(key)
            made += word + piece
        return made


class Mentionable:
    """Find the mentions of known names in texts.

    Attributes:
        known: Anything by the folded names.
        lengths: Lengths of the names, longest first.
    """

    def __init__(self, known: Container[str], lengths: Iterable[int]) -> None:
        self.known = known
        self.lengths = sorted(set(lengths), reverse=True)

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
            elif length := self._length_at(text, at):
                names.append(folded(text[at : at + length]))
                pieces.append("")
                at += length
            else:
                word = _WORD.match(text, at)
                unknown.append(word[0] if word else "")
                pieces[-1] += "@"
        pieces[-1] += text[at:]
        return Mentions(tuple(pieces), tuple(names), tuple(unknown))

    def _length_at(self, text: str, at: int) -> int:
        """Return the length of the longest known name at a place; 0 if there is none."""
        for length in self.lengths:
            name, after = text[at : at + length], text[at + length : at + length + 1]
            ends = _LETTER.match(after) is None or _ENDS_UNSPACED.search(name) is not None
            if ends and len(name) == length and folded(name) in self.known:
                return length
        return 0
