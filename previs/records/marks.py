"""Define what frame QC says of a take in a manifest."""

from typing import Literal

from pydantic import Field

from previs.records.model import Record
from previs.records.takes import Frame, Items


class Mark(Record):
    """Represent what frame QC found wrong with a take."""

    kind: Literal["black", "grey", "blank", "frozen", "aspect", "same"] = Field(
        description=(
            "What is wrong: the frame is black, a flat grey or blank (another flat colour), all frames of its film are "
            "equal (frozen), it has another aspect than was asked for, or it is the same picture as another take."
        )
    )
    detail: str = Field(
        default="",
        description=(
            "The flat colour, such as #7f7f7f; the size and what was asked for, such as 1024×1024 / 16:9; the other "
            "take, such as SH010 · take 1; empty for black and frozen."
        ),
    )


class Retried(Record):
    """Represent the render that frame QC ordered because of the first, and which of both is shown."""

    shown: Literal["first", "second"] = Field(description="Which of the two renders the take shows.")
    marks: Items[Mark] = Field(description="Why it was rendered once more: what is wrong with the first.")
    fingerprint: str = Field(description="Fingerprint of the render that is not shown.")
    seed: int | None = Field(default=None, description="Seed of that render.")
    frames: Items[Frame] = Field(default=(), description="Files that it made; empty if it failed.")
    error: str | None = Field(default=None, description="Sentence that says why the second render failed.")
