"""Estimate how long renders will take, from those of past runs; pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite, prod
from statistics import median

from previs.comfyui.protocol.graph import Graph, links, readable
from previs.planning.diff import checkpoint_in
from previs.planning.plan import PlannedTake, take_label
from previs.records.manifest import Manifest

_FRAMES = ("length", "video_frames", "num_frames", "seconds")
_BATCH = "batch_size"
_LARGEST_NUMBER = 1e9


@dataclass(frozen=True, slots=True)
class Estimate:
    """Say how long a render will probably take, and why.

    Attributes:
        seconds: Seconds on a server.
        basis: What that rests on, in a phrase.
    """

    seconds: float
    basis: str


@dataclass(frozen=True, slots=True)
class _Work:
    """Describe what decides how long a graph takes.

    Attributes:
        checkpoint: Model file that it samples with first.
        shape: Its nodes' classes and links; two graphs of one shape differ in values alone.
        amount: Steps × pixels × frames; what a graph does not state counts as 1.
    """

    checkpoint: str | None
    shape: frozenset[tuple[str, str, frozenset[tuple[str, str]]]]
    amount: float

    @property
    def graph(self) -> object:
        """Return what takes of the same graph have in common."""
        return self.checkpoint, self.shape


class PastTakes:
    """Hold how long renders took in past runs.

    Args:
        runs: Manifests of a board, the last run first; the last render of a take counts.
    """

    def __init__(self, runs: Iterable[Manifest]) -> None:
        self._own: dict[str, tuple[_Work | None, float]] = {}
        self._of_graph = defaultdict[object, list[tuple[float, float]]](list)
        self._of_checkpoint = defaultdict[str | None, list[tuple[float, float]]](list)
        self._all: list[float] = []
        # Thousands of takes of one graph need the same work.
        self._of_work: dict[_Work, Estimate] = {}
        for label, graph, seconds in _rendered(runs):
            work = _work(graph) if graph else None
            self._own.setdefault(label, (work, seconds))
            self._all.append(seconds)
            if work:
                self._of_graph[work.graph].append((work.amount, seconds))
                self._of_checkpoint[work.checkpoint].append((work.amount, seconds))

    def seconds(self, take: PlannedTake) -> float | None:
        """Return the seconds of :meth:`estimate`, or None."""
        known = self.estimate(take)
        return known.seconds if known else None

    def estimate(self, take: PlannedTake) -> Estimate | None:
        """Estimate the seconds that a take will need on a server; None if nothing is known.

        The take's own last render counts if its graph, steps, size and frames are the same. Otherwise takes of the same
        graph count, else takes with its checkpoint: their seconds are scaled to its steps × pixels × frames. Otherwise
        it is the median of all takes.
        """
        if not self._all:
            return None
        work = _work(take.graph)
        before, own = self._own.get(take.label, (None, None))
        if own is not None and before in (None, work):
            return Estimate(own, "its own last render")
        if work not in self._of_work:
            self._of_work[work] = self._from_others(work)
        return self._of_work[work]

    def _from_others(self, work: _Work) -> Estimate:
        for past, of in (
            (self._of_graph.get(work.graph), "of the same graph"),
            (self._of_checkpoint.get(work.checkpoint) if work.checkpoint else None, "with the same checkpoint"),
        ):
            if past:
                return _scaled(past, work.amount, of)
        return Estimate(median(self._all), "past takes of other graphs")


def _scaled(past: Collection[tuple[float, float]], amount: float, of: str) -> Estimate:
    """Compute the seconds of an amount of work, between the medians of takes that had less and more of it."""
    of_amount = defaultdict[float, list[float]](list)
    for each, seconds in past:
        of_amount[each].append(seconds)
    if same := of_amount.get(amount):
        return Estimate(median(same), f"past takes {of} and size")
    scaled = median(seconds / each for each, seconds in past) * amount
    least = max((median(seconds) for each, seconds in of_amount.items() if each < amount), default=0.0)
    most = min((median(seconds) for each, seconds in of_amount.items() if each > amount), default=inf)
    return Estimate(max(least, min(scaled, most)), f"past takes {of}, scaled by steps, size and frames")


def longest_chain(takes: Iterable[PlannedTake], seconds: Mapping[str, float | None]) -> float:
    """Return the seconds of the longest chain of takes that wait for each other; unknown ones count as 0.

    Args:
        takes: Takes of a plan, each after those that it builds on.
        seconds: Seconds of each take, by label.
    """
    until: dict[str, float] = {}
    for take in takes:
        before = max((until.get(frame.label, 0.0) for frame in take.builds_on), default=0.0)
        until[take.label] = before + (seconds.get(take.label) or 0.0)
    return max(until.values(), default=0.0)


def whole_run(seconds: Iterable[float | None], servers: int, longest: float = 0.0) -> float | None:
    """Estimate the seconds of a run whose servers share the work; None if a take's seconds are unknown.

    Args:
        seconds: Seconds of each take; 0 if it is cached.
        servers: Number of servers; 0 counts as 1.
        longest: Seconds of the longest chain, the least that the run needs.
    """
    known: list[float] = []
    for each in seconds:
        if each is None:
            return None
        known.append(each)
    return max(sum(known) / max(servers, 1), max(known, default=0.0), longest)


def _rendered(runs: Iterable[Manifest]) -> Iterator[tuple[str, Graph, float]]:
    """Yield each render once, by its label, though later runs that found it in the cache record it too."""
    seen: set[str] = set()
    for run in runs:
        for shot in run.shots:
            for take in shot.renders:
                seconds = take.seconds
                if seconds is None or not isfinite(seconds) or seconds <= 0 or take.prompt_id in seen:
                    continue
                if take.prompt_id is not None:
                    seen.add(take.prompt_id)
                yield take_label(str(shot.shot_id), take.take, take.pass_name), readable(take.graph), seconds


def _work(graph: Graph) -> _Work:
    shape = frozenset(
        (node_id, node["class_type"], frozenset((name, source) for name, source, _ in links(node)))
        for node_id, node in graph.items()
    )
    return _Work(checkpoint_in(graph), shape, _amount(graph))


def _amount(graph: Graph) -> float:
    """Return steps × pixels × frames: of several sizes, the largest of nodes that state how many pictures to make."""
    numbers = [{name: _number(graph, value) for name, value in node["inputs"].items()} for node in graph.values()]
    sized = [each for each in numbers if each.get("width") and each.get("height")]
    counted = [each for each in numbers if any(each.get(name) for name in (_BATCH, *_FRAMES))]
    sizes = [prod(each.get(name) or 1 for name in ("width", "height", _BATCH, *_FRAMES)) for each in counted or sized]
    return (sum(each.get("steps") or 0 for each in numbers) or 1) * max(sizes, default=1)


def _number(graph: Graph, value: object) -> float | None:
    """Return a positive number, also of the node that a link leads to if that only holds a value; else None."""
    match value:
        case [str() as source, 0] if source in graph:
            value = graph[source]["inputs"].get("value")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _LARGEST_NUMBER:
        return float(value)
    return None
