"""Resolve references to other shots' frames and order the shots by them.

``shot:SQ010_SH010`` is the frame of that shot's chosen take, ``shot:SQ010_SH010#2`` the frame of its take 2.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Final

from previs.errors import MOST_FAULTS, Fault
from previs.shots.fields import MOST_TAKES
from previs.shots.models import Shot, ShotList
from previs.shots.rules import same_name
from previs.text.similar import Budget, closest

_SCHEME: Final = re.compile(r"shot:", re.IGNORECASE)
_TAKE: Final = re.compile(r"#0*(\d{1,9})$")
_LONGEST_PATH: Final = 12
_LONGEST_VALUE: Final = 60
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class ShotFrame:
    """Identify a frame of another shot of the list; without a take, of the chosen take."""

    label: str
    take: int | None = None


@dataclass(frozen=True, slots=True)
class Chains:
    """Hold the dependencies between the shots of a list.

    Attributes:
        order: All shots, each after the shots it depends on.
        frames: Frames of other shots, by the ``url`` of the reference.
        faults: Unknown shots and cycles, the first of each; ``frames`` leaves such references out.
        more: How many faults there are beyond these.
    """

    order: tuple[Shot, ...]
    frames: Mapping[str, ShotFrame]
    faults: tuple[Fault, ...] = ()
    more: int = 0

    def parents(self, shot: Shot) -> tuple[ShotFrame, ...]:
        """Return the frames of other shots that a shot refers to."""
        return tuple(self.frames[each.url] for each in shot.references if each.url in self.frames)

    def needed(self, labels: Iterable[str]) -> frozenset[str]:
        """Return the given shots and every shot they depend on."""
        found = set(labels)
        for shot in reversed(self.order):
            if shot.label in found:
                found.update(frame.label for frame in self.parents(shot))
        return frozenset(found)


def names_shot(url: str) -> bool:
    """Return whether a reference is another shot's frame."""
    return _SCHEME.match(url) is not None


def read_chains(shot_list: ShotList) -> Chains:
    """Find the dependencies between shots, and every fault in them."""
    shots = {shot.label: shot for shot in shot_list.shots}
    names = {same_name(label): label for label in shots}
    frames: dict[str, ShotFrame] = {}
    faults: list[Fault] = []
    more = 0
    budget = Budget()
    places = {shot.label: shot_place(number, shot) for number, shot in enumerate(shot_list.shots, 1)}
    for shot in shot_list.shots:
        for index, reference in enumerate(shot.references):
            if names_shot(reference.url):
                found = _frame(reference.url, names)
                if isinstance(found, ShotFrame):
                    frames[reference.url] = found
                elif len(faults) < MOST_FAULTS:
                    value = reference.url[:_LONGEST_VALUE]
                    remedy = found or _unknown_shot(reference.url, names, budget)
                    faults.append(Fault(places[shot.label], f"references[{index}].url", value, remedy))
                else:
                    more += 1
    order, cycles, uncounted = _in_order(shots, frames)
    faults += [_cycle_fault(cycle, places) for cycle in cycles]
    return Chains(tuple(order), frames, tuple(faults), more + uncounted)


def shot_place(number: int, shot: Shot) -> str:
    """Return the place of a shot as faults name it; the first shot has number 1."""
    return f"shot {number} (shot_id {shot.label})"


def _frame(url: str, names: Mapping[str, str]) -> ShotFrame | str:
    """Return the frame that a reference names, or the remedy if it names none; empty for an unknown shot."""
    name = same_name(_SCHEME.sub("", url, count=1))
    if name in names:
        return ShotFrame(names[name])
    shot, take = _shot_and_take(name)
    if shot not in names:
        return ""
    if take is not None and not 1 <= take <= MOST_TAKES:
        return f"a take's number is from 1 to {MOST_TAKES}"
    return ShotFrame(names[shot], take)


def _shot_and_take(name: str) -> tuple[str, int | None]:
    found = _TAKE.search(name)
    return (same_name(name[: found.start()]), int(found[1])) if found else (name, None)


def _unknown_shot(url: str, names: Mapping[str, str], budget: Budget) -> str:
    """Return the remedy for an unknown shot."""
    shot, _ = _shot_and_take(same_name(_SCHEME.sub("", url, count=1)))
    known = same_name(shot.rpartition("#")[0])
    if known in names:
        return f"write the number of a take after #, such as shot:{names[known]}#2"
    if close := closest(shot, names, budget=budget, most=1):
        return f"no shot of the list has this shot_id; did you mean shot:{names[close[0]]}?"
    listed = ", ".join(islice(names.values(), _LISTED)) + (", …" if len(names) > _LISTED else "")
    return f"no shot of the list has this shot_id; the list has {listed}"


def _in_order(shots: Mapping[str, Shot], frames: Mapping[str, ShotFrame]) -> tuple[list[Shot], list[list[str]], int]:
    """Return every shot after its dependencies; the first cycles, of which one reference each was ignored; their rest.

    The order counts only if there is no cycle.
    """
    dependencies = {
        label: list(dict.fromkeys(frames[each.url].label for each in shot.references if each.url in frames))
        for label, shot in shots.items()
    }
    try:
        return [shots[label] for label in TopologicalSorter(dependencies).static_order()], [], 0
    except CycleError:
        return list(shots.values()), *_cycles(dependencies)


def _cycles(dependencies: Mapping[str, Sequence[str]]) -> tuple[list[list[str]], int]:
    """Return the first cycles, each from a shot along its dependencies back to it, and how many more there are."""
    cycles: list[list[str]] = []
    more = 0
    done: set[str] = set()
    for start in dependencies:
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(dependencies[start])}
        while path:
            label = next(reversed(path))
            below = next(path[label], None)
            if below is None:
                del path[label]
                done.add(label)
            elif below in path:
                if len(cycles) < MOST_FAULTS:
                    steps = list(path)
                    cycles.append([*steps[steps.index(below) :], below])
                else:
                    more += 1
            elif below not in done:
                path[below] = iter(dependencies[below])
    return cycles, more


def _cycle_fault(cycle: list[str], places: Mapping[str, str]) -> Fault:
    path = " → ".join(cycle if len(cycle) <= _LONGEST_PATH else [*cycle[: _LONGEST_PATH - 2], "…", cycle[-1]])
    remedy = "these shots form a cycle: remove one of these references"
    return Fault(places[cycle[0]], "references", path, remedy)
