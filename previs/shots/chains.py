"""Shots that build on shots: a reference ``shot:SQ010_SH010`` is that shot's frame.

Without more it is the chosen take's frame; ``shot:SQ010_SH010#2`` is that of take 2.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import Final

from previs.errors import Fault
from previs.shots.models import MOST_TAKES, Shot, ShotList
from previs.shots.rules import same_name

_SCHEME: Final = re.compile(r"shot:", re.IGNORECASE)
_TAKE: Final = re.compile(r"#0*(\d{1,9})$")
_LONGEST_PATH: Final = 12
_LONGEST_VALUE: Final = 200
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class ShotFrame:
    """A frame of another shot of the list.

    Attributes:
        label: of that shot.
        take: its number; none for the take that stands for the shot.
    """

    label: str
    take: int | None = None


@dataclass(frozen=True, slots=True)
class Chains:
    """Which shots of a list build on which.

    Attributes:
        order: all shots, each after those that it builds on.
        frames: what references name, by their ``url``.
        faults: unknown shots and circles; those references are in no chain.
    """

    order: tuple[Shot, ...]
    frames: Mapping[str, ShotFrame]
    faults: tuple[Fault, ...] = ()

    def sources(self, shot: Shot) -> tuple[ShotFrame, ...]:
        """The frames of other shots that a shot builds on."""
        return tuple(self.frames[each.url] for each in shot.references if each.url in self.frames)

    def needed(self, labels: Iterable[str]) -> frozenset[str]:
        """Shots and all that they build on."""
        found = set(labels)
        for shot in reversed(self.order):
            if shot.label in found:
                found.update(frame.label for frame in self.sources(shot))
        return frozenset(found)


def names_shot(url: str) -> bool:
    """Whether a reference is another shot's frame."""
    return _SCHEME.match(url) is not None


def read_chains(shot_list: ShotList) -> Chains:
    """Find which shots build on which, and everything that is wrong with it."""
    shots = {shot.label: shot for shot in shot_list.shots}
    names = {same_name(label): label for label in shots}
    frames: dict[str, ShotFrame] = {}
    faults: list[Fault] = []
    for number, shot in enumerate(shot_list.shots, 1):
        for index, reference in enumerate(shot.references):
            if names_shot(reference.url):
                found = _frame(reference.url, names)
                if isinstance(found, ShotFrame):
                    frames[reference.url] = found
                else:
                    faults.append(
                        Fault(_place(number, shot), f"references[{index}].url", reference.url[:_LONGEST_VALUE], found)
                    )
    order, circles = _in_order(shots, frames)
    places = {shot.label: _place(number, shot) for number, shot in enumerate(shot_list.shots, 1)}
    faults += [_circle(circle, places) for circle in circles]
    return Chains(tuple(order), frames, tuple(faults))


def _place(number: int, shot: Shot) -> str:
    return f"shot {number} (shot_id {shot.label})"


def _frame(url: str, names: Mapping[str, str]) -> ShotFrame | str:
    """What a reference names, or what would be right."""
    name = same_name(_SCHEME.sub("", url, count=1))
    if name in names:
        return ShotFrame(names[name])
    shot, take = name, None
    if found := _TAKE.search(name):
        shot, take = same_name(name[: found.start()]), int(found[1])
    if shot not in names:
        return _unknown(shot, names)
    if take is not None and not 1 <= take <= MOST_TAKES:
        return f"a take's number is from 1 to {MOST_TAKES}"
    return ShotFrame(names[shot], take)


def _unknown(shot: str, names: Mapping[str, str]) -> str:
    before = same_name(shot.rpartition("#")[0])
    if before in names:
        return f"after # comes the number of a take, such as shot:{names[before]}#2"
    if close := get_close_matches(shot, names, n=1):
        return f"no shot of the list has this shot_id; did you mean shot:{names[close[0]]}?"
    listed = ", ".join(list(names.values())[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return f"no shot of the list has this shot_id; there are {listed}"


def _in_order(shots: Mapping[str, Shot], frames: Mapping[str, ShotFrame]) -> tuple[list[Shot], list[list[str]]]:
    """Every shot after its sources, and the circles that had to be cut for it."""
    needs = {
        label: list(dict.fromkeys(frames[each.url].label for each in shot.references if each.url in frames))
        for label, shot in shots.items()
    }
    circles: list[list[str]] = []
    while True:
        try:
            return [shots[label] for label in TopologicalSorter(needs).static_order()], circles
        except CycleError as error:
            # Each label is needed by the next one.
            circle: list[str] = error.args[1]
            circles.append(circle[::-1])
            needs[circle[1]].remove(circle[0])


def _circle(circle: list[str], places: Mapping[str, str]) -> Fault:
    path = " → ".join(circle if len(circle) <= _LONGEST_PATH else [*circle[: _LONGEST_PATH - 2], "…", circle[-1]])
    remedy = "shots build on each other in a circle: take one of these references out"
    return Fault(places[circle[0]], "references", path, remedy)
