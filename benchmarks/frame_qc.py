"""Measure what frame QC adds to the thumbnail that each take gets."""

import asyncio
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
from PIL import Image

from benchmarks.rows import Row
from previs.pictures import examine, playback
from previs.pictures.quality import extremes
from previs.pictures.thumbnails import thumbnail
from previs.simulator import painter
from previs.simulator.scene import Scene

_SIZE = (1280, 720)
_FRAMES = 81
_MOST_OF_STILL = 0.1
_MOST_OF_FILM = 0.5


async def frame_qc(rounds: int) -> Row:
    """Measure the processor time for a still, a film that moves, and one that stands still, of 1280 by 720 pixels.

    For stills it is a share of the thumbnail's; for films of 81 frames, of what a film of one frame takes.

    Args:
        rounds: Number of times that each is measured; the median of all counts.
    """
    return await asyncio.to_thread(_measured, rounds)


def _measured(rounds: int) -> Row:
    pictures = [painter.draw(Scene(size=_SIZE, seed=5, text="night city street"), n, Image.open) for n in range(9)]
    with tempfile.TemporaryDirectory() as folder:
        still = Path(folder, "a.png")
        pictures[0].save(still)
        flat = Image.new("RGB", _SIZE)
        made = _milliseconds(lambda: thumbnail(still, examine(still, name="a.png")), rounds)
        looked = _milliseconds(lambda: extremes(pictures[0]), rounds)
        one, moving, frozen = (
            _of_film(Path(folder, name), frames, rounds)
            for name, frames in (
                ("one.mp4", pictures[:1]),
                ("moving.mp4", pictures * (_FRAMES // len(pictures))),
                ("frozen.mp4", pictures[:1] * _FRAMES),
            )
        )
        of_flat = _milliseconds(lambda: extremes(flat), rounds)
    figures = {
        "thumbnail_ms": round(made, 2),
        "share": round(looked / made, 3),
        "share_if_flat": round(of_flat / made, 3),
        "film_ms": round(one, 2),
        "moving_share": round(moving / one - 1, 2),
        "frozen_share": round(frozen / one - 1, 2),
    }
    met = figures["share_if_flat"] <= _MOST_OF_STILL * 2 and figures["share"] <= _MOST_OF_STILL
    goal = f"at most {_MOST_OF_STILL:.0%} of a still's thumbnail, {_MOST_OF_FILM:.0%} of a moving film's"
    return Row(figures, goal, met and figures["moving_share"] <= _MOST_OF_FILM)


def _of_film(path: Path, pictures: Sequence[Image.Image], rounds: int) -> float:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("h264", rate=16)
        stream.width, stream.height, stream.pix_fmt = *_SIZE, "yuv420p"
        for picture in pictures:
            output.mux(stream.encode(av.VideoFrame.from_image(picture)))  # type: ignore[no-untyped-call]
        output.mux(stream.encode())
    path.write_bytes(file.getvalue())
    media = examine(path, name=path.name)
    return _milliseconds(lambda: playback(path, media), rounds)


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median of the processor time of some work, in milliseconds."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1000 * sorted(taken)[len(taken) // 2]
