"""Choose the passes of a run, and make of a shot what its passes bind; pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from previs.errors import Fault, ShotListFaults
from previs.planning.plan import PlannedTake, TakeFrame
from previs.shots import Pass, Reference, Shot, ShotList
from previs.text.listing import first_of
from previs.text.similar import closest
from previs.text.visible import shortened, visible
from previs.workflow import Workflow

FRAME: Final = "frame"
"""Reference id under which the workflow of a pass gets the frame."""

_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class PassChoice:
    """Say which takes and passes a run renders.

    Attributes:
        names: Folded names of the passes, without other takes than those they are made from; None for all of both.
        picked_only: Whether only takes that a person picked go into passes.
    """

    names: frozenset[str] | None = None
    picked_only: bool = False

    def has(self, take: PlannedTake, chosen: Mapping[str, int]) -> bool:
        """Return whether a take or pass is asked for, if its shot is.

        Args:
            take: The take or pass.
            chosen: Numbers of the picked takes, by the shot's label.
        """
        if not take.pass_name:
            return self.names is None
        return self.has_pass(take.pass_name) and not (self.picked_only and take.shot.label not in chosen)

    def has_pass(self, name: str) -> bool:
        """Return whether passes of a name are asked for."""
        return self.names is None or name.casefold() in self.names


def choose_passes(shot_list: ShotList, names: Collection[str], asked: Collection[str]) -> frozenset[str] | None:
    """Return the folded names of the passes to render; None for all of them.

    Args:
        shot_list: Shots with their looks.
        names: Names as given; empty for all.
        asked: Labels of the shots to render.

    Raises:
        ShotListFaults: No shot to render has a pass of one of the names.
    """
    known = {each.name.casefold(): each.name for shot in shot_list.shots for each in shot.passes or ()}
    of_asked = {each.name.casefold() for shot in shot_list.shots if shot.label in asked for each in shot.passes or ()}
    faults = [
        Fault("passes", "", visible(shortened(repr(name))), _remedy(name.casefold(), known))
        for name in names
        if name.casefold() not in of_asked
    ]
    if faults:
        raise ShotListFaults("the choice of passes", tuple(faults))
    return frozenset(name.casefold() for name in names) or None


def _remedy(name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return "no shot that is rendered has this pass"
    if not known:
        return "the list has no passes: give passes to the list, a sequence or a shot"
    meant = closest(name, known, most=1)
    listed = f"did you mean {known[meant[0]]}?" if meant else f"there are {first_of(sorted(known.values()), _NAMED)}"
    return f"no shot has this pass; {listed}"


def pass_shot(shot: Shot, given: Pass, source: PlannedTake, workflow: Workflow) -> tuple[Shot, dict[str, TakeFrame]]:
    """Return a shot as one of its passes changes it, and the frame that the pass takes, by its reference.

    Args:
        shot: Shot with its looks.
        given: The pass.
        source: What the pass is made from: a take, or the pass before.
        workflow: Workflow of the pass.
    """
    negative = given.negative_prompt
    if negative is None and any(row.what == "negative_prompt" for row in workflow.report().rows):
        negative = shot.negative_prompt
    frame = Reference(url=f"frame:{source.label}", reference_id=FRAME, strength=given.strength, role=given.role)
    changes = {
        "prompt": shot.prompt if given.prompt is None else given.prompt,
        "negative_prompt": negative,
        "references": (frame, *(shot.references if given.with_references else ())),
        "workflow": given.workflow,
        "width": given.width,
        "height": given.height,
        "overrides": given.overrides,
    }
    return shot.looking(changes, shot.uses), {frame.url: source.frame}


def waiting_passes(shot_list: ShotList, choice: PassChoice, chosen: Mapping[str, int]) -> Iterator[str]:
    """Yield a notice on shots whose passes wait because no take is picked."""
    waiting = [shot.label for shot in shot_list.shots if shot.passes and shot.label not in chosen]
    if choice.picked_only and waiting:
        shown = first_of(waiting, _NAMED)
        yield f"passes wait until a take is picked: {shown}; pick with previs pick, or in a review"
