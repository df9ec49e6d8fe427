"""Make boards with real pictures, clips and sounds, and read films back."""

import array
import io
import json
import math
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from previs.records.manifest import Manifest
from previs.records.takes import Frame
from tests.previs.records.published import frame, manifest, shot, take

FFPROBE = shutil.which("ffprobe")
needs_ffprobe = pytest.mark.skipif(FFPROBE is None, reason="ffprobe is not installed: apt install ffmpeg")

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def png(size: tuple[int, int], colour: tuple[int, ...], mode: str = "RGB", **save: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG", **save)
    return file.getvalue()


def clip(
    colours: Sequence[tuple[int, int, int]], fps: int, *, size: tuple[int, int] = (64, 48), sound: bool = False
) -> bytes:
    """Return an MP4 that shows one colour a frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as made:
        video = made.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "10"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        heard = made.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for colour in colours:
            made.mux(video.encode(av.VideoFrame.from_image(Image.new("RGB", size, colour))))
        made.mux(video.encode(None))
        if heard is not None:
            for start in range(0, 48_000 * len(colours) // fps, 1024):
                tone = array.array("f", [0.5 * math.sin((start + each) / 10) for each in range(1024)])
                samples = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                samples.sample_rate, samples.pts = 48_000, start
                samples.planes[0].update(tone.tobytes().ljust(samples.planes[0].buffer_size, b"\0"))
                made.mux(heard.encode(samples))
            made.mux(heard.encode(None))
    return file.getvalue()


def wav(seconds: float, *, loud: float = 0.5) -> bytes:
    """Return a tone in stereo."""
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as made:
        heard = made.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        count = round(48_000 * seconds)
        tone = array.array("h", [round(32_000 * loud * math.sin(each // 2 / 20)) for each in range(2 * count)])
        samples = av.AudioFrame(format="s16", layout="stereo", samples=count)
        samples.sample_rate, samples.pts = 48_000, 0
        samples.planes[0].update(tone.tobytes().ljust(samples.planes[0].buffer_size, b"\0"))
        made.mux(heard.encode(samples))
        made.mux(heard.encode(None))
    return file.getvalue()


def still(content: bytes, media_type: str = "image/png", suffix: str = ".png", **changes: Any) -> Frame:
    return frame(content, suffix, media_type=media_type, **changes)


def video(content: bytes, **changes: Any) -> Frame:
    return still(content, "video/mp4", ".mp4", **{"duration": 1.0, "frame_rate": 24.0, **changes})


def board(
    *frames: Frame | None, durations: Sequence[float] = (), shots: Sequence[dict[str, Any]] = (), **changes: Any
) -> Manifest:
    """Return a board with a shot for each frame, of which None failed; by default each is half a second long."""
    entries = []
    for number, each in enumerate(frames, 1):
        made = take(1, frames=(each,)) if each else take(1, error="no room for 镜头")
        duration = durations[number - 1] if durations else 0.5
        record = shots[number - 1] if number <= len(shots) else {}
        entries.append(shot(f"SH{number:02}", made, duration=duration, shot=record))
    return manifest(*entries, **({"board": "b", "shot_list": {"aspect": "128x72"}} | changes))


def pictures(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as film:
        return [each.to_image() for each in film.decode(video=0)]


def colours(path: Path) -> list[str]:
    """Return what each frame of a film has in the middle: R, G, B, W for white, K for black, or ?."""
    return [_name(each.getpixel((each.width // 2, each.height // 2))) for each in pictures(path)]


def _name(pixel: Any) -> str:
    bits = tuple(value > 128 for value in pixel)
    names = {(True, False, False): "R", (False, True, False): "G", (False, False, True): "B", (True,) * 3: "W"}
    return names.get(bits, "K" if max(pixel) < 48 else "?")


def runs(text: Sequence[str]) -> str:
    """Return a row of letters with counts: ``R12 G6``."""
    found: list[list[Any]] = []
    for each in text:
        if found and found[-1][0] == each:
            found[-1][1] += 1
        else:
            found.append([each, 1])
    return " ".join(f"{letter}{count}" for letter, count in found)


def loudness(path: Path, every: float = 0.25) -> list[int]:
    """Return the loudest sample of each quarter of a second, in percent."""
    with av.open(str(path)) as film:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        samples = array.array("h")
        for each in (*film.decode(audio=0), None):
            for made in resampler.resample(each):
                samples.frombytes(bytes(made.planes[0])[: made.samples * 2])
    step = round(48_000 * every)
    return [round(100 * max(map(abs, samples[at : at + step])) / 32_768) for at in range(0, len(samples), step)]


def probed(path: Path) -> dict[str, Any]:
    """Return what ffprobe counts and reads of a film, by kind of stream, and ``format``."""
    assert FFPROBE is not None
    words = (FFPROBE, "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path))
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - found on the PATH
    assert done.stderr == ""
    found = json.loads(done.stdout)
    return {each["codec_type"]: each for each in found["streams"]} | {"format": found["format"]}


def boxes(path: Path) -> Iterator[str]:
    """Yield the names of the boxes at the top of an MP4, in order."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        yield content[at + 4 : at + 8].decode("latin-1")
        at += int.from_bytes(content[at : at + 4])


def seconds(frames: int, fps: Fraction) -> float:
    return float(frames / fps)
