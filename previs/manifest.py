"""The record of a run: what was made, from what, and where it is.

Written to ``boards/BOARD/RUN/manifest.json``. It is written by alias, so the first key of the file is ``schema``.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from previs.records import Frame

Outcome = Literal["rendered", "cached", "failed"]


class TakeEntry(BaseModel):
    """One take of one shot in a run.

    Attributes:
        take: number, from 1.
        outcome: ``rendered`` in this run, ``cached`` from an earlier one, or ``failed``.
        seconds: what the render took on the server, in this run or in the one that made it; none if it failed.
        image_url: where a person opens the first frame; none if it failed.
        error: the sentence that says why it failed.
        graph: that was rendered, or would have been, in API format.
        bound: what was set in it for this take, by input: ``{"6.text": …}``; why there, say the manifest's bindings.
    """

    model_config = ConfigDict(frozen=True)

    take: int
    outcome: Outcome
    fingerprint: str
    seed: int | None = None
    server: str | None = None
    prompt_id: str | None = None
    seconds: float | None = None
    frames: tuple[Frame, ...] = ()
    image_url: str | None = None
    error: str | None = None
    graph: dict[str, Any] = Field(default_factory=dict)
    bound: dict[str, Any] = Field(default_factory=dict)


class BindingEntry(BaseModel):
    """One input of the workflow that takes something of a shot.

    Attributes:
        what: of the shot, such as ``prompt`` or ``reference (style)``.
        title: that the artist gave the node; empty if none.
        rule: why this input, in a phrase.
        now: the value that the workflow was saved with; none if a shot's comes in its place only.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    node_id: str
    title: str = ""
    class_type: str
    input: str
    rule: str
    now: Any = None


class ShotEntry(BaseModel):
    """One shot of a run, as the upstream system reads it back, with the shot as it was given.

    Attributes:
        success: whether every take of the shot has its frames.
        image_url: of the first take that has a frame.
        shot: the shot as given, unknown fields included.
    """

    model_config = ConfigDict(frozen=True)

    shot_id: int | str
    success: bool
    image_url: str | None
    prompt: str
    duration: float
    sequence: str | None = None
    shot: dict[str, Any]
    takes: tuple[TakeEntry, ...]


class Manifest(BaseModel):
    """A run's record.

    Attributes:
        board: the name under which runs gather.
        run: this run's name within the board.
        title: of the shot list; empty if it has none.
        fps: frames per second of the film.
        shot_list: extra fields of the list that we do not know, as given.
        bindings: which inputs of the workflow take what of a shot.
        problems: what the run has to say beyond its shots, such as a server that was set aside.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.manifest/1"] = Field("previs.manifest/1", alias="schema")
    board: str
    run: str
    title: str = ""
    fps: float = 24
    started: datetime
    finished: datetime
    shot_list: dict[str, Any] = Field(default_factory=dict)
    workflow: dict[str, Any] | str
    bindings: tuple[BindingEntry, ...] = ()
    servers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    shots: tuple[ShotEntry, ...]

    @property
    def failed(self) -> tuple[ShotEntry, ...]:
        """Shots that lack a frame."""
        return tuple(shot for shot in self.shots if not shot.success)

    @property
    def duration(self) -> float:
        """Of the whole board, in seconds."""
        return sum(shot.duration for shot in self.shots)
