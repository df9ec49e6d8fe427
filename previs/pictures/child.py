"""Decode one picture in a process of its own: ``python -m previs.pictures.child``, with a request on standard input.

A request is JSON: ``{"do": "upright", …}``, see the functions. The answer is JSON on standard output. A picture whose
decoding takes more memory or time than the limits ends this process alone.
"""

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from previs.errors import NotAPicture
from previs.pictures.media import Media
from previs.pictures.pixels import pixels
from previs.pictures.playback import playback
from previs.pictures.references import upright_file
from previs.pictures.scaled import scaled_file

MOST_BYTES: Final = 2_000_000_000
MOST_SECONDS: Final = 120
_LARGEST_FILE: Final = 1_000_000_000
TOO_MUCH: Final = f"decoding it takes more than {MOST_BYTES // 1_000_000:,} MB: make it smaller"


def _upright(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"suffix": upright_file(Path(request["source"]), Path(request["target"]), uri="")}
    except NotAPicture as error:
        return {"reason": error.reason}
    except MemoryError:
        return {"reason": TOO_MUCH}


def _scaled(request: dict[str, Any]) -> dict[str, Any]:
    try:
        source, target, box = Path(request["source"]), Path(request["target"]), tuple(request["box"])
        return {"size": scaled_file(source, target, box=box, uri="")}
    except NotAPicture as error:
        return {"reason": error.reason}
    except MemoryError:
        return {"reason": TOO_MUCH}


def _playback(request: dict[str, Any]) -> dict[str, Any]:
    return asdict(playback(Path(request["path"]), Media(**request["media"])))


def _pixels(request: dict[str, Any]) -> dict[str, Any]:
    return {"pixels": pixels(Path(request["path"]))}


_DO: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "upright": _upright,
    "scaled": _scaled,
    "playback": _playback,
    "pixels": _pixels,
}


def _limit() -> None:
    """Set limits on this process where the system has them: Linux has all, macOS that of time, Windows none."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - Windows has none

        limits = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_CPU: MOST_SECONDS,
            resource.RLIMIT_FSIZE: _LARGEST_FILE,
            resource.RLIMIT_AS: MOST_BYTES,
        }
        for kind, most in limits.items():
            resource.setrlimit(kind, (most, most))


def main() -> None:
    """Carry out the request."""
    _limit()
    request = json.load(sys.stdin)
    json.dump(_DO[request["do"]](request), sys.stdout)


if __name__ == "__main__":
    main()
