"""Read YAML into plain values, without YAML's surprises.

PyYAML only parses; this module interprets its events, close to the core schema of YAML 1.2. ``010``, ``on``, ``12:30``
and ``2026-01-31`` stay text. Keys are text. Tags and second documents are refused. An alias counts as much as the
value it repeats, so that a small file cannot expand without limit.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from previs.errors import ShotListFaults
from previs.shots.rules import DEEPEST
from previs.shots.text import MOST_VALUES, fault, too_many_values
from previs.shots.tree import Pairs

LARGEST_WEIGHT = 100_000_000
_WEIGHT = 50  # of a value, in addition to its characters
_MOST_TAG_DIRECTIVES = 100  # libyaml compares each with all before
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # not every build of PyYAML has the fast parser
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,299})")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+][0-9]+)?|\.[0-9]+([eE][-+][0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}


class _Mark(Protocol):
    line: int
    column: int


@dataclass(slots=True)
class _OpenCollection:
    """Hold a mapping or sequence whose end has not been reached."""

    anchor: str | None
    is_mapping: bool
    items: list[Any] = field(default_factory=list)
    merges: list[int] = field(default_factory=list)
    weight: int = _WEIGHT


class _RefusedError(Exception):
    """Report something that YAML allows and a shot list does not need."""

    def __init__(self, *, value: str = "", remedy: str) -> None:
        super().__init__(value, remedy)
        self.value = value
        self.remedy = remedy


def read_yaml(text: str, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the values of a YAML text, mappings as :class:`~previs.shots.tree.Pairs`; follow merge keys (``<<``).

    Raises:
        ShotListFaults: The text is not YAML, or uses a refused feature.
    """
    if text.count("%TAG") > _MOST_TAG_DIRECTIVES:
        raise fault(name, "the file", "write plain values, without tags and their %TAG directives")
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            builder.take(event)
    except yaml.YAMLError as error:
        # A traceback would show PyYAML's own error, which quotes the text.
        raise _not_yaml(error, text, name) from None
    except _RefusedError as error:
        raise fault(name, _place(builder.mark), error.remedy, value=error.value) from error
    return builder.value


class _Builder:
    """Assemble the values event by event, without recursion."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.value: Any = None
        self.mark: _Mark | None = None
        self._documents = 0
        self._nodes = 0
        self._open: list[_OpenCollection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}

    def take(self, event: yaml.Event) -> None:
        """Process one event; ``mark`` is its position, also when it raises _RefusedError."""
        self.mark = event.start_mark
        if isinstance(event, yaml.NodeEvent):
            self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _RefusedError(remedy="a second document starts here: one file holds one shot list")

    def _node(self, event: yaml.NodeEvent) -> None:
        self._nodes += not self._at_key()
        if self._nodes > MOST_VALUES:
            raise too_many_values(self.name)
        if isinstance(event, yaml.AliasEvent):
            self._add(*self._aliased(event.anchor or ""))
        elif isinstance(event, yaml.ScalarEvent):
            if self._at_key() and event.implicit[0] and event.value == "<<":
                self._open[-1].merges.append(len(self._open[-1].items))
            value = event.value if self._at_key() else _scalar(event)
            weight = _WEIGHT + len(event.value)
            self._set_anchor(event.anchor, value, weight)
            self._add(value, weight)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise _RefusedError(value="a tag", remedy="write plain values, without tags")
        if self._at_key():
            raise _RefusedError(remedy="a field's name is expected here, not a list or mapping")
        if len(self._open) >= DEEPEST:
            raise _RefusedError(remedy="lists and mappings are nested too deeply for a shot list")
        self._open.append(_OpenCollection(event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _close(self) -> None:
        done = self._open.pop()
        value = _mapping(done) if done.is_mapping else done.items
        self._set_anchor(done.anchor, value, done.weight)
        self._add(value, done.weight)

    def _at_key(self) -> bool:
        return bool(self._open) and self._open[-1].is_mapping and len(self._open[-1].items) % 2 == 0

    def _aliased(self, anchor: str) -> tuple[Any, int]:
        if anchor not in self._anchors:
            raise _RefusedError(value="an alias", remedy="this alias has no complete anchor before it")
        if self._at_key():
            raise _RefusedError(value="an alias", remedy="a field's name is expected here, not an alias")
        return self._anchors[anchor]

    def _set_anchor(self, anchor: str | None, value: Any, weight: int) -> None:  # noqa: ANN401 - whatever the file holds
        if anchor is not None:
            self._anchors[anchor] = (value, weight)

    def _add(self, value: Any, weight: int) -> None:  # noqa: ANN401 - whatever the file holds
        if not self._open:
            self.value = value
            return
        parent = self._open[-1]
        if parent.merges and parent.merges[-1] == len(parent.items) - 1:
            _check_merged(value)
        parent.items.append(value)
        parent.weight += weight
        if parent.weight > LARGEST_WEIGHT:
            remedy = "the list is too large here: its aliases expand to more than a shot list can hold"
            raise _RefusedError(remedy=remedy)


def _scalar(event: yaml.ScalarEvent) -> Any:  # noqa: ANN401 - whatever the file holds
    text: str = event.value
    if event.tag in _TEXT_TAGS or (event.tag is None and not event.implicit[0]):
        return text
    if event.tag is not None:
        raise _RefusedError(value="a tag", remedy="write plain values, without tags")
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _mapping(done: _OpenCollection) -> Pairs:
    pairs = list(zip(done.items[::2], done.items[1::2], strict=True))
    merges = {index // 2 for index in done.merges}
    own = Pairs.of([pair for index, pair in enumerate(pairs) if index not in merges])
    for index in sorted(merges):
        for mapping in _merged(pairs[index][1]):
            for key, value in mapping.items():
                own.setdefault(key, value)
    return own


def _merged(value: Any) -> list[Pairs]:  # noqa: ANN401 - whatever the file holds
    return value if isinstance(value, list) else [value]


def _check_merged(value: object) -> None:
    if not all(isinstance(mapping, Pairs) for mapping in _merged(value)):
        raise _RefusedError(remedy="<< takes a mapping, or a list of mappings, with an anchor before it")


def _place(mark: _Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"


def _not_yaml(error: yaml.YAMLError, text: str, name: str) -> ShotListFaults:
    if isinstance(error, yaml.MarkedYAMLError):
        remedy = "this is not valid YAML: check the indentation, and put text that contains : or # or quotes in quotes"
        # The parser in Python quotes the text in its messages, libyaml does not.
        problem = (error.problem or "") if _PARSER is not yaml.SafeLoader else ""
        return fault(name, _place(error.problem_mark), remedy, value=problem)
    position = getattr(error, "position", 0)
    place = f"line {text.count(chr(10), 0, position) + 1}"
    return fault(name, place, "a character that YAML does not allow, such as a control character")
