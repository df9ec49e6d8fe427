"""Decode pictures within one budget of pixels for the whole program, large ones in a process of their own.

Whoever sends a picture decides what its decoding costs: a WEBP of a few KB may take over 1 GB. So its cost is read from
its header first, decoding waits until the budget has room for it, and what costs more than a few million pixels is
decoded in a process with limits on memory and time.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from previs.errors import NotAPicture
from previs.pictures import Media, Playback
from previs.pictures.child import MOST_SECONDS, TOO_MUCH
from previs.pictures.cost import decoding_cost
from previs.pictures.pillow import MOST_PIXELS
from previs.pictures.pixels import pixels
from previs.pictures.playback import is_film, playback, without_picture
from previs.pictures.quality import Measured
from previs.pictures.references import upright_file
from previs.pictures.scaled import scaled_file

AT_ONCE: Final = 16_000_000
"""Pixels that are decoded at one time; a picture of more is decoded alone."""

_IN_THIS_PROCESS: Final = 4_000_000
_THREADS_AT_ONCE: Final = 4
# The decoders need no credentials.
_ENVIRONMENT: Final = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP")
PACKAGES: Final = Path(__file__).parents[2]
"""Folder in which a process that decodes finds previs, wherever the program was started."""

T = TypeVar("T")


class PixelBudget:
    """Count the pixels in work; whoever wants more than are free waits, in the order of asking."""

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, count: int) -> Iterator[None]:
        """Hold so many pixels, or all if there are fewer, during the ``with`` block."""
        held = min(count, self._total)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._free >= held)
            self._free -= held
        try:
            yield
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()


_BUDGET: Final = PixelBudget(AT_ONCE)
_THREADS: Final = ThreadPoolExecutor(_THREADS_AT_ONCE, thread_name_prefix="previs-decode")


class _DecoderFailed(Exception):
    """Say why a process has no answer."""


async def upright(source: Path, target: Path, *, uri: str) -> str:
    """Make a reference ready in another file, as :func:`previs.pictures.references.upright_file` does.

    Raises:
        NotAPicture: The file is no picture, is damaged, or takes too much memory or time to decode.
    """

    def alone() -> str:
        try:
            answer = _ask({"do": "upright", "source": str(source), "target": str(target)})
        except _DecoderFailed as error:
            raise NotAPicture(uri, str(error)) from error
        if "reason" in answer:
            raise NotAPicture(uri, answer["reason"])
        return str(answer["suffix"])

    return await _decode(lambda: decoding_cost(source), lambda: upright_file(source, target, uri=uri), alone)


async def scaled(source: Path, target: Path, *, box: tuple[int, int], uri: str) -> tuple[int, int]:
    """Make a small JPEG of a picture or of video, as :func:`previs.pictures.scaled.scaled_file` does.

    Raises:
        NotAPicture: The file has no picture, is damaged, or takes too much memory or time to decode.
    """

    def alone() -> tuple[int, int]:
        try:
            answer = _ask({"do": "scaled", "source": str(source), "target": str(target), "box": box})
        except _DecoderFailed as error:
            raise NotAPicture(uri, str(error)) from error
        if "reason" in answer:
            raise NotAPicture(uri, answer["reason"])
        width, height = answer["size"]
        return width, height

    def cost() -> int:
        # Of video and of what no decoder knows, the cost cannot be told.
        return decoding_cost(source) or MOST_PIXELS

    return await _decode(cost, lambda: scaled_file(source, target, box=box, uri=uri), alone)


async def describe(path: Path, media: Media) -> Playback:
    """Describe a frame, as :func:`previs.pictures.playback` does; without a thumbnail if decoding takes too much."""

    def alone() -> Playback:
        try:
            answer = _ask({"do": "playback", "path": str(path), "media": asdict(media)})
        except _DecoderFailed:
            return without_picture(path, media)
        measured = Measured.from_json(answer["measured"]) if answer["measured"] else None
        return Playback(**answer | {"measured": measured})

    cost = MOST_PIXELS if is_film(media) else None
    return await _decode(lambda: cost or decoding_cost(path), lambda: playback(path, media), alone)


async def pixels_of(path: Path) -> list[tuple[tuple[int, int], str, str]] | None:
    """Return what :func:`previs.pictures.pixels.pixels` returns; None also if decoding takes too much."""

    def alone() -> list[tuple[tuple[int, int], str, str]] | None:
        try:
            found = _ask({"do": "pixels", "path": str(path)})["pixels"]
        except _DecoderFailed:
            return None
        return found and [((width, height), mode, digest) for (width, height), mode, digest in found]

    return await _decode(lambda: decoding_cost(path), lambda: pixels(path), alone)


async def _decode(cost: Callable[[], int], here: Callable[[], T], alone: Callable[[], T]) -> T:
    """Decode in a thread; a thread whose caller was cancelled keeps its pixels until it ends."""

    def work() -> T:
        count = cost()
        with _BUDGET.reserve(count):
            return here() if count <= _IN_THIS_PROCESS else alone()

    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


def decoder_environment() -> dict[str, str]:
    """Return the variables of a process that decodes."""
    return {key: text for key, text in os.environ.items() if key in _ENVIRONMENT or key.startswith("PYTHON")}


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            (sys.executable, "-m", "previs.pictures.child"),
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=MOST_SECONDS,
            cwd=PACKAGES,
            env=decoder_environment(),
            check=False,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except subprocess.TimeoutExpired as error:
        raise _DecoderFailed(f"decoding it takes longer than {MOST_SECONDS} s") from error
    except (OSError, ValueError) as error:
        raise _DecoderFailed(f"its decoder could not be run: {error}") from error
    if not isinstance(answer, dict):
        raise _DecoderFailed(TOO_MUCH if "MemoryError" in done.stderr else f"its decoder ended with {done.returncode}")
    return answer
