"""Say whether this run renders a part of another run's board."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from prefect.context import FlowRunContext

_PART = "part"


@dataclass(frozen=True, slots=True)
class Part:
    """Identify a part of a run.

    Attributes:
        parent: Flow run whose board it is.
        number: Number of the part, from 2: the parent renders the first itself.
        count: Number of all parts.
    """

    parent: UUID
    number: int
    count: int

    @property
    def key(self) -> str:
        """Return the idempotency key of its run, so that a parent that starts again starts no part twice.

        No form and no event sets it.
        """
        return f"{_PART} {self.parent} {self.number} {self.count}"

    @property
    def words(self) -> str:
        """Return its name for people."""
        return f"part {self.number} of {self.count}"

    @classmethod
    def of_key(cls, key: str | None) -> Self | None:
        """Return the part that a run's idempotency key names, or None."""
        try:
            word, parent, number, count = (key or "").split(" ")
            return cls(UUID(parent), int(number), int(count)) if word == _PART else None
        except ValueError:
            return None


def this_part() -> Part | None:
    """Return which part this flow run renders; None if the board is its own."""
    context = FlowRunContext.get()
    return Part.of_key(context.flow_run.idempotency_key) if context and context.flow_run else None
