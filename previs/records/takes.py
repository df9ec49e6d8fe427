"""What a render made: frames, and the record of a take, which is also the cache's entry.

What the fields mean is said once, here: ``previs schema`` writes it as JSON Schema, ``docs/manifest.md`` shows it.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Frame(BaseModel):
    """A file that a take made: an image, a video or a sound."""

    model_config = ConfigDict(frozen=True)

    key: str = Field(description="Where it is in the store, such as frames/ab/abcdef….png.")
    sha256: str = Field(description="Of its bytes, hexadecimal.")
    size: int = Field(description="In bytes.")
    media_type: str = Field(description="Such as image/png.")
    width: int | None = Field(
        default=None, description="In pixels; null for sound, and for video whose size was not read."
    )
    height: int | None = Field(default=None, description="In pixels, likewise.")
    thumbnail: str | None = Field(
        default=None,
        description=(
            "A small picture as a data: URI, so that a private store's board can be shown anywhere; null where no "
            "picture could be made of the file."
        ),
    )

    @property
    def kind(self) -> str:
        """``image``, ``video`` or ``audio``."""
        return self.media_type.partition("/")[0]


class InputPicture(BaseModel):
    """A picture that a take was made from, kept so that the take can be made again."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="In the graph, below the server's input folder.")
    key: str = Field(
        description=(
            "Where it is in the store: an input, or the frame of another shot, which a server got as PNG or JPEG."
        )
    )
    sha256: str = Field(description="Of the file in the store, hexadecimal.")
    size: int = Field(description="Of that file, in bytes.")


class Attempt(BaseModel):
    """A try at a take that failed."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime = Field(description="When it failed.")
    server: str | None = Field(
        default=None, description="Base URL, without credentials; null where no server was at fault."
    )
    error: str = Field(description="The sentence that says why.")


class TakeRecord(BaseModel):
    """The record that a take was made, kept at takes/FINGERPRINT.json and written after its frames."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.take/1"] = Field(
        "previs.take/1", alias="schema", title="Schema", description="Name and version of this form."
    )
    fingerprint: str = Field(description="Of the bound graph that made it.")
    seed: int | None = Field(description="That the graph was bound with.")
    prompt_id: str = Field(description="On the server.")
    render_nonce: str = Field(
        default="",
        alias="salt",
        description=(
            "What set its prompts apart from all earlier ones, if it was rendered again: the run that wanted so, or "
            "what it replaced."
        ),
    )
    server: str = Field(description="Base URL, without credentials.")
    comfyui: str | None = Field(default=None, description="The server's version of ComfyUI; null if it did not say.")
    waiting: float | None = Field(
        default=None,
        description="Seconds from handing the prompt to the server to its start there; null if it was joined.",
    )
    seconds: float = Field(description="From the start on the server to its end.")
    uploading: float | None = Field(
        default=None, description="Seconds to bring the frames from the server into the store."
    )
    finished: AwareDatetime = Field(description="When its frames were in the store.")
    frames: tuple[Frame, ...] = Field(description="Files that it made, in the order of the graph's output nodes.")
    inputs: tuple[InputPicture, ...] = Field(default=(), description="Pictures that it was made from.")
    sources: dict[str, str] = Field(
        default_factory=dict,
        description="SHA-256 of other shots' frames that it was made from, by those takes' fingerprints.",
    )
    models: dict[str, str] = Field(
        default_factory=dict,
        description="Hashes of model files as the server told them, by name, such as loras/rain.safetensors.",
    )
    attempts: tuple[Attempt, ...] = Field(default=(), description="What went wrong before, in the run that made it.")

    @property
    def picture(self) -> Frame | None:
        """The frame that other shots build on: the first that is an image."""
        return next((frame for frame in self.frames if frame.kind == "image"), None)


class Pick(BaseModel):
    """The record that a take of a shot was chosen (the circled take), kept at boards/BOARD/picks/SHOT.json."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.pick/1"] = Field(
        "previs.pick/1", alias="schema", title="Schema", description="Name and version of this form."
    )
    shot_id: str = Field(title="Shot ID", description="As text, also where it is a number in the list.")
    take: int | None = Field(description="The take's number; null where the choice was taken back.")
    fingerprint: str | None = Field(description="Of the take when it was chosen; null where it was taken back.")
    picked: AwareDatetime = Field(description="When it was chosen or taken back.")
