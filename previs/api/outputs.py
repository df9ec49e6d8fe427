"""Describe what a render made, and where it is."""

import asyncio
from dataclasses import dataclass
from urllib.parse import quote

from previs.errors import PrevisError
from previs.records.manifest import Outcome
from previs.records.takes import Frame, TakeRecord
from previs.store import Store


@dataclass(frozen=True, slots=True)
class OutputFile:
    """Describe a file that a render made, as it is kept in the store.

    Attributes:
        url: URL that opens it: below the session's ``public_url``, if it has one; otherwise ``file://`` for a store in
            a folder, and for S3 the public URL, or one that is signed for the time that the store's settings allow (7
            days by default).
        uri: Absolute path, or ``s3://bucket/key``.
        media_type: Media type found in its bytes, such as ``image/png``.
        width: Width in pixels; None for sound, and for files whose size was not read.
        height: Height in pixels; None in the same cases.
        duration: Duration of video, sound or an animation in seconds; None for stills, and if it was not read.
        frame_rate: Frames per second of video or an animation, on average; None for others, and if it was not read.
        size: Size in bytes.
        sha256: SHA-256 of its bytes, hexadecimal; also its name in the store.
    """

    url: str
    uri: str
    media_type: str
    width: int | None
    height: int | None
    size: int
    sha256: str
    duration: float | None = None
    frame_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Hold what one render made.

    Attributes:
        prompt_id: Id of the prompt that made it, on the server.
        server: Base URL of the server, without credentials.
        seed: Seed of the graph, from 0 to 2⁶⁴ − 1; None if the record names none.
        seconds: Duration of the render in seconds, from its start on the server to its end.
        cached: Whether the store had it already, so that no server was asked.
        files: Every file, the shot's frame first; at least one.
        attempts: Sentences on attempts that failed before.
    """

    prompt_id: str
    server: str
    seed: int | None
    seconds: float
    cached: bool
    files: tuple[OutputFile, ...]
    attempts: tuple[str, ...] = ()

    @property
    def main(self) -> OutputFile:
        """Return the shot's frame: the first file."""
        return self.files[0]


@dataclass(frozen=True, slots=True)
class ShotResult:
    """Report how one take or pass of a list ended.

    Attributes:
        shot_id: Id of the shot, as the list gives it.
        take: Number of the take, from 1; of a pass, that of the take it is made from.
        outcome: ``rendered``, ``joined`` (found on a server, as submitted before), ``cached`` (the store had it),
            ``failed``, or ``skipped``, because another shot whose frame it uses has none.
        outputs: What was made; None if it failed or was skipped.
        error: Sentence that says why there are no outputs; empty if there are some.
        cause: Error behind that sentence; None for a skipped take.
        pass_name: Name of the pass; empty for a take itself.
        marks: What frame QC found wrong with how the frame looks, in words; empty if nothing.
    """

    shot_id: int | str
    take: int
    outcome: Outcome
    outputs: Outputs | None = None
    error: str = ""
    cause: PrevisError | None = None
    pass_name: str = ""
    marks: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Return whether there are outputs."""
        return self.outputs is not None


@dataclass(frozen=True, slots=True)
class Links:
    """Make the URLs of stored files.

    Attributes:
        public_url: URL under which the store's folder or bucket is published; None for the store's own links.
    """

    store: Store
    public_url: str | None = None

    async def url(self, key: str) -> str:
        """Return the URL of a key."""
        if self.public_url is None:
            return await self.store.link(key)
        return f"{self.public_url.rstrip('/')}/{quote(key)}"


async def outputs_of(record: TakeRecord, links: Links, *, cached: bool) -> Outputs:
    """Return what a take's record says, with URLs for its files.

    Raises:
        StoreRefused, StoreUnavailable: The store cannot sign a URL.
    """
    return Outputs(
        prompt_id=record.prompt_id,
        server=record.server,
        seed=record.seed,
        seconds=record.seconds,
        cached=cached,
        files=tuple(await asyncio.gather(*(_file(frame, links) for frame in record.frames))),
        attempts=tuple(attempt.error for attempt in record.attempts),
    )


async def _file(frame: Frame, links: Links) -> OutputFile:
    return OutputFile(
        url=await links.url(frame.key),
        uri=links.store.uri(frame.key),
        media_type=frame.media_type,
        width=frame.width,
        height=frame.height,
        size=frame.size,
        sha256=frame.sha256,
        duration=frame.duration,
        frame_rate=frame.frame_rate,
    )
