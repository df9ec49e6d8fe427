"""The record of a run: what was made, from what, and where it is.

Written to ``boards/BOARD/RUN/manifest.json``. It is written by alias, so the first key of the file is ``schema``. What
the fields mean is said once, here: ``previs schema`` writes it as JSON Schema, ``docs/manifest.md`` shows it.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from previs.errors import RecordUnreadable
from previs.records.takes import Attempt, Frame, InputPicture

Outcome = Literal["rendered", "cached", "failed", "skipped"]
SCHEMA: Final = "previs.manifest/2"
_EARLIER: Final = {"previs.manifest/1"}


class TakeEntry(BaseModel):
    """One take of one shot in a run."""

    model_config = ConfigDict(frozen=True)

    take: int = Field(description="Number, from 1.")
    outcome: Outcome = Field(
        description=(
            "rendered in this run, cached from an earlier one, failed, or skipped because a shot that it builds on has "
            "no frame."
        )
    )
    fingerprint: str = Field(description="SHA-256 over all that decides on the picture, hexadecimal.")
    seed: int | None = Field(default=None, description="That the graph was bound with.")
    server: str | None = Field(default=None, description="Base URL, without credentials; null if it failed.")
    comfyui: str | None = Field(default=None, description="The server's version of ComfyUI; null if it did not say.")
    prompt_id: str | None = Field(default=None, description="On the server; null if it failed.")
    waiting: float | None = Field(
        default=None,
        description="Seconds from handing the prompt to the server to its start there; null if that was not seen.",
    )
    seconds: float | None = Field(
        default=None,
        description="What the render took on the server, in this run or in the one that made it; null if it failed.",
    )
    uploading: float | None = Field(
        default=None, description="Seconds to bring the frames from the server into the store."
    )
    frames: tuple[Frame, ...] = Field(default=(), description="Files that it made; none if it failed.")
    image_url: str | None = Field(
        default=None,
        title="Image URL",
        description=(
            "Where the first frame is: an address for people where those last, else the place in the store; null if it "
            "failed."
        ),
    )
    error: str | None = Field(default=None, description="The sentence that says why it failed or was skipped.")
    attempts: tuple[Attempt, ...] = Field(
        default=(), description="What went wrong, also where a later attempt made up for it."
    )
    graph: dict[str, Any] = Field(
        default_factory=dict, description="That was rendered, or would have been, in ComfyUI's API format."
    )
    inputs: tuple[InputPicture, ...] = Field(
        default=(),
        description="Pictures that the graph names and that were uploaded for it, with their places in the store.",
    )
    bound: dict[str, Any] = Field(
        default_factory=dict,
        description='What was set in the graph for this take, by input: {"6.text": …}; bindings says why there.',
    )


def standing(takes: Sequence[TakeEntry], picked: int | None) -> TakeEntry | None:
    """Of a shot's takes the one that stands for it: the picked one, else the first with a frame, else the first."""
    with_frames = [take for take in takes if take.frames]
    of_pick = [take for take in with_frames if take.take == picked]
    return next(iter([*of_pick, *with_frames, *takes]), None)


class BindingEntry(BaseModel):
    """One input of the workflow that takes something of a shot."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="Of the shot, such as prompt or reference (style).")
    node_id: str = Field(title="Node ID", description="In the graph.")
    title: str = Field(default="", description="That the artist gave the node; empty if none.")
    class_type: str = Field(description="The node's class.")
    input: str = Field(description="The input's name.")
    rule: str = Field(description="Why this input, in a phrase.")
    now: Any = Field(
        default=None,
        description="The value that the workflow was saved with; null if a shot's comes in its place only.",
    )


class ShotEntry(BaseModel):
    """One shot of a run, as the upstream system reads it back, with the shot as it was given."""

    model_config = ConfigDict(frozen=True)

    shot_id: int | str = Field(title="Shot ID", description="A whole number or text, as in the list.")
    success: bool = Field(description="Whether every take of the shot has its frames.")
    image_url: str | None = Field(title="Image URL", description="Of the take that stands for the shot.")
    prompt: str = Field(description="As given.")
    duration: float = Field(description="On screen, in seconds.")
    sequence: str | None = Field(default=None, description="The scene or sequence it belongs to; null if none.")
    picked: int | None = Field(
        default=None, description="Number of the take that a person chose (the circled take); null where nobody did."
    )
    shot: dict[str, Any] = Field(
        description="The shot as given, unknown fields included, without the signatures of signed addresses."
    )
    takes: tuple[TakeEntry, ...] = Field(description="By number.")

    @property
    def shown(self) -> TakeEntry | None:
        """The take that stands for the shot."""
        return standing(self.takes, self.picked)


class Manifest(BaseModel):
    """A run's record, kept at boards/BOARD/RUN/manifest.json."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.manifest/2"] = Field(
        SCHEMA, alias="schema", title="Schema", description="Name and version of this form."
    )
    board: str = Field(description="The name under which runs gather.")
    run: str = Field(description="This run's name within the board; names sort as runs started.")
    number: int | None = Field(
        default=None, description="The run's number within the board, from 1; null in runs that were not numbered yet."
    )
    title: str = Field(default="", description="Of the shot list; empty if it has none.")
    fps: float = Field(default=24, title="FPS", description="Frames per second of the film.")
    started: AwareDatetime = Field(description="When the run began.")
    finished: AwareDatetime = Field(description="When its last take was done.")
    shot_list: dict[str, Any] = Field(
        default_factory=dict, description="Fields of the list that previs does not know, as given."
    )
    workflow: dict[str, Any] | str = Field(description="The settings, or the place of the workflow's file.")
    bindings: tuple[BindingEntry, ...] = Field(
        default=(), description="Which inputs of the workflow take what of a shot."
    )
    servers: tuple[str, ...] = Field(default=(), description="Base URLs of the farm's servers, without credentials.")
    problems: tuple[str, ...] = Field(
        default=(), description="What the run has to say beyond its shots, such as a server that was set aside."
    )
    shots: tuple[ShotEntry, ...] = Field(
        description="In the list's order; without those that the run was not asked for and that are not in the store."
    )

    @field_validator("schema_name", mode="before")
    @classmethod
    def _earlier_versions(cls, value: object) -> object:
        # Version 2 only adds fields, which are empty where a run of version 1 said nothing of them.
        return SCHEMA if isinstance(value, str) and value in _EARLIER else value

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
