"""Estimate how long renders will take, from those of past runs; pure."""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from statistics import median

from previs.comfyui.protocol.graph import Graph
from previs.planning.diff import checkpoint_in, recorded_graph
from previs.planning.plan import PlannedTake
from previs.records.manifest import Manifest

_Work = tuple[str | None, frozenset[tuple[float | None, ...]]]

_COUNTS = ("width", "height", "length", "batch_size")


class PastTakes:
    """Hold how long renders took in past runs.

    Args:
        runs: Manifests of a board, the last run first; the last render of a take counts.
    """

    def __init__(self, runs: Iterable[Manifest]) -> None:
        self._own: dict[tuple[str, int], tuple[_Work | None, float]] = {}
        of_work: dict[_Work, list[float]] = {}
        of_checkpoint: dict[str | None, list[float]] = {}
        everything: list[float] = []
        for label, number, graph, seconds in _rendered(runs):
            work = _work(graph) if graph else None
            self._own.setdefault((label, number), (work, seconds))
            everything.append(seconds)
            if work:
                of_work.setdefault(work, []).append(seconds)
                of_checkpoint.setdefault(work[0], []).append(seconds)
        self._of_work = {work: median(seconds) for work, seconds in of_work.items()}
        self._of_checkpoint = {checkpoint: median(seconds) for checkpoint, seconds in of_checkpoint.items()}
        self._usual = median(everything) if everything else None

    def seconds(self, take: PlannedTake) -> float | None:
        """Estimate the seconds that a take will need on a server; None if nothing is known.

        The take's own last render counts if its checkpoint and size are the same. Otherwise it is the median of takes
        with this checkpoint and size, else with this checkpoint, else of all.
        """
        work = _work(take.graph)
        before, own = self._own.get((take.shot.label, take.number), (None, None))
        if own is not None and before in (None, work):
            return own
        return self._of_work.get(work, self._of_checkpoint.get(work[0], self._usual))


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


def _rendered(runs: Iterable[Manifest]) -> Iterator[tuple[str, int, Graph, float]]:
    """Yield each render once, though later runs that found it in the cache record it too."""
    seen: set[str] = set()
    for run in runs:
        for shot in run.shots:
            for take in shot.takes:
                seconds = take.seconds
                if seconds is None or not isfinite(seconds) or seconds <= 0 or take.prompt_id in seen:
                    continue
                if take.prompt_id is not None:
                    seen.add(take.prompt_id)
                yield str(shot.shot_id), take.take, recorded_graph(take), seconds


def _work(graph: Graph) -> _Work:
    """Return what mostly decides how long a graph takes: its checkpoint and the sizes that its nodes make."""
    sizes = (tuple(_count(node["inputs"].get(name)) for name in _COUNTS) for node in graph.values())
    return checkpoint_in(graph), frozenset(size for size in sizes if None not in size[:2])


def _count(value: object) -> float | None:
    return value if isinstance(value, int | float) else None
