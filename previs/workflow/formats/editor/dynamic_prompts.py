"""Read texts that the editor processes when it queues: comments are stripped, and of ``{a|b}`` one choice is taken."""

import re

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n\r]*", re.DOTALL)
_PART = re.compile(r"\\.|[{|}]|[^\\{|}]+|\\", re.DOTALL)
_ESCAPED = re.compile(r"\\([{}|])")


def resolve(text: str) -> str:
    r"""Return the text that the editor would send, with the first of each choice, where the editor takes any.

    Choices may be nested; ``\{``, ``\|`` and ``\}`` stand for themselves.
    """
    first = [""]  # What is read of the first alternative, for each choice that is open.
    skipped = [False]  # Whether a later alternative is being read, for each choice that is open.
    for part in _PART.findall(_COMMENT.sub("", text)):
        if part == "{":
            first.append("")
            skipped.append(False)
        elif part == "}" and len(first) > 1:
            _close(first, skipped)
        elif part == "|" and len(first) > 1:
            skipped[-1] = True
        elif not skipped[-1]:
            first[-1] += part
    while len(first) > 1:
        _close(first, skipped)
    return _ESCAPED.sub(r"\1", first[0])


def _close(first: list[str], skipped: list[bool]) -> None:
    chosen = first.pop()
    skipped.pop()
    if not skipped[-1]:
        first[-1] += chosen
