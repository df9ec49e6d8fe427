"""Check what is read of video, sound and animations, against files that FFmpeg and Pillow write."""

import base64
import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from previs.errors import FrameDamaged
from previs.pictures import Playback, examine, playback

RED = (200, 20, 20)
RATE = 8000


def film(container: str, codec: str, frames: int = 12, rate: Fraction = Fraction(24)) -> bytes:
    """Encode a film of 96 by 54 pixels whose first frame is red and whose others are blue."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        for number in range(frames):
            picture = Image.new("RGB", (96, 54), (20, 20, 200) if number else RED)
            output.mux(stream.encode(av.VideoFrame.from_image(picture)))
        output.mux(stream.encode())
    return file.getvalue()


def wav(seconds: float) -> bytes:
    content = bytes(2 * int(seconds * RATE))
    chunks = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    chunks += b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def read(content: bytes, name: str, folder: Path) -> Playback:
    path = folder / "file"
    path.write_bytes(content)
    return playback(path, examine(path, name=name))


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.mp4", "mp4", "mpeg4"),
        ("a.mov", "mov", "mpeg4"),
        ("a.webm", "webm", "libvpx-vp9"),
        ("a.mkv", "matroska", "mpeg4"),
    ],
)
def test_a_film_has_its_size_duration_rate_and_first_frame(
    name: str, container: str, codec: str, tmp_path: Path
) -> None:
    found = read(film(container, codec), name, tmp_path)
    assert (found.width, found.height, found.frame_rate) == (96, 54, 24)
    assert found.duration == pytest.approx(0.5, abs=0.05)
    assert found.thumbnail is not None
    with Image.open(io.BytesIO(base64.b64decode(found.thumbnail.partition(",")[2]))) as first:
        assert first.size == (96, 54)
        assert first.convert("RGB").getpixel((48, 27)) == pytest.approx(RED, abs=30)


def test_a_rate_that_is_no_whole_number_is_kept(tmp_path: Path) -> None:
    assert read(film("mp4", "mpeg4", rate=Fraction(24000, 1001)), "a.mp4", tmp_path).frame_rate == 23.976


def test_a_sound_has_a_duration_alone(tmp_path: Path) -> None:
    assert read(wav(1.5), "a.wav", tmp_path) == Playback(None, None, 1.5)


@pytest.mark.parametrize(("name", "kind"), [("a.webp", "WEBP"), ("a.gif", "GIF"), ("a.png", "PNG")])
def test_an_animation_has_the_duration_of_its_frames(name: str, kind: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (96, 54), (number * 40, 20, 20)) for number in range(6)]
    file = io.BytesIO()
    times = [100, 100, 100, 100, 100, 700]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=times, loop=0)
    found = read(file.getvalue(), name, tmp_path)
    assert (found.width, found.height, found.duration, found.frame_rate) == (96, 54, 1.2, 5)
    assert found.thumbnail is not None


def test_an_animation_that_states_no_time_has_no_duration(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (96, 54), (number * 40, 20, 20)) for number in range(2)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=0)
    assert read(file.getvalue(), "a.gif", tmp_path).duration is None


def test_a_picture_is_no_film(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (96, 54), RED).save(file, "PNG")
    found = read(file.getvalue(), "a.png", tmp_path)
    assert (found.width, found.height, found.duration, found.frame_rate) == (96, 54, None, None)
    assert found.thumbnail is not None


FILM = film("mp4", "mpeg4")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, len(FILM) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_whatever_is_damaged_raises_nothing_but_damage(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(FILM)
    for place, value in changes:
        damaged[place] = value
    try:
        found = read(bytes(damaged), "a.mp4", tmp_path)
    except FrameDamaged:
        return
    assert isinstance(found, Playback)
