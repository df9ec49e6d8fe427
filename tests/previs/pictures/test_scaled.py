"""Pictures of any kind become small JPEGs for pages; what is none is refused with its reason."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from previs.errors import NotAPicture
from previs.ingest import decoding
from previs.pictures.scaled import scaled_file
from tests.previs.pictures.test_playback import RED, film, wav

BOX = (80, 45)
UPRIGHT = 0x0112


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def made(content: bytes, folder: Path, box: tuple[int, int] = BOX) -> Image.Image:
    (folder / "a").write_bytes(content)
    size = scaled_file(folder / "a", folder / "b", box=box, uri="frames/a")
    picture = Image.open(io.BytesIO((folder / "b").read_bytes()))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", size)
    return picture


def near(found: Any, wanted: tuple[int, int, int]) -> bool:
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 12


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_is_shrunk_in_its_own_aspect(kind: str, tmp_path: Path) -> None:
    picture = made(encoded(Image.new("RGB", (640, 160), RED), kind), tmp_path)
    assert picture.size == (80, 20)
    assert near(picture.getpixel((40, 10)), RED)


def test_a_small_picture_is_not_enlarged_and_what_is_transparent_is_white(tmp_path: Path) -> None:
    picture = made(encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), "PNG"), tmp_path)
    assert picture.size == (20, 20)
    assert picture.getpixel((5, 5)) == (255, 255, 255)


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[UPRIGHT] = 6
    assert made(encoded(Image.new("RGB", (640, 360), RED), "JPEG", exif=exif), tmp_path).size == (25, 45)


def test_pictures_of_16_bits_and_of_one_channel_keep_their_grey(tmp_path: Path) -> None:
    deep = made(encoded(Image.new("I;16", (64, 64), 0x8000), "PNG"), tmp_path)
    assert near(deep.getpixel((5, 5)), (128, 128, 128))
    assert near(made(encoded(Image.new("L", (64, 64), 90), "PNG"), tmp_path).getpixel((5, 5)), (90, 90, 90))


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mpeg4"), ("webm", "libvpx-vp9")])
def test_of_a_film_the_first_frame_counts(container: str, codec: str, tmp_path: Path) -> None:
    picture = made(film(container, codec), tmp_path)
    assert picture.size == (80, 45)
    assert near(picture.getpixel((40, 22)), RED)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<html>secret</html>", "it is HTML"),
        (encoded(Image.new("RGB", (64, 64)), "PNG")[:-20], "cut short"),
        (wav(0.1), "no frame of it can be decoded"),
        (b"PK\x03\x04" + bytes(100), "it is no picture that can be decoded"),
        (film("mp4", "mpeg4")[:-300], "damaged|cut short|decoded"),
    ],
)
async def test_what_is_no_picture_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(NotAPicture, match=reason) as refused:
        scaled_file(tmp_path / "a", tmp_path / "b", box=BOX, uri="frames/a")
    assert "secret" not in str(refused.value)
    with pytest.raises(NotAPicture, match=reason):
        await decoding.scaled(tmp_path / "a", tmp_path / "b", box=BOX, uri="frames/a")


@pytest.mark.parametrize("size", [(640, 360), (2400, 1800)])
async def test_large_and_small_pictures_are_the_same_to_the_caller(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encoded(Image.new("RGB", size, RED), "PNG"))
    assert await decoding.scaled(tmp_path / "a", tmp_path / "b", box=BOX, uri="a") == (60 if size[0] > 640 else 80, 45)


async def test_a_picture_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encoded(Image.new("1", (10_000, 9_000)), "PNG"))
    with pytest.raises(NotAPicture, match=r"decoded|million"):
        await decoding.scaled(tmp_path / "a", tmp_path / "b", box=BOX, uri="a")
