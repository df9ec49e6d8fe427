"""Define frames, picks and the record of a take, which is also its cache entry.

The fields are described only here: ``previs schema`` writes them as JSON Schema, ``docs/manifest.md`` as tables.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, ConfigDict, FailFast, Field

from previs.records.model import Record

T = TypeVar("T")
Channel = Annotated[int, Field(ge=0, le=255)]
Color = tuple[Channel, Channel, Channel]
Items = Annotated[tuple[T, ...], FailFast()]
"""Items of a record; reading stops at the first that is damaged, since a record may have millions."""


class Pixels(Record):
    """Represent what was measured of a picture, or of film, when it was stored."""

    darkest: Color = Field(
        description=(
            "Smallest red, green and blue of any pixel, 0 to 255, or of its middle if that has contrast; of film, of "
            "its first frame."
        )
    )
    brightest: Color = Field(description="Largest red, green and blue of any pixel, likewise.")
    moves: bool | None = Field(
        default=None,
        description="Whether the pictures of film or an animation differ; null for stills, and if not found out.",
    )


class Frame(Record):
    """Represent a file that a take made: an image, a video or a sound."""

    key: str = Field(description="Key in the store, such as frames/ab/abcdef….png.")
    sha256: str = Field(description="SHA-256 of its bytes, hexadecimal.")
    size: int = Field(description="Size in bytes.")
    media_type: str = Field(description="Media type, such as image/png.")
    width: int | None = Field(
        default=None, description="Width in pixels; null for sound, and for files whose size was not read."
    )
    height: int | None = Field(default=None, description="Height in pixels; null in the same cases.")
    duration: float | None = Field(
        default=None,
        description="Duration of video, sound or an animation in seconds; null for stills, and if it was not read.",
    )
    frame_rate: float | None = Field(
        default=None,
        description="Frames per second of video or an animation, on average; null for anything else, and if not read.",
    )
    thumbnail: str | None = Field(
        default=None,
        description=(
            "Small picture as a data: URI, of video the first frame, so that a private store's board can be shown "
            "anywhere; null for sound, and if no picture could be made of the file."
        ),
    )
    node: str | None = Field(
        default=None, description="ID of the output node that made it; null in records of earlier versions."
    )
    pixels: Pixels | None = Field(
        default=None,
        title="Pixels",
        description=(
            "What was measured of it for frame QC; null for sound, for files that were not decoded, and in records of "
            "earlier versions."
        ),
    )

    @property
    def kind(self) -> str:
        """Return ``image``, ``video`` or ``audio``."""
        return self.media_type.partition("/")[0]


class InputPicture(Record):
    """Represent a picture that a take was made from, kept so that the take can be made again."""

    name: str = Field(description="Name in the graph, below the server's input folder.")
    key: str = Field(
        description="Key in the store: an input, or the frame of another shot, which a server got as PNG or JPEG."
    )
    sha256: str = Field(description="SHA-256 of the file in the store, hexadecimal.")
    size: int = Field(description="Size of that file in bytes.")


class Attempt(Record):
    """Represent a failed attempt at a take."""

    at: AwareDatetime = Field(description="When it failed.")
    server: str | None = Field(
        default=None, description="Base URL of the server, without credentials; null if no server was at fault."
    )
    error: str = Field(description="Sentence that says why it failed.")


class TakeRecord(Record):
    """Record that a take was made; kept at takes/FINGERPRINT.json and written after its frames."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: Literal["previs.take/1"] = Field(
        "previs.take/1", alias="schema", title="Schema", description="Name and version of this format."
    )
    fingerprint: str = Field(description="Fingerprint of the bound graph that made it.")
    seed: int | None = Field(description="Seed with which the graph was bound.")
    prompt_id: str = Field(description="ID of the prompt on the server.")
    render_nonce: str = Field(
        default="",
        alias="salt",
        description=(
            "Text that makes its prompt differ from all earlier ones, if it was rendered again: the run that ordered "
            "this, or the prompt that it replaced."
        ),
    )
    joined: bool = Field(
        default=False,
        description=(
            "Whether its prompt was found on the server, at work or finished: another run, or this one before a "
            "restart, had submitted it."
        ),
    )
    server: str = Field(description="Base URL of the server, without credentials.")
    comfyui: str | None = Field(
        default=None, description="The server's version of ComfyUI; null if the server did not report it."
    )
    waiting: float | None = Field(
        default=None,
        description="Seconds from posting the prompt to its start on the server; null if a running prompt was joined.",
    )
    seconds: float = Field(description="Seconds from its start on the server to its end.")
    uploading: float | None = Field(
        default=None, description="Seconds to copy the frames from the server to the store."
    )
    finished: AwareDatetime = Field(description="When its frames were in the store.")
    frames: Items[Frame] = Field(description="Files that it made, the shot's frame first.")
    inputs: Items[InputPicture] = Field(default=(), description="Pictures that it was made from.")
    sources: dict[str, str] = Field(
        default_factory=dict,
        description="SHA-256 of other shots' frames that it was made from, by those takes' fingerprints.",
    )
    models: dict[str, str] = Field(
        default_factory=dict,
        description="Hashes of model files from the server, by name, such as loras/rain.safetensors.",
    )
    attempts: Items[Attempt] = Field(default=(), description="Earlier failures in the run that made it.")

    @property
    def how_made(self) -> Literal["rendered", "joined"]:
        """Return the take's outcome in the run that made the record."""
        return "joined" if self.joined else "rendered"

    @property
    def picture(self) -> Frame | None:
        """Return the frame that other shots build on: the first image."""
        return next((frame for frame in self.frames if frame.kind == "image"), None)


class Pick(Record):
    """Record that a take of a shot was chosen (the circled take); kept at boards/BOARD/picks/SHOT.json."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: Literal["previs.pick/1"] = Field(
        "previs.pick/1", alias="schema", title="Schema", description="Name and version of this format."
    )
    shot_id: str = Field(title="Shot ID", description="The shot's ID as text, also if it is a number in the list.")
    take: int | None = Field(description="Number of the take; null if the pick was withdrawn.")
    fingerprint: str | None = Field(
        description="Fingerprint of the take when it was picked; null if the pick was withdrawn."
    )
    picked: AwareDatetime = Field(description="When the take was picked, or the pick withdrawn.")
