"""What a shot brings to a workflow, and what a workflow is to the rest of the program."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from previs.comfyui.protocol.graph import Graph
from previs.workflow.binding.bindings import Report


@dataclass(frozen=True, slots=True)
class PlacedReference:
    """A reference picture that has a place on the servers.

    Attributes:
        name: as ``LoadImage`` takes it: ``previs/ab12….png``.
        strength: the shot's own word on it; none leaves it to the workflow.
        role: What the picture is for, one of :data:`previs.workflow.detection.roles.ROLES`. None leaves it open.
    """

    name: str
    reference_id: str
    strength: float | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class ShotValues:
    """The values of one take of one shot.

    Attributes:
        negative_prompt: none leaves the workflow's own.
        seed: from 0 to 2^64 - 1.
        width: in pixels; none leaves the workflow's own.
        height: likewise.
        references: the shot's own first, then the workflow's ``reference_images``.
        duration: in seconds; only a graph that makes video or sound asks for it. None leaves the workflow's own.
        overrides: values that win over all, by ``"4.ckpt_name"``, by ``"Title of a node.input"`` or by what they mean,
            ``checkpoint``. The shot's own are to be laid over the run's before.
    """

    prompt: str
    negative_prompt: str | None
    seed: int
    width: int | None = None
    height: int | None = None
    references: tuple[PlacedReference, ...] = ()
    duration: float | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)


class Workflow(Protocol):
    """What turns a shot's values into a graph: settings, or a saved graph."""

    @property
    def source(self) -> str:
        """The name by which a person knows it: a path, an address, or ``the workflow settings``."""

    @property
    def reference_images(self) -> tuple[str, ...]:
        """Pictures that go with every shot, by path or address, as the workflow names them.

        The caller fetches them, places them on the servers and gives them to :meth:`bind` after the shot's own.
        """

    @property
    def packs(self) -> Mapping[str, str]:
        """Custom node packs by the classes that come with them, as the workflow's file tells it."""

    def bind(self, values: ShotValues, *, place: str = "the workflow") -> Graph:
        """Make a new graph for one take.

        Args:
            values: of the take.
            place: the shot in a person's words, for faults: ``shot 3 (shot_id SH030)``.

        Raises:
            WorkflowFaults: The workflow cannot serve this shot; every fault at once.
        """

    def report(self, values: ShotValues | None = None, *, place: str = "the workflow") -> Report:
        """Show what is set where, and what a person should know of it.

        Args:
            values: of a take, to show what comes; without them, only what is there now.
            place: as for :meth:`bind`.

        Raises:
            WorkflowFaults: As :meth:`bind` does.
        """
