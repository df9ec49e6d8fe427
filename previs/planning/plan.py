"""The plan of a run: each take with its bound graph, its seed and its fingerprint; pure.

It is made by :func:`previs.planning.make_plan.make_plan`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Any

from previs.comfyui.protocol.graph import Graph, with_texts
from previs.records.takes import Frame
from previs.shots import Shot, ShotList
from previs.workflow import STAYS, BindingRow

UPLOAD_FOLDER = "previs"


@dataclass(frozen=True, slots=True)
class ReferenceImage:
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
class TakeFrame:
    """The frame of a take of another shot, which is not there yet when the plan is made.

    Attributes:
        shot_id: as text.
        take: its number.
        fingerprint: of that take. It stands for the frame's bytes, so a change runs through to all that depend on it.
    """

    shot_id: str
    take: int
    fingerprint: str

    @property
    def name(self) -> str:
        """As a planned graph names it."""
        return f"{UPLOAD_FOLDER}/shot-{self.fingerprint}.png"

    @property
    def label(self) -> str:
        """Of the take, as :attr:`PlannedTake.label`."""
        return take_label(self.shot_id, self.take)


def take_label(shot_id: str, take: int) -> str:
    """For people: the shot and the take."""
    return f"{shot_id} · take {take}"


@dataclass(frozen=True, slots=True)
class PlannedTake:
    """One rendering to be made, or found in the store.

    Attributes:
        number: of the take, from 1.
        graph: bound; names references as :attr:`ReferenceImage.name` and :attr:`TakeFrame.name` do.
        pictures: those that the graph uses, by that name.
        checkpoint: model file that the graph loads first.
        rows: which inputs of the workflow take what of the shot, with the values to come.
        builds_on: frames of other takes that it is made from.
        frames: those frames, by their names in the graph, once they exist; see :meth:`with_sources`.
        sources: the SHA-256 of those frames, by their takes' fingerprints.
        render_nonce: makes the prompt ids differ from earlier ones when the take must be rendered again; else empty.
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

    @property
    def bound(self) -> dict[str, Any]:
        """What was set for this take, by input: ``{"6.text": …}``."""
        return {f"{row.node_id}.{row.input}": row.to_come for row in self.rows if row.to_come is not STAYS}

    @property
    def label(self) -> str:
        """For people: the shot and the take."""
        return take_label(self.shot.label, self.number)

    def with_sources(self, frames: Mapping[TakeFrame, Frame]) -> "PlannedTake":
        """The take with the frames that it builds on: its graph names them by the hashes of their bytes.

        Args:
            frames: a picture for each of ``builds_on``.
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
        )


def _upload_name(frame: Frame) -> str:
    suffix = ".jpg" if frame.media_type == "image/jpeg" else ".png"
    return f"{UPLOAD_FOLDER}/{frame.sha256}{suffix}"


def _renamed(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - an input may hold anything
    return names.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Plan:
    """All takes of a run, in the order of the list.

    Attributes:
        takes: every take of every shot.
        wanted: labels of takes that this run renders; of the others it shows what is there.
        chosen: the number of the take that a person chose, by the shot's label.
        bindings: which inputs of the workflow take what of a shot.
        packs: custom node packs that bring the workflow's node classes, by class, as far as its file tells them.
        notices: what a person should know of how the workflow takes the shots, such as a picture that stays.
    """

    shot_list: ShotList
    takes: tuple[PlannedTake, ...]
    wanted: frozenset[str]
    chosen: Mapping[str, int] = field(default_factory=dict)
    bindings: tuple[BindingRow, ...] = ()
    packs: Mapping[str, str] = field(default_factory=dict)
    notices: Sequence[str] = ()

    def sources_first(self) -> list[PlannedTake]:
        """All takes, as in the list but for those that others build on, which come before these."""
        by_label = {take.label: take for take in self.takes}
        needs = {take.label: [frame.label for frame in take.builds_on] for take in self.takes}
        return [by_label[label] for label in TopologicalSorter(needs).static_order()]
