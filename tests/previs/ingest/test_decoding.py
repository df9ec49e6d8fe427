"""Check that pictures are decoded within one budget, and that no picture takes the memory of the run."""

import asyncio
import io
import json
import os
import resource
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from previs.errors import NotAPicture
from previs.ingest import decoding
from previs.ingest.decoding import PixelBudget
from previs.pictures import examine, playback, upright_png_or_jpeg
from previs.pictures.cost import decoding_cost
from previs.pictures.pixels import pixels

PROGRAM = Path(__file__).with_name("picture_bombs.py")
ORIENTATION = 0x0112


def zeros(count: int) -> bytes:
    packer, step = zlib.compressobj(1), bytes(1 << 20)
    return (
        b"".join(packer.compress(step) for _ in range(count >> 20))
        + packer.compress(bytes(count % (1 << 20)))
        + packer.flush()
    )


def webp(width: int, height: int) -> bytes:
    """Return a lossless WEBP of one colour: five codes of one symbol each, so that a pixel takes no bit."""
    bits = (width - 1) | (height - 1) << 14 | sum(0b0001 << 35 + 4 * code for code in range(5))
    chunk = b"\x2f" + bits.to_bytes(9, "little")
    return b"RIFF" + (len(chunk) + 12).to_bytes(4, "little") + b"WEBPVP8L" + len(chunk).to_bytes(4, "little") + chunk


def animated_webp(width: int, height: int, frames: int) -> bytes:
    picture = webp(width, height)[12:]
    header = b"\x02" + bytes(3) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frame = bytes(6) + header[4:] + (40).to_bytes(3, "little") + b"\0" + picture
    parts = [(b"VP8X", header), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames]
    body = b"".join(kind + len(part).to_bytes(4, "little") + part for kind, part in parts)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def png(
    width: int, height: int, *, deep: bool = False, frames: int = 1, stated: tuple[int, int] | None = None
) -> bytes:
    header = struct.pack(">IIBB3x", *(stated or (width, height)), 16 if deep else 8, 0)
    parts = [(b"IHDR", header)]
    if frames > 1:
        control = struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 25, 0, 0)
        parts += [(b"acTL", struct.pack(">II", frames, 0)), (b"fcTL", control)]
    parts.append((b"IDAT", zeros(height * (1 + width * (2 if deep else 1)))))
    for number in range(1, frames):
        control = struct.pack(">IIIIIHHBB", 2 * number - 1, width, height, 0, 0, 1, 25, 0, 0)
        parts += [(b"fcTL", control), (b"fdAT", struct.pack(">I", 2 * number) + parts[3][1])]
    parts.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in parts
    )


def gif(width: int, height: int, *, stated: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("P", (width, height)).save(file, "GIF")
    return file.getvalue()[:6] + struct.pack("<HH", *stated) + file.getvalue()[10:]


def tiff(tags: dict[int, int], content: bytes = b"", *, pages: int = 1) -> bytes:
    """Return a TIFF whose pages share their tags, each with one strip or tile right after the header."""
    start, length = 8 + len(content) + len(content) % 2, 2 + 12 * len(tags) + 4
    listed = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    follows = [start + length * page for page in range(1, pages)] + [0]
    return (
        b"II*\0"
        + struct.pack("<I", start)
        + content.ljust(start - 8, b"\0")
        + b"".join(listed + struct.pack("<I", after) for after in follows)
    )


def tiled_tiff(width: int, height: int, *, tile: bytes | None = None) -> bytes:
    """Return a TIFF of 16 x 16 pixels in a tile of many more."""
    packed = zeros(width * height) if tile is None else tile
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: width, 323: height, 324: 8, 325: len(packed)}
    return tiff(tags, packed)


def float_tiff(width: int, height: int) -> bytes:
    strip = zeros(width * height * 4)
    tags = {256: width, 257: height, 258: 32, 259: 8, 262: 1, 273: 8, 277: 1, 278: height, 279: len(strip), 339: 3}
    return tiff(tags, strip)


def paged_tiff(pages: int) -> bytes:
    tags = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: 256}
    return tiff(tags, bytes(256), pages=pages)


BOMBS: dict[str, Callable[[], bytes]] = {
    "WEBP": lambda: webp(4500, 4000),
    "animated WEBP": lambda: animated_webp(2500, 2500, 100),
    "WEBP too large": lambda: webp(16383, 16383),
    "APNG": lambda: png(4500, 4500, frames=2),
    "16-bit PNG": lambda: png(4000, 4000, deep=True),
    "PNG with a huge header": lambda: png(100, 100, stated=(60_000, 60_000)),
    "PNG without its pixels": lambda: png(100, 100, stated=(9_000, 9_000)),
    "GIF that understates its size": lambda: gif(5000, 4000, stated=(8, 8)),
    "GIF with a huge header": lambda: gif(16, 16, stated=(65_535, 65_535)),
    "float TIFF": lambda: float_tiff(3000, 3000),
    "TIFF of one tile": lambda: tiled_tiff(10_000, 10_000),
    "TIFF of many pages": lambda: paged_tiff(30_000),
    "TIFF with a huge header": lambda: tiff({256: 60_000, 257: 60_000, 258: 8, 259: 1, 262: 1, 273: 8, 278: 1, 279: 8}),
}
REFUSED = {
    "WEBP too large",
    "PNG with a huge header",
    "PNG without its pixels",
    "GIF with a huge header",
    "TIFF with a huge header",
}


def measured(folder: Path) -> dict[str, Any]:
    paths = [folder / f"{number}.bomb" for number, _ in enumerate(BOMBS)]
    for path, make in zip(paths, BOMBS.values(), strict=True):
        path.write_bytes(make())
    done = subprocess.run(  # noqa: S603 - a program of these tests
        (sys.executable, "-W", "ignore", PROGRAM, *paths),
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a program's peak is read from /proc")
def test_no_pictures_take_the_memory_of_the_run_and_only_those_that_must_be_are_refused(tmp_path: Path) -> None:
    found = measured(tmp_path)
    assert found["grown_mb"] < 40, found
    assert found["child_mb"] < 1_000, found
    assert {fault.split(":")[0] for fault in found["faults"]} == {
        f"shot {number} (shot_id {number - 1}.bomb)" for number, name in enumerate(BOMBS, 1) if name in REFUSED
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
async def test_a_tile_that_takes_more_memory_than_a_decoder_may_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(tiled_tiff(46_000, 46_000, tile=zeros(1000)))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with pytest.raises(NotAPicture, match=r"^reference ref\.tiff .*(cannot be decoded as TIFF|more than 2,000 MB)"):
        await decoding.upright(tmp_path / "a", tmp_path / "b", uri="ref.tiff")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, 500_000)


@pytest.mark.parametrize(
    ("content", "cost"),
    [
        (webp(4000, 3000), 60_000_000),
        (animated_webp(4000, 3000, 2), 60_000_000),
        (png(300, 200), 60_000),
        (png(300, 200, stated=(60_000, 60_000)), 0),
        (gif(300, 200, stated=(8, 8)), 60_000),
        (tiled_tiff(64, 64), 89_478_485),
        (b"", 0),
        (b"%PDF-1.7", 0),
        (webp(300, 200)[:-9], 0),
    ],
)
def test_the_cost_of_a_picture_is_read_from_its_header(content: bytes, cost: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    assert decoding_cost(tmp_path / "a") == cost


def striped(mode: str, size: tuple[int, int]) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert(mode)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


LARGE = (2100, 2000)  # more than is decoded in this process
PICTURES: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: encoded(striped("RGB", LARGE), "PNG", compress_level=1),
    "turned PNG": lambda: encoded(striped("RGB", LARGE), "PNG", exif=turned(6), compress_level=1),
    "turned JPEG": lambda: encoded(striped("RGB", LARGE), "JPEG", exif=turned(3)),
    "WEBP": lambda: encoded(striped("RGBA", (1200, 900)), "WEBP", quality=50, method=0),
    "16-bit PNG": lambda: encoded(striped("I;16", LARGE), "PNG", compress_level=1),
    "GIF": lambda: encoded(striped("P", LARGE), "GIF"),
    "CMYK TIFF": lambda: encoded(striped("CMYK", (300, 200)), "TIFF"),
    "float TIFF": lambda: encoded(striped("F", (1200, 1000)), "TIFF"),
    "small BMP": lambda: encoded(striped("RGB", (30, 20)), "BMP"),
}


@pytest.mark.parametrize("name", PICTURES)
async def test_a_process_of_its_own_returns_the_same_bytes(name: str, tmp_path: Path) -> None:
    content = PICTURES[name]()
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(content)
    assert await decoding.pixels_of(source) == pixels(source)
    media = examine(source, name="a.bin")
    assert await decoding.describe(source, media) == playback(source, media)
    made, suffix = upright_png_or_jpeg(content, uri="a")
    assert await decoding.upright(source, target, uri="a") == suffix
    assert target.read_bytes() == made


async def test_a_damaged_large_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(png(100, 100, stated=(3_000, 3_000)))
    with pytest.raises(NotAPicture, match="cannot be decoded as PNG") as caught:
        await decoding.upright(tmp_path / "a", tmp_path / "b", uri="s3://films/ref.png")
    assert caught.value.uri == "s3://films/ref.png"


def test_the_pixels_in_work_stay_within_the_budget() -> None:
    budget, lock = PixelBudget(100), threading.Lock()
    working, most = 0, 0

    def work(count: int) -> None:
        nonlocal working, most
        with budget.reserve(count):
            with lock:
                working += count
                most = max(most, working)
            with lock:
                working -= count

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [10, 60, 100, 30, 1, 70] * 50))
    assert 0 < most <= 100


def test_a_picture_of_more_than_the_budget_waits_until_it_is_alone() -> None:
    budget, alone, later = PixelBudget(100), threading.Event(), threading.Event()

    def work(count: int, done: threading.Event) -> None:
        with budget.reserve(count):
            done.set()

    with budget.reserve(1):
        large = threading.Thread(target=work, args=(1_000, alone))
        large.start()
        assert not alone.wait(0.05)
        small = threading.Thread(target=work, args=(1, later))
        small.start()
        assert not later.wait(0.05)  # who came later does not overtake
    assert alone.wait(10)
    assert later.wait(10)
    large.join()
    small.join()


async def test_a_cancelled_caller_leaves_the_budget_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(PICTURES["PNG"]())
    waiting = [asyncio.create_task(decoding.pixels_of(tmp_path / "a")) for _ in range(4)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await decoding.pixels_of(tmp_path / "a") is not None
