"""Read texts that the editor processes when it queues: comments are stripped, and of ``{a|b}`` one choice is taken."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Union

# A comment, or the start of one that nothing closes.
_COMMENT = re.compile(r"/\*(?:.*?\*/|(?P<open>.*))|//[^\n\r]*", re.DOTALL)
_LINE_COMMENT = re.compile(r"//[^\n\r]*")
_PART = re.compile(r"\\.|[{|}]|[^\\{|}]+|\\", re.DOTALL)
_ESCAPED = re.compile(r"\\([{}|])")

Choose = Callable[[int, int], int]
_Pieces = list[Union[str, "_Pieces"]]


def resolve(text: str, choose: Choose = lambda _, __: 0) -> str:
    r"""Return the text that the editor would send.

    Choices may be nested; ``\{``, ``\|`` and ``\}`` stand for themselves.

    Args:
        text: Text of a field.
        choose: Takes the number of a choice within the text and how many alternatives it has, and returns the index of
            one. The editor takes any; the default is the first.
    """
    open_choices: list[list[_Pieces]] = [[[]]]  # The alternatives read so far of each choice that is open.
    number = 0
    for part in _PART.findall(_COMMENT.sub(_without_comment, text)):
        if part == "{":
            open_choices.append([[]])
        elif part == "}" and len(open_choices) > 1:
            number = _close(open_choices, choose, number)
        elif part == "|" and len(open_choices) > 1:
            open_choices[-1].append([])
        else:
            open_choices[-1][-1].append(part)
    while len(open_choices) > 1:
        number = _close(open_choices, choose, number)
    return _ESCAPED.sub(r"\1", "".join(_flat(open_choices[0][0])))


def _without_comment(comment: re.Match[str]) -> str:
    return "" if comment["open"] is None else "/*" + _LINE_COMMENT.sub("", comment["open"])


def _flat(pieces: "_Pieces") -> Iterator[str]:
    """Yield the texts of pieces of any depth."""
    pending = [iter(pieces)]
    while pending:
        piece = next(pending[-1], None)
        if piece is None:
            pending.pop()
        elif isinstance(piece, str):
            yield piece
        else:
            pending.append(iter(piece))


def has_choices(text: str) -> bool:
    """Return whether another choice would give another text."""
    return resolve(text) != resolve(text, lambda _, alternatives: alternatives - 1)


def by_seed(seed: int, place: str) -> Choose:
    """Return a way to choose that depends on a take's seed and on the field alone."""

    def choose(number: int, alternatives: int) -> int:
        digest = hashlib.sha256(f"{seed}:{place}:{number}".encode()).digest()
        return int.from_bytes(digest[:8]) % alternatives

    return choose


def _close(open_choices: "list[list[_Pieces]]", choose: Choose, number: int) -> int:
    alternatives = open_choices.pop()
    open_choices[-1][-1].append(alternatives[choose(number, len(alternatives))])
    return number + 1
