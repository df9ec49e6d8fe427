"""The plan of a run: each take with its bound graph, its seed and its fingerprint; pure.

All that the network must tell beforehand, which is the bytes of the references, is gathered first and passed in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from previs.comfyui.graph import Graph
from previs.errors import Fault, ShotListFaults, WorkflowFaults
from previs.fingerprint import derived_seed, fingerprint, numbered_seed
from previs.shots import Shot, ShotList
from previs.workflow import STAYS, BindingRow, PlacedReference, ShotValues, Workflow, checkpoint_of

UPLOAD_FOLDER = "previs"

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """A reference's picture, ready for ``LoadImage``.

    Attributes:
        content: the bytes to upload, turned upright.
        suffix: with its dot.
        sha256: of the bytes that were given; turned by another version of Pillow the content may differ.
    """

    content: bytes
    suffix: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Made of the hash, so that equal pictures are uploaded once and no name can be fooled."""
        return self.sha256 + self.suffix

    @property
    def name(self) -> str:
        """As a graph names it."""
        return f"{UPLOAD_FOLDER}/{self.file_name}"


@dataclass(frozen=True, slots=True)
class PlannedTake:
    """One rendering to be made, or found in the store.

    Attributes:
        number: of the take, from 1.
        graph: bound; names references as :attr:`Picture.name` does.
        pictures: those that the graph uses, by that name.
        checkpoint: model file that the graph loads first.
        rows: which inputs of the workflow take what of the shot, with the values to come.
    """

    shot: Shot
    number: int
    graph: Graph
    seed: int
    fingerprint: str
    pictures: Mapping[str, Picture]
    checkpoint: str | None
    rows: tuple[BindingRow, ...] = ()

    @property
    def bound(self) -> dict[str, Any]:
        """What was set for this take, by input: ``{"6.text": …}``."""
        return {f"{row.node_id}.{row.input}": row.to_come for row in self.rows if row.to_come is not STAYS}

    @property
    def label(self) -> str:
        """For people: the shot and the take."""
        return f"{self.shot.label} · take {self.number}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All takes of a run, in the order of the list.

    Attributes:
        takes: every take of every shot.
        wanted: labels of shots that this run renders; of the others it shows what is there.
        bindings: which inputs of the workflow take what of a shot.
        packs: custom node packs that bring the workflow's node classes, by class, as far as its file tells them.
        notices: what a person should know of how the workflow takes the shots, such as a picture that stays.
    """

    shot_list: ShotList
    takes: tuple[PlannedTake, ...]
    wanted: frozenset[str]
    bindings: tuple[BindingRow, ...] = ()
    packs: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def choose_shots(shot_list: ShotList, only: Iterable[int | str]) -> frozenset[str]:
    """Labels of the shots that a run is to render: all, or those named.

    Raises:
        ShotListFaults: a name that no shot has.
    """
    labels = [shot.label for shot in shot_list.shots]
    names = [str(name) for name in only]
    if unknown := [name for name in names if name not in labels]:
        shown = ", ".join(labels[:20]) + (", …" if len(labels) > 20 else "")  # noqa: PLR2004 - a line's worth
        faults = tuple(
            Fault("only", "", repr(name), f"no shot has this shot_id; there are {shown}") for name in unknown
        )
        raise ShotListFaults("the choice of shots", faults)
    return frozenset(names or labels)


def make_plan(
    shot_list: ShotList,
    workflow: Workflow,
    pictures: Mapping[str, Picture],
    workflow_pictures: Sequence[Picture] = (),
    *,
    takes: int = 1,
    only: Iterable[int | str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Plan:
    """Bind every take of every shot.

    Args:
        shot_list: what was asked for.
        workflow: what it is rendered with.
        pictures: of the shots' references, by their ``url``.
        workflow_pictures: of the workflow's ``reference_images``, in their order.
        takes: of each shot that does not say itself.
        only: ``shot_id`` of the shots to render; all if empty.
        overrides: inputs of the workflow's nodes for all shots; a shot's own go before them.

    Raises:
        ShotListFaults: ``only`` names a shot that is not there.
        WorkflowFaults: all wanted shots that the workflow cannot be bound to.
    """
    wanted = choose_shots(shot_list, only)
    binder = _Binder(
        workflow, pictures, dict(zip(workflow.reference_images, workflow_pictures, strict=True)), overrides or {}
    )
    planned: list[PlannedTake] = []
    faults: dict[Fault, list[str]] = {}
    notices: dict[str, list[str]] = {}
    for shot in shot_list.shots:
        try:
            planned += [binder.bind(shot, number) for number in _numbers(shot, takes)]
            for notice in binder.notices(shot):
                notices.setdefault(notice, []).append(shot.label)
        except WorkflowFaults as error:
            # A shot that is not asked for is shown if it is there, and no fault if it cannot be.
            for fault in error.faults if shot.label in wanted else ():
                everywhere = replace(fault, place="") if fault.place == _place(shot) else fault
                faults.setdefault(everywhere, []).append(shot.label)
    if faults:
        raise WorkflowFaults(workflow.source, tuple(_placed(fault, labels) for fault, labels in faults.items()))
    told = tuple(_told(notice, labels, len(shot_list.shots)) for notice, labels in notices.items())
    return Plan(shot_list, tuple(planned), wanted, workflow.report().rows, workflow.packs, told)


def _numbers(shot: Shot, takes: int) -> range:
    return range(1, (shot.takes or takes) + 1)


def _placed(fault: Fault, labels: list[str]) -> Fault:
    """A fault of shots with their names, told once for all of them."""
    if fault.place:
        return fault
    return replace(fault, place=f"shot {labels[0]}" if len(labels) == 1 else f"shots {_named(labels)}")


def _named(labels: list[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + more


def _told(notice: str, labels: list[str], shots: int) -> str:
    """A notice with the shots that it is about, if that is not all of them."""
    if len(labels) == shots:
        return notice
    return f"{notice} ({_named(labels)})"


@dataclass(frozen=True, slots=True)
class _Binder:
    """Binds takes to a workflow.

    Attributes:
        pictures: of the shots' references, by their ``url``.
        of_workflow: of the workflow's own references, likewise.
        overrides: of the run.
    """

    workflow: Workflow
    pictures: Mapping[str, Picture]
    of_workflow: Mapping[str, Picture]
    overrides: Mapping[str, Any]

    def bind(self, shot: Shot, number: int) -> PlannedTake:
        """Bind one take.

        Raises:
            WorkflowFaults: the workflow cannot serve this shot.
        """
        values, place = self._values(shot), _place(shot)
        if shot.seed is None:
            seed = derived_seed(fingerprint(self.workflow.bind(values, place=place)), number)
        else:
            seed = numbered_seed(shot.seed, number)
        values = replace(values, seed=seed)
        graph = self.workflow.bind(values, place=place)
        return PlannedTake(
            shot=shot,
            number=number,
            graph=graph,
            seed=seed,
            fingerprint=fingerprint(graph),
            pictures={picture.name: picture for picture in self._pictures(shot)},
            checkpoint=checkpoint_of(graph),
            rows=self.workflow.report(values, place=place).rows,
        )

    def notices(self, shot: Shot) -> tuple[str, ...]:
        """What a person should know of how the workflow takes a shot."""
        return self.workflow.report(self._values(shot), place=_place(shot)).notices

    def _pictures(self, shot: Shot) -> list[Picture]:
        return [*(self.pictures[each.url] for each in shot.references), *self.of_workflow.values()]

    def _values(self, shot: Shot) -> ShotValues:
        own = [
            PlacedReference(self.pictures[each.url].name, each.reference_id, each.strength, each.role)
            for each in shot.references
        ]
        of_workflow = [PlacedReference(picture.name, url) for url, picture in self.of_workflow.items()]
        return ShotValues(
            prompt=shot.prompt,
            negative_prompt=shot.negative_prompt,
            seed=0,
            width=shot.width,
            height=shot.height,
            references=(*own, *of_workflow),
            duration=shot.duration,
            overrides={**self.overrides, **shot.overrides},
        )


def _place(shot: Shot) -> str:
    return f"shot {shot.label}"
