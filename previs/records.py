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


class TakeRecord(BaseModel):
    """The record that a take was made, kept at ``takes/FINGERPRINT.json`` and written after its frames.

    Attributes:
        fingerprint: of the bound graph that made it.
        prompt_id: on the server.
        server: base URL, without credentials.
        seconds: from the start on the server to its end.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.take/1"] = Field("previs.take/1", alias="schema")
    fingerprint: str
    seed: int | None
    prompt_id: str
    server: str
    seconds: float
    finished: datetime
    frames: tuple[Frame, ...]
