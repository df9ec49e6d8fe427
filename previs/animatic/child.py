"""Decode pictures, clips and sound in a process of its own: ``python -m previs.animatic.child``.

Requests come on standard input, one a line, as JSON; :mod:`previs.animatic.decoder` makes them. The answers go to
standard output, in the order of the requests, as :mod:`previs.animatic.messages` says. A file
whose decoding takes more memory or time than the limits ends this process alone.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import av

from previs.animatic.clips import play_animation, play_film
from previs.animatic.messages import BYTES_OF_SAMPLE, HEADER, SAMPLE_RATE
from previs.animatic.playing import Playing, Unplayable
from previs.animatic.still import play_still
from previs.pictures.child import MOST_BYTES, MOST_SECONDS
from previs.pictures.pillow import BROKEN, FORMATS

_PICTURES: Final = frozenset(f"image/{each.lower()}" for each in FORMATS)
_SECONDS_PER_FRAME: Final = 0.2


class _Answer:
    """Write messages to standard output."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def frame(self, planes: bytes, times: int) -> None:
        self._send(b"F", times, planes)

    def samples(self, content: bytes) -> None:
        self._send(b"S", len(content) // BYTES_OF_SAMPLE, content)

    def end(self, reason: str = "") -> None:
        self._send(b"X" if reason else b"E", 0, reason.encode())
        self._stream.flush()

    def _send(self, kind: bytes, number: int, content: bytes) -> None:
        self._stream.write(HEADER.pack(kind, number, len(content)))
        self._stream.write(content)


def _picture(request: dict[str, Any], answer: _Answer) -> None:
    playing = Playing.of(request, answer.frame)
    if playing.media_type.startswith("video/"):
        play_film(playing)
    elif playing.media_type not in _PICTURES:
        raise Unplayable(f"{playing.media_type} is not read")
    elif request["animated"]:
        play_animation(playing)
    else:
        play_still(playing)


def _sound(request: dict[str, Any], answer: _Answer) -> None:
    """Send the start of a file's sound, at most as many samples as asked for; nothing if it has none."""
    wanted = int(request["samples"])
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE)
    with av.open(request["path"], format=request["reader"], metadata_errors="replace") as container:
        if not container.streams.audio:
            return
        for decoded in container.decode(container.streams.audio[0]):
            for frame in resampler.resample(decoded):
                content = bytes(frame.planes[0])[: min(frame.samples, wanted) * BYTES_OF_SAMPLE]
                answer.samples(content)
                wanted -= len(content) // BYTES_OF_SAMPLE
            if wanted <= 0:
                return


_DO: Final[dict[str, Callable[[dict[str, Any], _Answer], None]]] = {"picture": _picture, "sound": _sound}


def _limit() -> None:
    """Set limits on this process where the system has them."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - Windows has none

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


def _limit_time(frames: int) -> None:
    """Allow this process so much more time of the processor."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - as above

        most = int(time.process_time() + MOST_SECONDS + frames * _SECONDS_PER_FRAME) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Carry out the requests until there are no more."""
    _limit()
    answer = _Answer(sys.stdout.buffer)
    for line in sys.stdin:
        request = json.loads(line)
        _limit_time(int(request.get("frames", 0)))
        try:
            _DO[request["do"]](request, answer)
        except Unplayable as error:
            answer.end(str(error))
        except MemoryError:
            answer.end("decoding it takes too much memory")
        except (av.FFmpegError, *BROKEN):
            # The decoders' own messages may quote the file.
            answer.end("it cannot be decoded: it is damaged")
        else:
            answer.end()


if __name__ == "__main__":
    main()
