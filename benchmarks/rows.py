"""Represent the result of a measurement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """Hold the figures of a measurement, and whether they meet its goal.

    Attributes:
        figures: Figures by name; a name ends with the unit, if any.
        goal: Goal in words; empty if there is no goal.
        met: Whether the goal is met; None if there is no goal.
        findings: Observations to investigate.
    """

    figures: Mapping[str, float]
    goal: str = ""
    met: bool | None = None
    findings: Sequence[str] = field(default_factory=tuple)
