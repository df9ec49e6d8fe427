"""Define what a shot brings to a workflow, and what a workflow offers the rest of the program."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from previs.comfyui.protocol.graph import Graph
from previs.workflow.binding.bindings import Report


@dataclass(frozen=True, slots=True)
class PlacedReference:
    """Represent a reference picture that is on the servers.

    Attributes:
        name: Name as ``LoadImage`` takes it: ``previs/ab12….png``.
        strength: The shot's strength; None leaves it to the workflow.
        role: One of :data:`previs.workflow.detection.roles.ROLES`; None leaves it to the workflow.
    """

    name: str
    reference_id: str
    strength: float | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class ShotValues:
    """Hold the values of one take of one shot; None leaves a value to the workflow.

    Attributes:
        seed: From 0 to 2^64 - 1.
        width, height: Pixels.
        references: The shot's, then the workflow's ``reference_images``.
        duration: Seconds; used only by graphs that make video or sound.
        overrides: Values that win over all others, by ``"4.ckpt_name"``, ``"Title of a node.input"`` or meaning,
            ``checkpoint``. The caller merges the run's and the shot's; the shot's win.
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
    """Turn a shot's values into a graph."""

    @property
    def source(self) -> str:
        """Return the name for people: a path, a URL, or ``the workflow settings``."""

    @property
    def reference_images(self) -> tuple[str, ...]:
        """Return the paths or URLs of pictures that go with every shot.

        The caller uploads them to the servers and passes them to :meth:`bind` after the shot's own.
        """

    @property
    def packs(self) -> Mapping[str, str]:
        """Return the custom node packs by node class, if the workflow's file names them."""

    def fit_seed(self, seed: int) -> int:
        """Return the seed that the graph takes in place of one that is too large or too small for a node of it."""

    def bind(self, values: ShotValues, *, place: str = "the workflow") -> Graph:
        """Return the graph of one take, whose nodes other takes may share.

        Args:
            values: Values of the take.
            place: The shot as a person knows it, for faults: ``shot 3 (shot_id SH030)``.

        Raises:
            WorkflowFaults: The workflow cannot serve this shot; lists every fault.
        """

    def report(self, values: ShotValues | None = None, *, place: str = "the workflow") -> Report:
        """Report which inputs take which values, with notices for a person; without values, only present ones.

        Raises:
            WorkflowFaults: As :meth:`bind` does.
        """
