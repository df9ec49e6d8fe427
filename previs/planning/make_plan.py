"""Make the plan of a run; pure.

The caller passes in what must be read first: the bytes of the references and the board's picks.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from previs.errors import MOST_FAULTS, Fault, ShotListFaults, WorkflowFaults
from previs.planning.changed_looks import look_facts
from previs.planning.frame_qc import without_retry
from previs.planning.passes import PassChoice, choose_passes, pass_shot, waiting_passes
from previs.planning.plan import Plan, PlannedTake, ReferenceImage, TakeFrame, Workflows
from previs.planning.take_binder import TakeBinder, place_of
from previs.records.takes import Pick
from previs.shots import Chains, Shot, ShotList, read_chains, unused_fields
from previs.text.listing import first_of

_NAMED = 3
_LISTED = 20
_MOST_TAKES = 100_000
_SEVERAL = "the workflows"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Hold the options of a run.

    Attributes:
        binders: Binders of the workflows, by their names.
        takes: Takes per shot, unless the shot sets its own number.
        only: ``shot_id`` of the shots to render; all if empty.
        overrides: Inputs of the workflow's nodes for all shots; a shot's own overrides win.
        refresh: Whether to render stored takes again, or ``shot_id`` of the shots to render again.
        passes: Names of the passes to render, with the takes that these are made from; empty for all takes and passes.
        picked_only: Whether only takes that a person picked go into passes.
    """

    takes: int = 1
    only: Collection[int | str] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    refresh: bool | Collection[int | str] = False
    passes: Collection[str] = ()
    picked_only: bool = False


def choose_shots(shot_list: ShotList, names: Iterable[int | str], *, field: str = "only") -> frozenset[str]:
    """Return the labels of the shots with these shot ids.

    Raises:
        ShotListFaults: No shot has one of the ids.
    """
    labels = [shot.label for shot in shot_list.shots]
    chosen = [str(name) for name in names]
    known = set(labels)
    if unknown := [name for name in chosen if name not in known]:
        shown = ", ".join(labels[:_LISTED]) + (", …" if len(labels) > _LISTED else "")
        remedy = f"no shot has this shot_id; the list has {shown}"
        faults = tuple(Fault(field, "", repr(name), remedy) for name in unknown)
        raise ShotListFaults("the choice of shots", faults)
    return frozenset(chosen)


def make_plan(
    shot_list: ShotList,
    workflows: Workflows,
    pictures: Mapping[str, ReferenceImage],
    *,
    options: RunOptions = RunOptions(),
    picks: Mapping[str, Pick] | None = None,
    render_nonce: str = "",
) -> Plan:
    """Bind every take of every shot, each after those that it builds on.

    Args:
        shot_list: Shot list to render.
        workflows: Workflows to render it with.
        pictures: Pictures of the shots' references, by ``url``.
        options: Options of the run.
        picks: Picks of the board, by ``shot_id`` as text.
        render_nonce: Nonce for the takes that are rendered again.

    Raises:
        ShotListFaults: An option names a shot that does not exist, or shots build on each other in a circle.
        WorkflowFaults: A workflow cannot be bound to wanted shots; the first 50 reasons are reported.
    """
    chains = read_chains(shot_list)
    if chains.faults:
        raise ShotListFaults("the shot list", chains.faults, chains.more)
    count = sum((shot.takes or options.takes) + len(shot.passes or ()) for shot in shot_list.shots)
    if count > _MOST_TAKES:
        remedy = f"a run has at most {_MOST_TAKES:,}: give fewer takes, or split the list"
        raise ShotListFaults("the shot list", (Fault("the list", "takes", f"{count:,} takes and passes", remedy),))
    refreshed = [] if isinstance(options.refresh, bool) else options.refresh
    again = choose_shots(shot_list, refreshed, field="refresh")
    asked = choose_shots(shot_list, options.only)
    asked = asked | again if asked else frozenset(shot.label for shot in shot_list.shots)
    choice = PassChoice(choose_passes(shot_list, options.passes, asked), options.picked_only)
    binders = {
        name: TakeBinder(each.workflow, pictures, each.by_url, options.overrides) for name, each in workflows.items()
    }
    planner = _Planner(
        binders=binders,
        chains=chains,
        takes=options.takes,
        picks=picks or {},
        needed=chains.needed(asked),
        choice=choice,
        render_nonces=dict.fromkeys(asked if options.refresh is True else again, render_nonce),
    )
    planner.plan()
    if planner.faults:
        raise _refused(planner.faults)
    takes = [take for shot in shot_list.shots for take in planner.of_shot(shot.label)]
    notices = (_notice(text, labels, len(shot_list.shots)) for text, labels in planner.notices.items())
    return Plan(
        shot_list=shot_list,
        takes=tuple(takes),
        wanted=_wanted(
            takes, [take for take in takes if take.shot.label in asked and choice.has(take, planner.chosen)]
        ),
        chosen=planner.chosen,
        bindings={name: each.workflow.report().rows for name, each in workflows.items()},
        packs={name: pack for each in workflows.values() for name, pack in each.workflow.packs.items()},
        looks=look_facts(shot_list, pictures),
        notices=(
            *shot_list.notices,
            *unused_fields(shot_list),
            *without_retry(takes),
            *_overridden(options.overrides, shot_list),
            *notices,
            *planner.lapsed,
            *waiting_passes(shot_list, choice, planner.chosen),
        ),
    )


def _overridden(overrides: Iterable[str], shot_list: ShotList) -> Iterator[str]:
    """Yield a notice on overrides of the run that no shot takes, because each has its own from the list."""
    if unused := [name for name in overrides if all(name in shot.overrides for shot in shot_list.shots)]:
        yield f"no shot takes these overrides of the run, because the list sets them: {first_of(unused, _LISTED)}"


def _wanted(takes: Sequence[PlannedTake], asked: Iterable[PlannedTake]) -> frozenset[str]:
    """Return the labels of the requested takes and of all takes that they build on."""
    by_label = {take.label: take for take in takes}
    found: set[str] = set()
    pending = list(asked)
    while pending:
        take = pending.pop()
        if take.label not in found:
            found.add(take.label)
            pending += [by_label[frame.label] for frame in take.builds_on]
    return frozenset(found)


def _refused(faults: Mapping[tuple[str, Fault], list[str]]) -> WorkflowFaults:
    """Return the error for faults by their workflow's path or URL; with several workflows each fault names its own."""
    sources = list(dict.fromkeys(source for source, _ in faults))
    found = [(source, _with_shots(fault, labels)) for (source, fault), labels in faults.items()]
    if len(sources) == 1:
        return WorkflowFaults(sources[0], tuple(fault for _, fault in found))
    return WorkflowFaults(_SEVERAL, tuple(replace(each, place=f"{source}, {each.place}") for source, each in found))


def _with_shots(fault: Fault, labels: list[str]) -> Fault:
    """Return a fault that names its shots, unless it names another place."""
    if fault.place:
        return fault
    return replace(fault, place=f"shot {labels[0]}" if len(labels) == 1 else f"shots {first_of(labels, _NAMED)}")


def _notice(text: str, labels: list[str], shots: int) -> str:
    """Return a notice that names its shots, unless it holds for all of them."""
    return text if len(labels) == shots else f"{text} ({first_of(labels, _NAMED)})"


@dataclass(slots=True)
class _Planner:
    """Plan shot after shot, each after its sources.

    Attributes:
        binders: Binders of the workflows, by their names.
        takes: Takes per shot, unless the shot sets its own number.
        picks: Picks by ``shot_id`` as text.
        needed: Labels of shots whose faults count; the others are shown if they are stored.
        choice: Passes whose faults count.
        render_nonces: Nonces of the shots that are rendered again, by label.
        planned: Planned takes, by the shot's label and their number.
        passes: Planned passes, by the shot's label.
        chosen: Numbers of the picked takes, by the shot's label.
        lapsed: Sentences on picks that no longer hold.
    """

    binders: Mapping[str | None, TakeBinder]
    chains: Chains
    takes: int
    picks: Mapping[str, Pick]
    needed: frozenset[str]
    choice: PassChoice
    render_nonces: Mapping[str, str]
    planned: dict[str, dict[int, PlannedTake]] = field(default_factory=dict)
    passes: dict[str, list[PlannedTake]] = field(default_factory=dict)
    chosen: dict[str, int] = field(default_factory=dict)
    faults: dict[tuple[str, Fault], list[str]] = field(default_factory=dict)
    notices: dict[str, list[str]] = field(default_factory=dict)
    lapsed: list[str] = field(default_factory=list)

    def plan(self) -> None:
        """Plan all shots."""
        named: dict[str, set[int]] = {}
        for shot in self.chains.order:
            for frame in self.chains.parents(shot):
                named.setdefault(frame.label, set()).update({frame.take} if frame.take else ())
        for shot in self.chains.order:
            if len(self.faults) >= MOST_FAULTS:
                unchecked = Fault("the other shots", "", "", "not checked yet: correct these faults first")
                kept = dict(islice(self.faults.items(), MOST_FAULTS - 1))
                self.faults = {**kept, (next(iter(kept))[0], unchecked): []}
                return
            try:
                self._plan_shot(shot, named.get(shot.label, set()))
            except WorkflowFaults as error:
                self._add_faults(error, shot, shot.workflow)

    def of_shot(self, label: str) -> tuple[PlannedTake, ...]:
        """Return the planned takes of a shot, and its passes after them."""
        return (*self.planned.get(label, {}).values(), *self.passes.get(label, ()))

    def _add_faults(self, error: WorkflowFaults, shot: Shot, workflow: str | None) -> None:
        for fault in error.faults if shot.label in self.needed else ():
            everywhere = replace(fault, place="") if fault.place == place_of(shot) else fault
            source = self.binders[workflow].workflow.source
            self.faults.setdefault((source, everywhere), []).append(shot.label)

    def _plan_shot(self, shot: Shot, named: set[int]) -> None:
        frames, binder = self._frames(shot), self.binders[shot.workflow]
        if frames is None:
            return
        numbers = {*range(1, (shot.takes or self.takes) + 1), *named}
        render_nonce = self.render_nonces.get(shot.label, "") if self.choice.names is None else ""
        pick = self.picks.get(shot.label)
        takes = {number: binder.bind(shot, number, frames, render_nonce) for number in sorted(numbers)}
        if pick is not None and pick.take is not None:
            picked = takes.get(pick.take) or binder.bind(shot, pick.take, frames, render_nonce)
            if picked.fingerprint == pick.fingerprint:
                # A person has seen it, so that frame QC no longer replaces it.
                takes[pick.take] = replace(picked, retry=None)
            elif picked.retry and picked.retry.fingerprint == pick.fingerprint:
                takes[pick.take] = picked
            else:
                self._lapse(shot, pick.take, planned=pick.take in takes)
            if pick.take in takes:
                self.chosen[shot.label] = pick.take
        self.planned[shot.label] = dict(sorted(takes.items()))
        for notice in binder.notices(shot, sorted(takes), frames):
            self.notices.setdefault(notice, []).append(shot.label)
        if shot.passes:
            self.passes[shot.label] = list(self._plan_passes(shot, frames))

    def _plan_passes(self, shot: Shot, frames: Mapping[str, TakeFrame]) -> Iterator[PlannedTake]:
        """Yield the passes of a shot's chosen take, up to the first that its workflow refuses."""
        source = self.planned[shot.label][self.chosen.get(shot.label, 1)]
        passes = shot.passes or ()
        for index, given in enumerate(passes):
            binder = replace(self.binders[given.workflow], overrides={})
            made, own = pass_shot(shot, given, source, binder.workflow)
            given_frames = {**frames, **own}
            try:
                source = binder.bind(
                    made, source.number, given_frames, self.render_nonces.get(shot.label, ""), pass_name=given.name
                )
            except WorkflowFaults as error:
                # Those behind it are made from it.
                if any(self.choice.has_pass(each.name) for each in passes[index:]):
                    self._add_faults(error, shot, given.workflow)
                return
            for notice in binder.notices(made, [source.number], given_frames):
                self.notices.setdefault(f"pass {given.name}: {notice}", []).append(shot.label)
            yield source

    def _lapse(self, shot: Shot, take: int, *, planned: bool) -> None:
        shown = f"take {take} as it is now is shown" if planned else "take 1 is shown"
        lapsed = f"take {take} was another picture when it was picked"
        self.lapsed.append(f"shot {shot.label}: {lapsed}; {shown}: pick again with previs pick")

    def _frames(self, shot: Shot) -> dict[str, TakeFrame] | None:
        """Return the frames that a shot builds on, by ``url``; None if one of their shots could not be planned."""
        found: dict[str, TakeFrame] = {}
        for reference in shot.references:
            if (frame := self.chains.frames.get(reference.url)) is not None:
                takes = self.planned.get(frame.label)
                if takes is None:
                    return None
                take = takes[frame.take or self.chosen.get(frame.label, 1)]
                found[reference.url] = take.frame
        return found
