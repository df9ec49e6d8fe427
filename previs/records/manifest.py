"""Define the manifest: what a run made, from what, and where it is.

It is written to ``boards/BOARD/RUN/manifest.json`` by alias, so the first key of the file is ``schema``. The fields are
described only here: ``previs schema`` writes them as JSON Schema, ``docs/manifest.md`` as tables.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import to_json

from previs.errors import RecordUnreadable
from previs.records.marks import Mark, Retried
from previs.records.model import Record
from previs.records.takes import Attempt, Frame, InputPicture, Items

Outcome = Literal["rendered", "joined", "cached", "failed", "skipped"]
SCHEMA: Final = "previs.manifest/2"
_MOST_OBJECTS: Final = 1_000_000  # pydantic needs 500 bytes for an empty one
_EARLIER: Final = {"previs.manifest/1"}


class TakeEntry(Record):
    """Represent one take of one shot in a run."""

    take: int = Field(description="Number of the take, from 1; of a pass, that of the take it is made from.")
    outcome: Outcome = Field(
        description=(
            "Either rendered in this run, joined (found on a server, at work or finished, as submitted by another run, "
            "or by this one before a restart), cached from an earlier run, failed, or skipped because a shot that it "
            "builds on has no frame."
        )
    )
    fingerprint: str = Field(description="SHA-256 of everything that determines the picture, hexadecimal.")
    seed: int | None = Field(default=None, description="Seed with which the graph was bound.")
    server: str | None = Field(
        default=None, description="Base URL of the server, without credentials; null if the take failed."
    )
    comfyui: str | None = Field(
        default=None, description="The server's version of ComfyUI; null if the server did not report it."
    )
    prompt_id: str | None = Field(default=None, description="ID of the prompt on the server; null if the take failed.")
    waiting: float | None = Field(
        default=None,
        description="Seconds from posting the prompt to its start on the server; null if the start was not observed.",
    )
    seconds: float | None = Field(
        default=None,
        description="Seconds of the render on the server, in this run or the one that made it; null if it failed.",
    )
    uploading: float | None = Field(
        default=None, description="Seconds to copy the frames from the server to the store."
    )
    frames: Items[Frame] = Field(default=(), description="Files that it made; empty if the take failed.")
    image_url: str | None = Field(
        default=None,
        title="Image URL",
        description=(
            "URL of the first frame: one that a browser opens if such URLs last, else the URI in the store; null if "
            "the take failed."
        ),
    )
    error: str | None = Field(default=None, description="Sentence that says why it failed or was skipped.")
    marks: Items[Mark] = Field(
        default=(),
        title="Marks",
        description="What frame QC found wrong with it; empty if nothing, if its shot has qc off, and if it failed.",
    )
    retried: Retried | None = Field(
        default=None,
        title="Retried",
        description="The other render, if frame QC had the take rendered once more; else null.",
    )
    attempts: Items[Attempt] = Field(default=(), description="Failed attempts, also if a later attempt succeeded.")
    graph: dict[str, Any] = Field(
        default_factory=dict, description="Graph that was rendered, or would have been, in ComfyUI's API format."
    )
    inputs: Items[InputPicture] = Field(
        default=(), description="Pictures that the graph names and that were uploaded for it, with their keys."
    )
    bound: dict[str, Any] = Field(
        default_factory=dict,
        description='Values set in the graph for this take, by input: {"6.text": …}; bindings gives the reasons.',
    )

    @property
    def pass_name(self) -> str:
        """Return the name of the pass; empty for a take itself."""
        return ""

    @property
    def planned_fingerprint(self) -> str:
        """Return the fingerprint of its first render, by which a plan and the takes that build on it know it."""
        return self.retried.fingerprint if self.retried and self.retried.shown == "second" else self.fingerprint


class PassEntry(TakeEntry):
    """Represent one pass of the chosen take of a shot."""

    name: str = Field(description="Name of the pass.")

    @property
    def pass_name(self) -> str:
        """Return the name of the pass."""
        return self.name


def representative(
    takes: Sequence[TakeEntry], passes: Sequence[PassEntry], picked: int | None
) -> TakeEntry | PassEntry | None:
    """Return what represents a shot: the last pass with a frame of the take that does, else that take.

    That take is the picked one, else the first with a frame, else the first.
    """
    with_frames = [take for take in takes if take.frames]
    chosen = [take for take in with_frames if take.take == picked]
    take = next(iter([*chosen, *with_frames, *takes]), None)
    made = [each for each in passes if each.frames and take and each.take == take.take]
    return made[-1] if made else take


class BindingEntry(Record):
    """Represent an input of the workflow that is set from a shot."""

    workflow: str | None = Field(
        default=None, description="Name or path by which shots use the workflow; null for the run's own."
    )
    what: str = Field(description="Property of the shot, such as prompt or reference (style).")
    node_id: str = Field(title="Node ID", description="ID of the node in the graph.")
    title: str = Field(default="", description="Title that the artist gave the node; empty if there is none.")
    class_type: str = Field(description="Class of the node.")
    input: str = Field(description="Name of the input.")
    rule: str = Field(description="Reason why this input was chosen, in a phrase.")
    now: Any = Field(
        default=None, description="Value that the workflow was saved with; null if only shots give it a value."
    )


class ShotEntry(Record):
    """Represent one shot of a run, as the upstream system reads it back, with the shot as it was given."""

    shot_id: int | str = Field(title="Shot ID", description="The shot's ID: a whole number or text, as in the list.")
    success: bool = Field(description="Whether every take and pass of the shot has its frames.")
    image_url: str | None = Field(
        title="Image URL", description="URL of the take or pass that represents the shot: the last pass that is there."
    )
    prompt: str = Field(description="Prompt as the template and the looks made it; shot has the one given.")
    duration: float = Field(description="Time on screen, in seconds.")
    sequence: str | None = Field(default=None, description="Scene or sequence of the shot; null if it has none.")
    workflow: str | None = Field(
        default=None, description="Name or path of the shot's workflow; null for the run's own."
    )
    uses: Items[str] = Field(
        default=(), description="What the shot takes from looks: characters, locations, the style, its sequence."
    )
    picked: int | None = Field(
        default=None, description="Number of the take that a person picked (the circled take); null if none is picked."
    )
    shot: dict[str, Any] = Field(
        description="The shot as given, unknown fields included, without the signatures of signed URLs."
    )
    takes: Items[TakeEntry] = Field(description="Takes of the shot, by number.")
    passes: Items[PassEntry] = Field(
        default=(), description="Passes of its chosen take, each made from the one before."
    )

    @property
    def shown(self) -> TakeEntry | PassEntry | None:
        """Return the take or pass that represents the shot."""
        return representative(self.takes, self.passes, self.picked)

    @property
    def renders(self) -> tuple[TakeEntry, ...]:
        """Return all takes and passes."""
        return (*self.takes, *self.passes)

    def render_of(self, take: int, pass_name: str = "") -> TakeEntry | None:
        """Return a take by its number, or a pass by its name; None if there is none."""
        if pass_name:
            return next((each for each in self.passes if each.name == pass_name), None)
        return next((each for each in self.takes if each.take == take), None)


class Manifest(Record):
    """Record what a run made; kept at boards/BOARD/RUN/manifest.json."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: Literal["previs.manifest/2"] = Field(
        SCHEMA, alias="schema", title="Schema", description="Name and version of this format."
    )
    board: str = Field(description="Name of the board to which the run belongs.")
    run: str = Field(description="Name of the run within the board; names sort in the order in which runs started.")
    number: int | None = Field(
        default=None, description="Number of the run within the board, from 1; null in runs of earlier versions."
    )
    title: str = Field(default="", description="Title of the shot list; empty if it has none.")
    fps: float = Field(default=24, title="FPS", description="Frames per second of the film.")
    lang: str = Field(default="en", title="Language", description="Language of the board's page: en or zh.")
    started: AwareDatetime = Field(description="When the run began.")
    finished: AwareDatetime = Field(description="When its last take ended.")
    shot_list: dict[str, Any] = Field(
        default_factory=dict,
        description="The list's other fields as given, those that previs does not know included.",
    )
    prompt_template: str | None = Field(
        default=None, description="The list's template of prompts; null if it has none, and in earlier versions."
    )
    workflow: dict[str, Any] | str = Field(description="Settings, or path or URL of the workflow's file.")
    workflows: dict[str, Any] = Field(
        default_factory=dict, description="Workflows of single shots, by the names or paths that the shots have."
    )
    looks: dict[str, Any] = Field(
        default_factory=dict, description="Characters, locations, style and sequences of the list and its look files."
    )
    bindings: Items[BindingEntry] = Field(default=(), description="Inputs of the workflow that are set from a shot.")
    servers: tuple[str, ...] = Field(default=(), description="Base URLs of the farm's servers, without credentials.")
    problems: tuple[str, ...] = Field(
        default=(), description="Problems beyond single shots, such as a server that was not used for a while."
    )
    shots: Items[ShotEntry] = Field(
        description="Shots in the list's order, without those that the run left out and the store does not have."
    )

    @field_validator("schema_name", mode="before")
    @classmethod
    def _earlier_versions(cls, value: object) -> object:
        # Version 2 only adds fields, which are empty in manifests of version 1.
        return SCHEMA if isinstance(value, str) and value in _EARLIER else value

    @property
    def failed(self) -> tuple[ShotEntry, ...]:
        """Return the shots that lack a frame."""
        return tuple(shot for shot in self.shots if not shot.success)

    @property
    def marked(self) -> tuple[tuple[ShotEntry, TakeEntry], ...]:
        """Return the takes and passes that frame QC marked, with their shots."""
        return tuple((shot, take) for shot in self.shots for take in shot.renders if take.marks)

    @property
    def duration(self) -> float:
        """Return the duration of the whole board in seconds."""
        return sum(shot.duration for shot in self.shots)


def json_pieces(manifest: Manifest) -> Iterator[bytes]:
    """Yield a manifest's JSON, shot by shot."""
    # The shots come last. JSON has no line break within a text.
    whole = to_json(manifest.model_copy(update={"shots": ()}), by_alias=True, indent=1)
    before, _, after = whole.rpartition(b"[]")
    separator = b"[\n  "
    yield before
    for shot in manifest.shots:
        yield separator
        yield to_json(shot, by_alias=True, indent=1).replace(b"\n", b"\n  ")
        separator = b",\n  "
    yield (b"\n ]" if manifest.shots else b"[]") + after


def read_manifest(content: bytes, *, name: str) -> Manifest:
    """Read a manifest of this or an earlier version.

    Args:
        content: Content of the file.
        name: Path or URI of the file, for the error.

    Raises:
        RecordUnreadable: The manifest is damaged, or of a later version.
    """
    if content.count(b"{") > _MOST_OBJECTS:
        raise RecordUnreadable(name, f"it has more than {_MOST_OBJECTS:,} objects")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        reason = "it is not a manifest of version 1 or 2" if where == "schema" else f"{where}: {first['msg']}"
        raise RecordUnreadable(name, reason) from error
