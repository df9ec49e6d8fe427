"""What a render made: frames, and the record of a take, which is also the cache's entry."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Frame(BaseModel):
    """A file that a take made: an image, a video or a sound.

    Attributes:
        key: where it is in the store, such as ``frames/ab/abcdef….png``.
        sha256: of its bytes, hexadecimal.
        size: in bytes.
        media_type: such as ``image/png``.
        width: in pixels; none for sound, and for video whose size was not read.
        height: in pixels, likewise.
        thumbnail: a small picture as a ``data:`` URI, so that a private store's board can be shown anywhere; none
            where no picture could be made of the file.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    sha256: str
    size: int
    media_type: str
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None

    @property
    def kind(self) -> str:
        """``image``, ``video`` or ``audio``."""
        return self.media_type.partition("/")[0]


class InputPicture(BaseModel):
    """A picture that a take was made from, kept so that the take can be made again.

    Attributes:
        name: in the graph, below the server's input folder.
        key: where it is in the store: an input, or the frame of another shot, which a server got as PNG or JPEG.
        sha256: of the file in the store, hexadecimal.
        size: of it, in bytes.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    key: str
    sha256: str
    size: int


class Attempt(BaseModel):
    """A try at a take that failed.

    Attributes:
        at: when it failed.
        server: base URL, without credentials; none where no server was at fault.
        error: the sentence that says why.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    server: str | None = None
    error: str


class TakeRecord(BaseModel):
    """The record that a take was made, kept at ``takes/FINGERPRINT.json`` and written after its frames.

    Attributes:
        fingerprint: of the bound graph that made it.
        prompt_id: on the server.
        server: base URL, without credentials.
        comfyui: the server's version of ComfyUI; none if it did not say.
        waiting: seconds from handing the prompt to the server to its start there; none if it was joined.
        seconds: from the start on the server to its end.
        uploading: seconds to bring the frames from the server into the store.
        inputs: pictures that it was made from.
        sources: SHA-256 of other shots' frames that it was made from, by those takes' fingerprints.
        models: hashes of model files as the server told them, by name.
        attempts: what went wrong before, in the run that made it.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.take/1"] = Field("previs.take/1", alias="schema")
    fingerprint: str
    seed: int | None
    prompt_id: str
    server: str
    comfyui: str | None = None
    waiting: float | None = None
    seconds: float
    uploading: float | None = None
    finished: datetime
    frames: tuple[Frame, ...]
    inputs: tuple[InputPicture, ...] = ()
    sources: dict[str, str] = Field(default_factory=dict)
    models: dict[str, str] = Field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()

    @property
    def picture(self) -> Frame | None:
        """The frame that other shots build on: the first that is an image."""
        return next((frame for frame in self.frames if frame.kind == "image"), None)


class Pick(BaseModel):
    """The record that a take of a shot was chosen: the circled take.

    Attributes:
        shot_id: as text.
        take: its number; none where the choice was taken back.
        fingerprint: of the take when it was chosen.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.pick/1"] = Field("previs.pick/1", alias="schema")
    shot_id: str
    take: int | None
    fingerprint: str | None
    picked: datetime
