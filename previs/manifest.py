"""The record of a run: what was made, from what, and where it is.

Written to ``boards/BOARD/RUN/manifest.json``. It is written by alias, so the first key of the file is ``schema``. What
each version holds: ``docs/manifest.md``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from previs.errors import RecordUnreadable
from previs.records import Attempt, Frame, InputPicture

Outcome = Literal["rendered", "cached", "failed", "skipped"]
SCHEMA: Final = "previs.manifest/2"
_EARLIER: Final = {"previs.manifest/1"}


class TakeEntry(BaseModel):
    """One take of one shot in a run.

    Attributes:
        take: number, from 1.
        outcome: ``rendered`` in this run, ``cached`` from an earlier one, ``failed``, or ``skipped`` because a
            shot that it builds on has no frame.
        server: base URL, without credentials.
        comfyui: the server's version of ComfyUI.
        waiting: seconds from handing the prompt to the server to its start there.
        seconds: what the render took on the server, in this run or in the one that made it; none if it failed.
        uploading: seconds to bring the frames from the server into the store.
        image_url: where a person opens the first frame; none if it failed.
        error: the sentence that says why it failed or was skipped.
        attempts: what went wrong, also where a later attempt made up for it.
        graph: that was rendered, or would have been, in API format.
        inputs: pictures that the graph names and that were uploaded for it, with their places in the store.
        bound: what was set in it for this take, by input: ``{"6.text": …}``; why there, say the manifest's bindings.
    """

    model_config = ConfigDict(frozen=True)

    take: int
    outcome: Outcome
    fingerprint: str
    seed: int | None = None
    server: str | None = None
    comfyui: str | None = None
    prompt_id: str | None = None
    waiting: float | None = None
    seconds: float | None = None
    uploading: float | None = None
    frames: tuple[Frame, ...] = ()
    image_url: str | None = None
    error: str | None = None
    attempts: tuple[Attempt, ...] = ()
    graph: dict[str, Any] = Field(default_factory=dict)
    inputs: tuple[InputPicture, ...] = ()
    bound: dict[str, Any] = Field(default_factory=dict)


def standing(takes: Sequence[TakeEntry], picked: int | None) -> TakeEntry | None:
    """Of a shot's takes the one that stands for it: the picked one, else the first with a frame, else the first."""
    with_frames = [take for take in takes if take.frames]
    of_pick = [take for take in with_frames if take.take == picked]
    return next(iter([*of_pick, *with_frames, *takes]), None)


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
        image_url: of the take that stands for the shot.
        picked: the number of the take that a person chose (the circled take); none where nobody did.
        shot: the shot as given, unknown fields included.
    """

    model_config = ConfigDict(frozen=True)

    shot_id: int | str
    success: bool
    image_url: str | None
    prompt: str
    duration: float
    sequence: str | None = None
    picked: int | None = None
    shot: dict[str, Any]
    takes: tuple[TakeEntry, ...]

    @property
    def shown(self) -> TakeEntry | None:
        """The take that stands for the shot."""
        return standing(self.takes, self.picked)


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

    schema_name: Literal["previs.manifest/2"] = Field(SCHEMA, alias="schema")
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

    @field_validator("schema_name", mode="before")
    @classmethod
    def _earlier_versions(cls, value: object) -> object:
        # Version 2 only adds fields, which are empty where a run of version 1 said nothing of them.
        return SCHEMA if value in _EARLIER else value

    @property
    def failed(self) -> tuple[ShotEntry, ...]:
        """Shots that lack a frame."""
        return tuple(shot for shot in self.shots if not shot.success)

    @property
    def duration(self) -> float:
        """Of the whole board, in seconds."""
        return sum(shot.duration for shot in self.shots)


def read_manifest(content: bytes, *, name: str) -> Manifest:
    """A manifest of this or an earlier version.

    Args:
        content: the file.
        name: its place in a person's words.

    Raises:
        RecordUnreadable: it is damaged, or of a later version.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        reason = "it is no manifest of version 1 or 2" if where == "schema" else f"{where}: {first['msg']}"
        raise RecordUnreadable(name, reason) from error
