"""Describe for people the changes in what a take is made from; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from previs.comfyui.protocol.graph import Graph, is_link, links, readable
from previs.comfyui.protocol.input_check import format_value
from previs.planning.fingerprint import fingerprint
from previs.planning.plan import UPLOAD_FOLDER, TakeFrame
from previs.records.manifest import TakeEntry
from previs.store.addresses import kind_of
from previs.store.addresses import shown as shown_address
from previs.workflow import BindingRow, checkpoint_of
from previs.workflow.binding.bindings import OVERRIDE, WHATS, Slot
from previs.workflow.binding.traversal import OUTPUT_PREFIX, in_order, place_of

_MOST_SHOWN = 5
_LONGEST, _LONG_EQUAL, _BEFORE_CHANGE = 56, 32, 16
_GIVEN_PICTURE = "a given picture"
_ABSENT: Final = object()
_NO_FRAMES: Final[Mapping[str, TakeFrame]] = {}
_PICTURE = re.compile(rf"{UPLOAD_FOLDER}/(?:shot-)?([0-9a-f]{{64}})\.\w+")
_SECRET = re.compile(r"(?:^|_)(?:api_?key|access_key|authorization|passw(?:or)?d|secret|token)$", re.IGNORECASE)


class BoundTake(Protocol):
    """Hold what a take is made from, as :class:`previs.planning.plan.PlannedTake` does."""

    @property
    def graph(self) -> Graph:
        """Return the graph, bound to the shot."""

    @property
    def rows(self) -> Sequence[BindingRow]:
        """Return which inputs of the graph take which values of the shot."""

    @property
    def seed(self) -> int:
        """Return the take's seed."""


@dataclass(frozen=True, slots=True)
class Change:
    """Represent one difference between what a take was made from and what it would be made from.

    Attributes:
        what: The value of the shot, such as ``prompt``; else the input's name, or the node that is new or gone.
        place: The node that holds it; empty if ``what`` names the node.
        was: The old value as people read it, shortened; empty if it was absent or cannot be shown.
        now: The new value, likewise.
    """

    what: str
    place: str
    was: str
    now: str

    def __str__(self) -> str:
        where = f"{self.what} at {self.place}" if self.place else self.what
        if self.was and self.now:
            return f"{where}: {self.was} → {self.now}"
        if self.now:
            return f"{where} is new: {self.now}"
        return f"{where} is gone: {self.was}" if self.was else f"{where} changed"


def summarize(found: Sequence[Change]) -> tuple[str, ...]:
    """Return the first changes as sentences, and the number of the others."""
    first = tuple(str(change) for change in found[:_MOST_SHOWN])
    more = len(found) - len(first)
    return (*first, f"and {more} more {'change' if more == 1 else 'changes'}") if more else first


def checkpoint_in(graph: Graph) -> str | None:
    """Return the model file that a graph samples with first, or None. Links may name nodes that do not exist."""
    loose = {
        node_id: {name for name, source, _ in links(node) if source not in graph} for node_id, node in graph.items()
    }
    return checkpoint_of(
        {
            node_id: {
                "class_type": node["class_type"],
                "inputs": {name: value for name, value in node["inputs"].items() if name not in loose[node_id]},
            }
            for node_id, node in graph.items()
        }
    )


def changes(
    before: TakeEntry, after: BoundTake, *, derived: bool = False, frames: Mapping[str, TakeFrame] = _NO_FRAMES
) -> tuple[Change, ...]:
    """Compare what a take was made from with what it would be made from; values of the shot come first.

    Titles of nodes and names of output files do not count. If most nodes differ, one change reports another workflow
    in place of its nodes.

    Args:
        before: The take in the last run.
        after: The take now.
        derived: Whether the seed is derived from the graph, then and now; it is reported only if nothing else changed.
        frames: Frames of other shots' takes, by fingerprint and by SHA-256: a planned graph names them by the first, a
            rendered one by the second.
    """
    old, new = readable(before.graph), after.graph
    if _is_another_workflow(old, new):
        return tuple(_workflow_changes(old, new))
    describer = _Describer(old, new, {(row.node_id, row.input): row for row in reversed(after.rows)}, frames)
    values, nodes = list(_changed_values(old, new, frames)), list(_changed_nodes(old, new))
    rest = [each for each in values if not (derived and describer.is_seed(each, before.seed, after.seed))]
    if not (rest or nodes):
        rest = values
    bound = describer.bound(each for each in rest if describer.meaning(each))
    others = [each for each in rest if not describer.meaning(each)]
    widgets = [describer.change(each) for each in others if not each.is_link]
    return (*bound, *nodes, *widgets, *(describer.change(each) for each in others if each.is_link))


@dataclass(frozen=True, slots=True)
class _Value:
    """Represent an input whose value changed; :data:`_ABSENT` stands for an input that does not exist."""

    slot: Slot
    was: Any
    now: Any

    @property
    def is_link(self) -> bool:
        return is_link(self.was) or is_link(self.now)


def _is_another_workflow(old: Graph, new: Graph) -> bool:
    same = [node_id for node_id in old.keys() & new.keys() if old[node_id]["class_type"] == new[node_id]["class_type"]]
    return 2 * len(same) < len(old.keys() | new.keys())


def _workflow_changes(old: Graph, new: Graph) -> Iterator[Change]:
    was, now = len(old), len(new)
    sizes = (f"{was} nodes", f"{now} nodes") if was != now else ("", "")
    yield Change("the workflow", "", *sizes)
    models = checkpoint_in(old), checkpoint_in(new)
    if models[0] != models[1]:
        yield Change("checkpoint", "", *(format_value(model) if model else "" for model in models))


def _changed_nodes(old: Graph, new: Graph) -> Iterator[Change]:
    """Yield nodes that are new, gone, or of another class."""
    for node_id in in_order(old.keys() | new.keys()):
        was, now = (graph[node_id]["class_type"] if node_id in graph else "" for graph in (old, new))
        if was != now:
            yield Change(f"node {node_id}", "", was, now)


def _changed_values(old: Graph, new: Graph, frames: Mapping[str, TakeFrame]) -> Iterator[_Value]:
    """Yield the inputs that differ in nodes that kept their class."""
    for node_id in in_order(old.keys() & new.keys()):
        if old[node_id]["class_type"] != new[node_id]["class_type"]:
            continue
        before, after = old[node_id]["inputs"], new[node_id]["inputs"]
        for name in dict.fromkeys((*after, *before)):
            was, now = before.get(name, _ABSENT), after.get(name, _ABSENT)
            frame = _frame(was, frames)
            same = was is now or (frame is not None and now == frame.name) or _canonical(was) == _canonical(now)
            if name != OUTPUT_PREFIX and not same:
                yield _Value((node_id, name), was, now)


def _canonical(value: object) -> str:
    """Return a text that is equal for values that fingerprints count as equal: 1 and 1.0, but not true."""
    if value is _ABSENT:
        return ""
    try:
        return fingerprint({"": {"class_type": "", "inputs": {"": value}}})
    except ValueError:
        return repr(value)  # NaN and infinity are not JSON, but files from others may hold them


def _is_picture(value: object) -> bool:
    return isinstance(value, str) and _PICTURE.fullmatch(value) is not None


def _frame(value: object, frames: Mapping[str, TakeFrame]) -> TakeFrame | None:
    """Return the take's frame that an input names, or None if it names none that is known."""
    found = _PICTURE.fullmatch(value) if isinstance(value, str) else None
    return frames.get(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class _Describer:
    """Describe changed values as people read them.

    Attributes:
        rows: Bound inputs, by their slots.
        frames: Frames of other shots' takes, by fingerprint and by SHA-256.
    """

    old: Graph
    new: Graph
    rows: Mapping[Slot, BindingRow]
    frames: Mapping[str, TakeFrame]

    def meaning(self, value: _Value) -> str:
        """Return which value of a shot an input takes; empty if none."""
        row = self.rows.get(value.slot)
        return row.what if row else ""

    def is_seed(self, value: _Value, before: int | None, after: int) -> bool:
        """Return whether a value is the take's seed, then and now."""
        return self.meaning(value) == "seed" and value.now == after and before in (None, value.was)

    def bound(self, values: Iterable[_Value]) -> list[Change]:
        """Describe values of a shot in the order of their meanings, each once even if several nodes take it."""
        once: dict[tuple[str, str, str], _Value] = {}
        for value in values:
            once.setdefault((self.meaning(value), _canonical(value.was), _canonical(value.now)), value)
        # A meaning may carry a detail, such as "reference (style)".
        found = sorted(once.values(), key=lambda value: WHATS.index(self.meaning(value).partition(" (")[0]))
        return [self.change(value) for value in found]

    def change(self, value: _Value) -> Change:
        """Describe one value."""
        node_id, name = value.slot
        meaning, place = self.meaning(value), place_of(self.new, node_id)
        what = name if meaning in ("", OVERRIDE) else meaning.replace("_", " ")
        if _SECRET.search(name):
            return Change(what, place, "", "")
        if _is_picture(value.was) or _is_picture(value.now):
            return self._picture(what, place, value)
        if isinstance(value.was, str) and isinstance(value.now, str):
            was, now = _from_difference(_without_secrets(value.was), _without_secrets(value.now))
        else:
            was, now = self._format(self.old, value.was), self._format(self.new, value.now)
        return Change(what, place, was, now) if was != now else Change(what, place, "", "")

    def _picture(self, what: str, place: str, value: _Value) -> Change:
        """Describe a picture by its shot and take, because its file name is a hash."""
        was, now = self._picture_name(self.old, value.was), self._picture_name(self.new, value.now)
        if was != now:
            return Change(f"the picture of {what}", place, was, now)
        owner = "" if now == _GIVEN_PICTURE else f"{now}, "
        return Change(f"{owner}the picture of {what}", place, "", "")

    def _picture_name(self, graph: Graph, value: Any) -> str:  # noqa: ANN401 - an input may hold anything
        if not _is_picture(value):
            return self._format(graph, value)
        frame = _frame(value, self.frames)
        return f"shot {frame.shot_id}, {frame.pass_name or f'take {frame.take}'}" if frame else _GIVEN_PICTURE

    def _format(self, graph: Graph, value: Any) -> str:  # noqa: ANN401 - an input may hold anything
        if value is _ABSENT:
            return ""
        if is_link(value) and value[0] in graph:
            return f"output {value[1]} of {place_of(graph, value[0])}"
        return format_value(_without_secrets(value) if isinstance(value, str) else value)


def _without_secrets(text: str) -> str:
    """Return a text without the passwords and signatures of a URL."""
    return shown_address(text) if kind_of(text) in ("http", "unknown") else text


def _from_difference(was: str, now: str) -> tuple[str, str]:
    """Return two texts, shortened to the part where they begin to differ."""
    equal = next((index for index, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
    start = equal - _BEFORE_CHANGE if equal > _LONG_EQUAL else 0
    start = (was.find(" ", start, equal) + 1 or start) if start else 0
    return _excerpt(was, start), _excerpt(now, start)


def _excerpt(text: str, start: int) -> str:
    piece = text[start : start + _LONGEST]
    return format_value(f"{'…' if start else ''}{piece}{'…' if len(text) > start + _LONGEST else ''}")
