"""Ask a process to decode pictures, clips and sound, so that a file of a stranger costs at most that process."""

import contextlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from previs.animatic.messages import HEADER
from previs.animatic.timeline import Cue, Timeline
from previs.ingest.decoding import PACKAGES, decoder_environment
from previs.pictures.child import MOST_SECONDS

_SECONDS_PER_FRAME: Final = 1.0
_MOST_BYTES: Final = 100_000_000
"""Bytes of the largest message: more than a frame of the largest film."""


class Undecodable(Exception):
    """Say why a file cannot be decoded."""


class Decoder:
    """Decode files, one after another, in the order in which they are asked for.

    The process begins with the next file while an answer is read, as far as the pipe has room. If it dies, the file
    that it worked on counts as undecodable, and a new one begins with the next.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: deque[dict[str, Any]] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # What was not sent any more is of no use.
            with contextlib.suppress(BrokenPipeError), process:
                pass

    def ask(self, request: dict[str, Any]) -> None:
        """Ask for a file; another thread may read an answer meanwhile."""
        with self._lock:
            self._asked.append(request)
            if self._process is not None:
                self._send(self._process, request)

    def answer(self) -> Iterator[tuple[int, bytes]]:
        """Yield the messages of the answer to the first request that was not answered yet; read them all.

        Raises:
            Undecodable: The rest cannot be decoded.
        """
        process = self._running()
        request = self._asked[0]
        limit = threading.Timer(MOST_SECONDS + _SECONDS_PER_FRAME * request.get("frames", MOST_SECONDS), process.kill)
        limit.daemon = True
        if "frames" in request:
            limit.start()
        try:
            while (message := self._read(process)) is not None:
                kind, number, content = message
                if kind in (b"E", b"X"):
                    self._asked.popleft()
                    if kind == b"X":
                        raise Undecodable(content.decode())
                    return
                yield number, content
        finally:
            limit.cancel()
        self.close()
        self._asked.popleft()
        raise Undecodable("decoding it takes too much memory or time")

    def _running(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    (sys.executable, "-m", "previs.animatic.child"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd=PACKAGES,
                    env=decoder_environment(),
                )
                for request in self._asked:
                    self._send(self._process, request)
            return self._process

    @staticmethod
    def _send(process: "subprocess.Popen[bytes]", request: dict[str, Any]) -> None:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # reading its answer finds that it has ended

    @staticmethod
    def _read(process: "subprocess.Popen[bytes]") -> tuple[bytes, int, bytes] | None:
        """Return a message, or None if the process has ended."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        header = process.stdout.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        kind, number, size = HEADER.unpack(header)
        if size > _MOST_BYTES:
            return None
        content = process.stdout.read(size)
        return (kind, number, content) if len(content) == size else None


def picture_request(cue: Cue, timeline: Timeline, path: Path) -> dict[str, Any]:
    """Return the request for what is seen of a shot, whose file is at a path."""
    assert cue.frame is not None  # noqa: S101 - a shot without a picture has a slate
    canvas, move = timeline.canvas, cue.move
    inner = canvas.inner
    return {
        "do": "picture",
        "path": str(path.resolve()),
        "media_type": cue.frame.media_type,
        "animated": bool(cue.frame.duration),
        "canvas": [canvas.width, canvas.height, inner.left, inner.top, inner.width, inner.height],
        "frames": cue.frames,
        "fps": [timeline.fps.numerator, timeline.fps.denominator],
        "move": [move.sizes, move.across, move.down] if move else None,
    }


def sound_request(path: Path, reader: str, samples: int) -> dict[str, Any]:
    """Return the request for the start of a file's sound, at most so many samples."""
    return {"do": "sound", "path": str(path.resolve()), "reader": reader, "samples": samples}
