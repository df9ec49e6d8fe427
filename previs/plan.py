"""The plan of a run: each take with its bound graph, its seed and its fingerprint; pure.

All that the network must tell beforehand, which is the bytes of the references, is gathered first and passed in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from previs.comfyui.graph import Graph
from previs.errors import Fault, ShotListFaults, WorkflowFaults
from previs.fingerprint import derived_seed, fingerprint, numbered_seed
from previs.shots import Shot, ShotList
from previs.workflow import PlacedReference, ShotValues, Workflow, checkpoint_of

UPLOAD_FOLDER = "previs"


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
    """

    shot: Shot
    number: int
    graph: Graph
    seed: int
    fingerprint: str
    pictures: Mapping[str, Picture]
    checkpoint: str | None

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
    """

    shot_list: ShotList
    takes: tuple[PlannedTake, ...]
    wanted: frozenset[str]


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
) -> Plan:
    """Bind every take of every shot.

    Args:
        shot_list: what was asked for.
        workflow: what it is rendered with.
        pictures: of the shots' references, by their ``url``.
        workflow_pictures: of the workflow's ``reference_images``, in their order.
        takes: of each shot that does not say itself.
        only: ``shot_id`` of the shots to render; all if empty.

    Raises:
        ShotListFaults: ``only`` names a shot that is not there.
        WorkflowFaults: all wanted shots that the workflow cannot be bound to.
    """
    wanted = choose_shots(shot_list, only)
    of_workflow = dict(zip(workflow.reference_images, workflow_pictures, strict=True))
    planned: list[PlannedTake] = []
    faults: dict[Fault, None] = {}
    for shot in shot_list.shots:
        try:
            planned += [_bind(shot, number, workflow, pictures, of_workflow) for number in _numbers(shot, takes)]
        except WorkflowFaults as error:
            # A shot that is not asked for is shown if it is there, and no fault if it cannot be.
            if shot.label in wanted:
                faults.update(dict.fromkeys(error.faults))
    if faults:
        raise WorkflowFaults(workflow.source, tuple(faults))
    return Plan(shot_list, tuple(planned), wanted)


def _numbers(shot: Shot, takes: int) -> range:
    return range(1, (shot.takes or takes) + 1)


def _bind(
    shot: Shot,
    number: int,
    workflow: Workflow,
    pictures: Mapping[str, Picture],
    of_workflow: Mapping[str, Picture],
) -> PlannedTake:
    placed = [
        *((pictures[each.url], each.reference_id, each.strength) for each in shot.references),
        *((picture, url, None) for url, picture in of_workflow.items()),
    ]
    references = tuple(PlacedReference(picture.name, identity, strength) for picture, identity, strength in placed)
    values = ShotValues(shot.prompt, shot.negative_prompt, 0, shot.width, shot.height, references)
    place = f"shot {shot.label}"
    if shot.seed is None:
        seed = derived_seed(fingerprint(workflow.bind(values, place=place)), number)
    else:
        seed = numbered_seed(shot.seed, number)
    graph = workflow.bind(replace(values, seed=seed), place=place)
    return PlannedTake(
        shot=shot,
        number=number,
        graph=graph,
        seed=seed,
        fingerprint=fingerprint(graph),
        pictures={picture.name: picture for picture, _, _ in placed},
        checkpoint=checkpoint_of(graph),
    )
