"""Represent the plan of a run: each take with its bound graph, its seed and its fingerprint; pure.

:func:`previs.planning.make_plan.make_plan` makes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Any

from previs.comfyui.protocol.graph import Graph, with_texts
from previs.pictures.spill import SpilledFile
from previs.records.takes import Frame
from previs.shots import Shot, ShotList
from previs.workflow import STAYS, BindingRow, Workflow

UPLOAD_FOLDER = "previs"


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """Hold a reference's picture, ready for ``LoadImage``.

    Attributes:
        file: File to upload, turned upright.
        suffix: File name suffix, with its dot.
        sha256: SHA-256 of the bytes before they were turned; another version of Pillow may turn them into other bytes.
    """

    file: SpilledFile = field(compare=False)
    suffix: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return a file name made of the hash: equal pictures share it, different pictures never do."""
        return self.sha256 + self.suffix

    @property
    def name(self) -> str:
        """Return the name that graphs use."""
        return f"{UPLOAD_FOLDER}/{self.file_name}"


@dataclass(frozen=True, slots=True)
class RunWorkflow:
    """Hold a workflow of a run.

    Attributes:
        pictures: Pictures of the workflow's ``reference_images``, in their order.
    """

    workflow: Workflow
    pictures: tuple[ReferenceImage, ...] = ()

    @property
    def by_url(self) -> dict[str, ReferenceImage]:
        """Return the pictures by the workflow's names for them."""
        return dict(zip(self.workflow.reference_images, self.pictures, strict=True))


Workflows = Mapping[str | None, RunWorkflow]
"""Workflows of a run: its own under None, the others under the names or paths that shots have."""


@dataclass(frozen=True, slots=True)
class TakeFrame:
    """Represent the frame of another take, which does not exist yet when the plan is made.

    Attributes:
        shot_id: Shot id as text.
        take: Number of the take.
        fingerprint: Fingerprint of the take, which stands for the frame's bytes: if the take changes, so does every
            take that builds on it.
        pass_name: Name of the pass that makes it; empty for a take itself.
    """

    shot_id: str
    take: int
    fingerprint: str
    pass_name: str = ""

    @property
    def name(self) -> str:
        """Return the name that planned graphs use."""
        return f"{UPLOAD_FOLDER}/shot-{self.fingerprint}.png"

    @property
    def label(self) -> str:
        """Return the label of the take, as :attr:`PlannedTake.label`."""
        return take_label(self.shot_id, self.take, self.pass_name)


def take_label(shot_id: str, take: int, pass_name: str = "") -> str:
    """Return the shot and the take, or the pass, for people."""
    return f"{shot_id} · {pass_name or f'take {take}'}"


@dataclass(frozen=True, slots=True)
class PlannedTake:
    """Represent a take, or a pass of one, to render or to find in the store.

    Attributes:
        number: Number of the take, from 1; of a pass, that of the take it is made from.
        pass_name: Name of the pass; empty for a take itself.
        graph: Bound graph; it names pictures by :attr:`ReferenceImage.name` and :attr:`TakeFrame.name`.
        pictures: Pictures that the graph uses, by that name.
        checkpoint: Model file that the graph loads first.
        rows: Inputs of the workflow that take values of the shot, with the values to come.
        builds_on: Frames of other takes that it is made from.
        frames: Those frames, by their names in the graph, once they exist; see :meth:`with_sources`.
        sources: SHA-256 of those frames, by their takes' fingerprints.
        render_nonce: Text that makes the prompt ids of a repeated render differ from earlier ones; else empty.
        retry: The same take with another seed, to be rendered if frame QC marks this one; None if it is only marked.
        retry_of: Fingerprint of the take whose retry this is; else empty.
    """

    shot: Shot
    number: int
    graph: Graph
    seed: int
    fingerprint: str
    pictures: Mapping[str, ReferenceImage]
    checkpoint: str | None
    rows: tuple[BindingRow, ...] = ()
    builds_on: tuple[TakeFrame, ...] = ()
    frames: Mapping[str, Frame] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    render_nonce: str = ""
    pass_name: str = ""
    retry: "PlannedTake | None" = None
    retry_of: str = ""

    @property
    def bound(self) -> dict[str, Any]:
        """Return the values that were set for this take, by input: ``{"6.text": …}``."""
        return {f"{row.node_id}.{row.input}": row.to_come for row in self.rows if row.to_come is not STAYS}

    @property
    def label(self) -> str:
        """Return the shot and the take, or the pass, for people."""
        return take_label(self.shot.label, self.number, self.pass_name)

    @property
    def frame(self) -> TakeFrame:
        """Return its frame, for a take or pass that builds on it."""
        return TakeFrame(self.shot.label, self.number, self.fingerprint, self.pass_name)

    def with_sources(self, frames: Mapping[TakeFrame, Frame]) -> "PlannedTake":
        """Return the take with the frames that it builds on; its graph names them by the hashes of their bytes.

        Args:
            frames: Picture for each of ``builds_on``.
        """
        if not self.builds_on:
            return self
        names = {each.name: _upload_name(frames[each]) for each in self.builds_on}
        return replace(
            self,
            graph=with_texts(self.graph, names),
            rows=tuple(replace(row, to_come=_renamed(row.to_come, names)) for row in self.rows),
            frames={names[each.name]: frames[each] for each in self.builds_on},
            sources={each.fingerprint: frames[each].sha256 for each in self.builds_on},
            retry=self.retry and self.retry.with_sources(frames),
        )


def with_retries(takes: Iterable[PlannedTake]) -> list[PlannedTake]:
    """Return takes and their retries."""
    return [each for take in takes for each in (take, take.retry) if each is not None]


def _upload_name(frame: Frame) -> str:
    suffix = ".jpg" if frame.media_type == "image/jpeg" else ".png"
    return f"{UPLOAD_FOLDER}/{frame.sha256}{suffix}"


def _renamed(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - an input may hold anything
    return names.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold all takes of a run, in the order of the list.

    Attributes:
        takes: Every take of every shot, and its passes after them.
        wanted: Labels of takes that this run renders; the others are shown if they are stored.
        chosen: Number of the take that a person picked, by the shot's label.
        bindings: Inputs of each workflow that take values of a shot, by its name; None for the run's own.
        packs: Custom node packs of the workflows' node classes, by class, if a workflow's file names them.
        looks: What the looks of the list say, by the names in the shots' ``uses``.
        notices: Warnings on how the workflow takes the shots, such as a saved picture that stays.
    """

    shot_list: ShotList
    takes: tuple[PlannedTake, ...]
    wanted: frozenset[str]
    chosen: Mapping[str, int] = field(default_factory=dict)
    bindings: Mapping[str | None, tuple[BindingRow, ...]] = field(default_factory=dict)
    packs: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[str, Any] = field(default_factory=dict)
    notices: Sequence[str] = ()

    def sources_first(self) -> list[PlannedTake]:
        """Return all takes, each after those that it builds on."""
        by_label = {take.label: take for take in self.takes}
        needs = {take.label: [frame.label for frame in take.builds_on] for take in self.takes}
        return [by_label[label] for label in TopologicalSorter(needs).static_order()]
