"""What a measurement comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """Figures, and whether they are what is wanted.

    Attributes:
        figures: by name; each name ends with its unit where it has one.
        goal: in words; empty where there is none.
        met: whether the goal is met; none where there is none.
        findings: what a person should look into.
    """

    figures: Mapping[str, float]
    goal: str = ""
    met: bool | None = None
    findings: Sequence[str] = field(default_factory=tuple)
