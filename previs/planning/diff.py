"""What changed in what a take is made from, for people; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from previs.comfyui.protocol.graph import Graph, is_link, links
from previs.comfyui.protocol.input_check import format_value
from previs.planning.fingerprint import fingerprint
from previs.planning.plan import UPLOAD_FOLDER, TakeFrame
from previs.records.manifest import TakeEntry
from previs.store.addresses import kind_of
from previs.store.addresses import shown as shown_address
from previs.workflow import BindingRow, checkpoint_of
from previs.workflow.binding.bindings import OVERRIDE, WHATS, Slot
from previs.workflow.binding.traversal import OUTPUT_PREFIX, in_order, place_of

_MOST_TOLD = 5
_LONGEST, _LONG_ALIKE, _BEFORE_CHANGE = 60, 32, 16
_GIVEN = "a given picture"
_ABSENT: Final = object()
_NO_FRAMES: Final[Mapping[str, TakeFrame]] = {}
_PICTURE = re.compile(rf"{UPLOAD_FOLDER}/(?:shot-)?([0-9a-f]{{64}})\.\w+")
_SECRET = re.compile(r"(?:^|_)(?:api_?key|access_key|authorization|passw(?:or)?d|secret|token)$", re.IGNORECASE)


class Bound(Protocol):
    """What a take is made from, as :class:`previs.planning.plan.PlannedTake` has it."""

    @property
    def graph(self) -> Graph:
        """Bound to the shot."""

    @property
    def rows(self) -> Sequence[BindingRow]:
        """Which inputs of the graph take what of the shot."""

    @property
    def seed(self) -> int:
        """Of the take."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what a take was made from and what it would be made from.

    Attributes:
        what: of the shot, such as ``prompt``, or else the input's name, or the node that is new or gone.
        place: the node that holds it; empty where ``what`` says it.
        was: as a person would find it, shortened; empty where there was nothing, or nothing that can be shown.
        now: likewise.
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


def told_briefly(found: Sequence[Change]) -> tuple[str, ...]:
    """Write changes as sentences: the first ones, and how many more."""
    told = tuple(str(change) for change in found[:_MOST_TOLD])
    more = len(found) - len(told)
    return (*told, f"and {more} more {'change' if more == 1 else 'changes'}") if more else told


def recorded_graph(entry: TakeEntry) -> Graph:
    """Give the nodes of a manifest's graph that are nodes: with a class and inputs."""
    graph: Graph = {}
    for node_id, node in entry.graph.items():
        match node:
            case {"class_type": str(class_type), "inputs": dict(inputs)}:
                meta = node.get("_meta")
                graph[node_id] = {"class_type": class_type, "inputs": dict(inputs)}
                if isinstance(meta, dict):
                    graph[node_id]["_meta"] = meta
    return graph


def checkpoint_in(graph: Graph) -> str | None:
    """Give the model file that a graph samples with first, though its links may lead nowhere; none if it loads none."""
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
    before: TakeEntry, after: Bound, *, derived: bool = False, frames: Mapping[str, TakeFrame] = _NO_FRAMES
) -> tuple[Change, ...]:
    """Compare what a take was made from with what it would be made from; what shots set comes first.

    Titles of nodes and names of output files are no changes. Where most nodes are others, it is another workflow,
    and they are not told one by one.

    Args:
        before: the take in the last run.
        after: the take now.
        derived: whether its seed followed from the rest of the graph, and does so now: then it is told only where
            nothing else changed.
        frames: of other shots' takes, as graphs name them: by fingerprint before they are there, then by SHA-256.
    """
    old, new = recorded_graph(before), after.graph
    if _another_workflow(old, new):
        return tuple(_of_another_workflow(old, new))
    told = _Telling(old, new, {(row.node_id, row.input): row for row in reversed(after.rows)}, frames)
    values, nodes = list(_values(old, new, frames)), list(_nodes(old, new))
    rest = [each for each in values if not (derived and told.is_seed(each, before.seed, after.seed))]
    if not (rest or nodes):
        rest = values
    bound = told.bound(each for each in rest if told.meaning(each))
    others = [each for each in rest if not told.meaning(each)]
    held = [told.change(each) for each in others if not each.is_link]
    return (*bound, *nodes, *held, *(told.change(each) for each in others if each.is_link))


@dataclass(frozen=True, slots=True)
class _Value:
    """An input that does not hold what it held; :data:`_ABSENT` where it is not there."""

    slot: Slot
    was: Any
    now: Any

    @property
    def is_link(self) -> bool:
        return is_link(self.was) or is_link(self.now)


def _another_workflow(old: Graph, new: Graph) -> bool:
    same = [node_id for node_id in old.keys() & new.keys() if old[node_id]["class_type"] == new[node_id]["class_type"]]
    return 2 * len(same) < len(old.keys() | new.keys())


def _of_another_workflow(old: Graph, new: Graph) -> Iterator[Change]:
    was, now = len(old), len(new)
    sizes = (f"{was} nodes", f"{now} nodes") if was != now else ("", "")
    yield Change("the workflow", "", *sizes)
    models = checkpoint_in(old), checkpoint_in(new)
    if models[0] != models[1]:
        yield Change("checkpoint", "", *(format_value(model) if model else "" for model in models))


def _nodes(old: Graph, new: Graph) -> Iterator[Change]:
    """Find nodes that are new, gone, or of another class."""
    for node_id in in_order(old.keys() | new.keys()):
        was, now = (graph[node_id]["class_type"] if node_id in graph else "" for graph in (old, new))
        if was != now:
            yield Change(f"node {node_id}", "", was, now)


def _values(old: Graph, new: Graph, frames: Mapping[str, TakeFrame]) -> Iterator[_Value]:
    """Find what differs in nodes that stayed what they are."""
    for node_id in in_order(old.keys() & new.keys()):
        if old[node_id]["class_type"] != new[node_id]["class_type"]:
            continue
        held, holds = old[node_id]["inputs"], new[node_id]["inputs"]
        for name in dict.fromkeys((*holds, *held)):
            was, now = held.get(name, _ABSENT), holds.get(name, _ABSENT)
            frame = _frame(was, frames)
            same = was is now or (frame is not None and now == frame.name) or _mark(was) == _mark(now)
            if name != OUTPUT_PREFIX and not same:
                yield _Value((node_id, name), was, now)


def _mark(value: object) -> str:
    """What a value comes to in a fingerprint: 1 is 1.0, but not true."""
    if value is _ABSENT:
        return ""
    try:
        return fingerprint({"": {"class_type": "", "inputs": {"": value}}})
    except ValueError:
        return repr(value)  # NaN and infinity, which JSON of strangers may hold


def _is_picture(value: object) -> bool:
    return isinstance(value, str) and _PICTURE.fullmatch(value) is not None


def _frame(value: object, frames: Mapping[str, TakeFrame]) -> TakeFrame | None:
    """The frame of a take that a graph names, if it is known."""
    found = _PICTURE.fullmatch(value) if isinstance(value, str) else None
    return frames.get(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class _Telling:
    """Puts changes into words.

    Attributes:
        old: the graph of the last run.
        new: the graph now.
        rows: what is bound, by where it is held.
        frames: of other shots' takes.
    """

    old: Graph
    new: Graph
    rows: Mapping[Slot, BindingRow]
    frames: Mapping[str, TakeFrame]

    def meaning(self, value: _Value) -> str:
        """What of a shot an input takes; empty if nothing."""
        row = self.rows.get(value.slot)
        return row.what if row else ""

    def is_seed(self, value: _Value, before: int | None, after: int) -> bool:
        """Whether a value is the take's seed, and was."""
        return self.meaning(value) == "seed" and value.now == after and before in (None, value.was)

    def bound(self, values: Iterable[_Value]) -> list[Change]:
        """Write down values of a shot, each once though several nodes take it, in the order of their meanings."""
        once: dict[tuple[str, str, str], _Value] = {}
        for value in values:
            once.setdefault((self.meaning(value), _mark(value.was), _mark(value.now)), value)
        found = sorted(once.values(), key=lambda value: WHATS.index(_base(self.meaning(value))))
        return [self.change(value) for value in found]

    def change(self, value: _Value) -> Change:
        """Write down one value."""
        node_id, name = value.slot
        meaning, place = self.meaning(value), place_of(self.new, node_id)
        what = name if meaning in ("", OVERRIDE) else meaning.replace("_", " ")
        if _SECRET.search(name):
            return Change(what, place, "", "")
        if _is_picture(value.was) or _is_picture(value.now):
            return self._picture(what, place, value)
        if isinstance(value.was, str) and isinstance(value.now, str):
            was, now = _apart(_bare(value.was), _bare(value.now))
        else:
            was, now = self._said(self.old, value.was), self._said(self.new, value.now)
        return Change(what, place, was, now) if was != now else Change(what, place, "", "")

    def _picture(self, what: str, place: str, value: _Value) -> Change:
        """Write down a picture, whose name is a hash and tells a person nothing."""
        was, now = self._called(self.old, value.was), self._called(self.new, value.now)
        if was != now:
            return Change(f"the picture of {what}", place, was, now)
        whose = "" if now == _GIVEN else f"{now}, "
        return Change(f"{whose}the picture of {what}", place, "", "")

    def _called(self, graph: Graph, value: Any) -> str:  # noqa: ANN401 - an input may hold anything
        if not _is_picture(value):
            return self._said(graph, value)
        frame = _frame(value, self.frames)
        return f"shot {frame.shot_id}, take {frame.take}" if frame else _GIVEN

    def _said(self, graph: Graph, value: Any) -> str:  # noqa: ANN401 - an input may hold anything
        if value is _ABSENT:
            return ""
        if is_link(value) and value[0] in graph:
            return f"output {value[1]} of {place_of(graph, value[0])}"
        return format_value(_bare(value) if isinstance(value, str) else value)


def _base(meaning: str) -> str:
    """``reference`` of ``reference (style)``."""
    return meaning.partition(" (")[0]


def _bare(text: str) -> str:
    """A text without what an address may hold of passwords and signatures."""
    return shown_address(text) if kind_of(text) in ("http", "unknown") else text


def _apart(was: str, now: str) -> tuple[str, str]:
    """Two texts, shortened to where they begin to differ."""
    alike = next((place for place, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
    start = alike - _BEFORE_CHANGE if alike > _LONG_ALIKE else 0
    start = (was.find(" ", start, alike) + 1 or start) if start else 0
    return _window(was, start), _window(now, start)


def _window(text: str, start: int) -> str:
    piece = text[start : start + _LONGEST]
    return format_value(f"{'…' if start else ''}{piece}{'…' if len(text) > start + _LONGEST else ''}")
