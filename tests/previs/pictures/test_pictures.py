import base64
import io
import math
import random
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from previs.errors import FrameDamaged, NotAPicture
from previs.pictures import Media, examine, upright_png_or_jpeg
from previs.pictures.pillow import MOST_PIXELS
from previs.pictures.thumbnails import thumbnail

ORIENTATION = 0x0112
RED, BLUE = (200, 20, 20), (20, 20, 200)


def scene(mode: str = "RGB", size: tuple[int, int] = (96, 54)) -> Image.Image:
    picture = Image.new("RGB", size, BLUE)
    ImageDraw.Draw(picture).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=RED)
    return picture if mode == "RGB" else picture.convert(mode)


def encoded(picture: Image.Image, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def animated(kind: str) -> bytes:
    return encoded(scene(), kind, save_all=True, append_images=[Image.new("RGB", (96, 54), (0, 90, 0))], duration=40)


def box(kind: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def film(brand: bytes = b"isom", width: int = 1024, height: int = 576) -> bytes:
    sound = box(b"trak", box(b"tkhd", bytes(84)))
    picture = box(b"trak", box(b"tkhd", bytes(76), struct.pack(">II", width << 16, height << 16)))
    start = box(b"ftyp", brand, bytes(4), b"isommp42")
    return start + box(b"free") + box(b"mdat", bytes(3000)) + box(b"moov", box(b"mvhd", bytes(100)), sound, picture)


def large_film() -> bytes:
    start = box(b"ftyp", b"isom", bytes(4))
    return (
        start
        + box(b"moov", box(b"trak", box(b"tkhd", bytes(76), struct.pack(">II", 8 << 16, 8 << 16))))
        + (struct.pack(">I4sQ", 1, b"mdat", 16 + 50) + bytes(50))
    )


UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"


def matroska(doctype: bytes, *, streamed: bool = False) -> bytes:
    header = b"\x42\x82" + bytes([0x80 | len(doctype)]) + doctype
    cluster = b"\xe7\x81\0" + b"\xa3\x88\x81\0\0\x80" + bytes(4)
    segment = b"\x15\x49\xa9\x66\x84" + bytes(4) + b"\x1f\x43\xb6\x75"
    segment += (UNKNOWN if streamed else bytes([0x80 | len(cluster)])) + cluster
    head = b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(header)]) + header
    length = UNKNOWN if streamed else b"\x01" + len(segment).to_bytes(7, "big")
    return head + b"\xec\x82\0\0" + b"\x18\x53\x80\x67" + length + segment


def wav() -> bytes:
    body = (
        b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
        + b"data"
        + struct.pack("<I", 400)
        + bytes(400)
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def ogg() -> bytes:
    first, last = (b"OggS\0" + flags + bytes(20) + b"\x02\xff\x05" + bytes(260) for flags in (b"\x02", b"\x04"))
    return first + last


def flac() -> bytes:
    return b"fLaC" + b"\x00\x00\x00\x22" + bytes(34) + b"\x84\x00\x00\x04" + bytes(4) + b"\xff\xf8" + bytes(20)


def mp3() -> bytes:
    return b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128) + b"\xff\xfb\x90\x00" + bytes(400)


WHOLE: dict[str, tuple[bytes, Media]] = {
    "a.png": (encoded(scene(), "PNG"), Media("image/png", ".png", 96, 54)),
    "b.PNG": (encoded(scene("RGBA"), "PNG"), Media("image/png", ".png", 96, 54)),
    "c.jpeg": (encoded(scene(), "JPEG"), Media("image/jpeg", ".jpg", 96, 54)),
    "d.jpg": (encoded(scene("CMYK"), "JPEG", progressive=True), Media("image/jpeg", ".jpg", 96, 54)),
    "e.webp": (encoded(scene(), "WEBP"), Media("image/webp", ".webp", 96, 54)),
    "f.webp": (encoded(scene(), "WEBP", lossless=True), Media("image/webp", ".webp", 96, 54)),
    "g.webp": (animated("WEBP"), Media("image/webp", ".webp", 96, 54)),
    "h.gif": (animated("GIF"), Media("image/gif", ".gif", 96, 54)),
    "i.png": (animated("PNG"), Media("image/png", ".png", 96, 54)),
    "j.mp4": (film(), Media("video/mp4", ".mp4", 1024, 576)),
    "k.mov": (film(b"qt  "), Media("video/quicktime", ".mov", 1024, 576)),
    "l.m4a": (film(b"M4A ", 0, 0), Media("audio/mp4", ".m4a")),
    "m.mp4": (large_film(), Media("video/mp4", ".mp4", 8, 8)),
    "n.webm": (matroska(b"webm"), Media("video/webm", ".webm")),
    "o.mkv": (matroska(b"matroska"), Media("video/x-matroska", ".mkv")),
    "p.wav": (wav(), Media("audio/wav", ".wav")),
    "q.flac": (flac(), Media("audio/flac", ".flac")),
    "r.mp3": (mp3(), Media("audio/mpeg", ".mp3")),
    "s.opus": (ogg(), Media("audio/ogg", ".ogg")),
    "t.avif": (encoded(scene(), "AVIF"), Media("image/avif", ".avif")),
    "u.heic": (
        box(b"ftyp", b"heic", bytes(4)) + box(b"meta", bytes(40)) + box(b"mdat", bytes(90)),
        Media("image/heic", ".heic"),
    ),
    "v.bmp": (encoded(scene(), "BMP"), Media("image/bmp", ".bmp")),
    "w.glb": (b"glTF\x02\0\0\0" + struct.pack("<I", 60) + bytes(48), Media("model/gltf-binary", ".glb")),
}
# A cut in these cannot be detected, because the formats state no length.
ENDLESS = {"q.flac", "r.mp3"}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("name", WHOLE)
def test_a_complete_file_is_recognized_by_its_bytes(name: str, written: Callable[[bytes], Path]) -> None:
    data, media = WHOLE[name]
    assert examine(written(data), name=name) == media


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in ENDLESS])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_anywhere_is_damaged(name: str, share: float, written: Callable[[bytes], Path]) -> None:
    data, _ = WHOLE[name]
    with pytest.raises(FrameDamaged):
        examine(written(data[: math.floor(len(data) * share)]), name=name)


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in {*ENDLESS, "l.m4a"}])
def test_a_file_without_its_last_byte_is_reported_as_cut_short(name: str, written: Callable[[bytes], Path]) -> None:
    data, _ = WHOLE[name]
    with pytest.raises(
        FrameDamaged, match=rf"^file '{name}' is damaged: it is cut short: it ends at byte {len(data) - 1}"
    ):
        examine(written(data[:-1]), name=name)


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.randoms(use_true_random=False))
def test_changed_bytes_raise_no_error_but_damage(
    name: str, draw: random.Random, written: Callable[[bytes], Path]
) -> None:
    data = bytearray(WHOLE[name][0])
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    path = written(bytes(data))
    try:
        media = examine(path, name=name)
    except FrameDamaged:
        return
    thumbnail(path, media)


@pytest.mark.parametrize("at", [20, 45, -20])
def test_a_changed_bit_in_a_png_is_detected(at: int, written: Callable[[bytes], Path]) -> None:
    data = bytearray(WHOLE["a.png"][0])
    data[at] ^= 1
    with pytest.raises(FrameDamaged, match="checksum"):
        examine(written(bytes(data)), name="a.png")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (bytes(1000), "its format is unknown, not PNG as its name claims"),
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "it is HTML, not PNG"),
        (b"\n<html>", "it is HTML"),
        (b'{"error": "not found"}', "it is JSON, not PNG"),
        (WHOLE["c.jpeg"][0], "it is JPEG, not PNG"),
        (WHOLE["j.mp4"][0], "it is MP4, not PNG"),
    ],
)
def test_a_file_that_is_no_png_is_not_accepted_as_png(
    data: bytes, reason: str, written: Callable[[bytes], Path]
) -> None:
    with pytest.raises(FrameDamaged) as caught:
        examine(written(data), name="board_00001_.png")
    assert caught.value.reason.startswith(reason)


def test_an_error_page_is_not_accepted_as_an_unknown_format(written: Callable[[bytes], Path]) -> None:
    with pytest.raises(FrameDamaged, match="probably an error message"):
        examine(written(b"<html>"), name="mesh.usdz")
    with pytest.raises(FrameDamaged, match="its format is unknown"):
        examine(written(bytes(50)), name="frame")


@pytest.mark.parametrize(
    ("name", "data", "media"),
    [
        ("plate.exr", b"v/1\x01" + bytes(40), Media("image/x-exr", ".exr")),
        ("plate.tif", encoded(scene(), "TIFF"), Media("image/tiff", ".tiff")),
        ("pose.json", b'{"pose": []}', Media("application/octet-stream", ".json")),
        ("noise.latent", b"\x40\0\0\0\0\0\0\0{}" + bytes(60), Media("application/octet-stream", ".latent")),
        ("frame", WHOLE["a.png"][0], Media("image/png", ".png", 96, 54)),
    ],
)
def test_files_of_other_formats_are_accepted(
    name: str, data: bytes, media: Media, written: Callable[[bytes], Path]
) -> None:
    assert examine(written(data), name=name) == media


@pytest.mark.parametrize("name", ["a.x\\..\\y", "a.\x00", "a.\ud800", "a.x y", "a." + "x" * 5000, "../b.夜"])
def test_an_unsafe_suffix_is_dropped(name: str, written: Callable[[bytes], Path]) -> None:
    assert examine(written(bytes(50)), name=name) == Media("application/octet-stream", "")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.png", WHOLE["a.png"][0][:33] + b"\0\0\0\0IEND\xaeB`\x82", "a PNG without pixels"),
        ("a.jpg", b"\xff\xd8\xff\xd9", "a JPEG without pixels"),
        ("a.png", WHOLE["a.png"][0][:33] + WHOLE["a.png"][0][8:], "a PNG whose header is not its first chunk alone"),
        ("a.png", WHOLE["a.png"][0][:8] + WHOLE["a.png"][0][33:], "a PNG whose header is not its first chunk alone"),
        ("a.gif", b"GIF89a" + bytes(7) + b";", "a GIF without pixels"),
        ("a.gif", b"GIF89a" + bytes(7) + b"?", "an unknown kind of block at byte 13"),
        ("a.webp", b"RIFF\x04\0\0\0WEBP", "a WEBP without pixels"),
        ("a.webp", b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(10), "a WEBP without pixels"),
        ("a.webp", b"RIFF\x0c\0\0\0WEBPVP8 \x20\0\0\0" + bytes(32), "the chunk at byte 12 does not fit"),
        ("a.webp", WHOLE["f.webp"][0][:12] + bytes(len(WHOLE["f.webp"][0]) - 12), "the chunk at byte 12 does not fit"),
        ("a.mp4", box(b"ftyp", b"isom") + box(b"mdat", bytes(9)), "it lacks its 'moov' box"),
        ("a.mp4", box(b"ftyp", b"isom") + b"\0\0\0\x04mdat" + bytes(20), "does not fit"),
        ("a.mp4", film()[:2900] + bytes(len(film()) - 2900), "the box at byte 3040 does not fit"),
        ("a.mp4", large_film() + bytes(100), "the box at byte 190 does not fit"),
        ("a.webm", matroska(b"webm").replace(b"\x1f\x43\xb6\x75", b"\x1f\x43\xb6\x76"), "neither pictures nor sound"),
        ("a.webm", matroska(b"webm").replace(b"\x75\x8d", b"\x75\x8e") + bytes(9), "does not fit into its container"),
        ("a.wav", b"RIFF\x02\0\0\0WAVE", "a WAV without sound"),
        ("a.wav", b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\0\0", "a WAV without sound"),
        ("a.ogg", ogg() + b"junk!" + bytes(30), "no page starts at byte"),
        ("a.flac", b"fLaC\x80\0\0\0\0\0\0", "there is no sound after"),
    ],
)
def test_a_file_without_content_is_damaged(
    name: str, data: bytes, reason: str, written: Callable[[bytes], Path]
) -> None:
    with pytest.raises(FrameDamaged) as caught:
        examine(written(data), name=name)
    assert reason in caught.value.reason


def test_an_avif_cut_between_two_boxes_is_damaged(written: Callable[[bytes], Path]) -> None:
    data = WHOLE["t.avif"][0]
    for end in (data.index(b"meta") - 4, data.index(b"mdat") - 4):
        with pytest.raises(FrameDamaged, match="lacks its"):
            examine(written(data[:end]), name="a.avif")


def test_a_streamed_video_is_checked_to_its_last_element(written: Callable[[bytes], Path]) -> None:
    data = matroska(b"webm", streamed=True)
    assert examine(written(data), name="a.webm") == Media("video/webm", ".webm")
    for end in range(data.index(b"\xa3\x88") + 1, len(data)):
        with pytest.raises(FrameDamaged, match="cut short"):
            examine(written(data[:end]), name="a.webm")


def test_an_embedded_jpeg_thumbnail_does_not_end_the_file(written: Callable[[bytes], Path]) -> None:
    inside = encoded(scene(size=(16, 16)), "JPEG")
    data = WHOLE["c.jpeg"][0]
    whole = data[:2] + b"\xff\xe1" + (len(inside) + 2).to_bytes(2, "big") + inside + data[2:]
    assert examine(written(whole), name="a.jpg").width == 96
    with pytest.raises(FrameDamaged):
        examine(written(whole[: len(inside) + 40]), name="a.jpg")


def test_markers_across_two_reads_are_found(written: Callable[[bytes], Path]) -> None:
    data = WHOLE["c.jpeg"][0]
    for padding in range(65_530, 65_542):
        whole = data[:-2] + bytes(padding) + data[-2:]
        assert examine(written(whole), name="a.jpg").height == 54


def test_a_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(box(b"ftyp", b"isom") + box(b"moov") + struct.pack(">I4s", 200_000_008, b"mdat"))
        file.seek(200_000_000 - 1, 1)
        file.write(b"\0")
    chunk = zlib.crc32(b"IDAT" + bytes(30_000_000))
    picture = tmp_path / "picture"
    with picture.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII5sI", 13, b"IHDR", 9, 9, b"\x08\0\0\0\0", 0)[:-4])
        file.write(zlib.crc32(b"IHDR" + struct.pack(">II5s", 9, 9, b"\x08\0\0\0\0")).to_bytes(4, "big"))
        file.write(struct.pack(">I4s", 30_000_000, b"IDAT"))
        file.seek(30_000_000, 1)
        file.write(chunk.to_bytes(4, "big") + b"\0\0\0\0IEND\xaeB`\x82")
    tracemalloc.start()
    assert examine(path, name="a.mp4").media_type == "audio/mp4"
    assert examine(picture, name="a.png").width == 9
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    start, _, data = uri.partition(",")
    assert start == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def small(data: bytes, name: str, path: Path, width: int = 384) -> str | None:
    path.write_bytes(data)
    return thumbnail(path, examine(path, name=name), width=width)


def near(found: object, wanted: tuple[int, ...], by: int = 30) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - two) <= by for one, two in zip(found, wanted, strict=False))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "I;16"])
def test_pngs_of_every_mode_have_a_thumbnail(mode: str, tmp_path: Path) -> None:
    picture = Image.new("I;16", (96, 54), 0x8000) if mode == "I;16" else scene(mode)
    found = opened(small(encoded(picture, "PNG"), "a.png", tmp_path / "a"))
    assert found.size == (96, 54)
    if mode == "I;16":
        assert near(found.getpixel((50, 20)), (128, 128, 128), by=3)
    if mode in ("RGB", "RGBA", "P"):
        assert near(found.getpixel((10, 20)), RED)


def test_cmyk_and_animations_have_a_thumbnail_of_their_first_frame(tmp_path: Path) -> None:
    for name, data in (("a.jpg", WHOLE["d.jpg"][0]), ("a.gif", animated("GIF")), ("a.webp", animated("WEBP"))):
        assert near(opened(small(data, name, tmp_path / "a")).convert("RGB").getpixel((80, 20)), BLUE, by=40), name


def test_transparency_is_kept(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (20, 20), (*RED, 0))
    assert opened(small(encoded(picture, "PNG"), "a.png", tmp_path / "a")).mode == "RGBA"
    palette = encoded(picture.convert("P"), "PNG", transparency=0)
    assert opened(small(palette, "a.png", tmp_path / "a")).mode == "RGBA"


@pytest.mark.parametrize(
    ("size", "width", "small_size"),
    [
        ((1024, 576), 384, (384, 216)),
        ((576, 1024), 384, (384, 683)),
        ((200, 100), 384, (200, 100)),
        ((100, 4000), 50, (3, 100)),
        ((4000, 1), 100, (100, 1)),
    ],
)
def test_a_thumbnail_fits_its_width_and_is_never_enlarged(
    size: tuple[int, int], width: int, small_size: tuple[int, int], tmp_path: Path
) -> None:
    found = opened(small(encoded(scene(size=size), "PNG"), "a.png", tmp_path / "a", width))
    assert found.size == small_size


def test_a_thumbnail_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    found = opened(small(encoded(scene(size=(800, 400)), "JPEG", exif=exif), "a.jpg", tmp_path / "a", 100))
    assert found.size == (100, 200)
    assert near(found.getpixel((50, 20)), RED)


def test_a_thumbnail_of_a_busy_picture_stays_small(tmp_path: Path) -> None:
    draw = random.Random(1)
    busy = Image.frombytes("RGB", (256, 144), draw.randbytes(256 * 144 * 3)).resize((1024, 576))
    uri = small(encoded(busy, "PNG"), "a.png", tmp_path / "a")
    assert uri is not None
    assert len(uri) < 16_500


@pytest.mark.parametrize("name", ["j.mp4", "n.webm", "p.wav", "t.avif"])
def test_sound_and_video_have_no_thumbnail(name: str, tmp_path: Path) -> None:
    assert small(WHOLE[name][0], name, tmp_path / "a") is None


def test_an_undecodable_picture_has_no_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"GIF89a\x10\0\x10\0\0\0\0,\0\0\0\0\x10\0\x10\0\0\x0d\x01\xff\0;")
    assert thumbnail(path, examine(path, name="a.gif")) is None


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">II5s", width, height, b"\x08\x02\0\0\0")
    body = zlib.compress(bytes(1000))
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + zlib.crc32(kind + part).to_bytes(4, "big") for kind, part in chunks
    )


@pytest.mark.parametrize("side", [9_500, 50_000])
def test_a_picture_too_large_to_decode_is_not_decoded(side: int, tmp_path: Path) -> None:
    assert side * side > MOST_PIXELS
    tracemalloc.start()
    assert small(bomb(side, side), "a.png", tmp_path / "a") is None
    with pytest.raises(NotAPicture, match="million: make it smaller"):
        upright_png_or_jpeg(bomb(side, side), uri="a.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_picture_that_understates_its_size_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with warnings.catch_warnings():
        # Outside tests Pillow only warns of a picture of this size.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        data = bytearray(encoded(Image.new("P", (9_500, 9_500)), "GIF"))
        data[6:10] = struct.pack("<HH", 10, 10)
        path.write_bytes(data)
        media = examine(path, name="a.gif")
        assert (media.width, media.height) == (10, 10)
        assert thumbnail(path, media) is None


def test_an_animation_that_pillow_would_read_whole_is_not_decoded(tmp_path: Path) -> None:
    data = animated("WEBP")
    padding = 70_000_000
    whole = data[:4] + (len(data) - 8 + padding + 8).to_bytes(4, "little") + data[8:]
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(whole + b"free" + padding.to_bytes(4, "little"))
        file.truncate(len(whole) + 8 + padding)
    tracemalloc.start()
    assert thumbnail(path, examine(path, name="a.webp")) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("name", ["a.png", "b.PNG", "c.jpeg", "d.jpg"])
def test_a_reference_that_is_ready_is_returned_unchanged(name: str) -> None:
    data, media = WHOLE[name]
    assert upright_png_or_jpeg(data, uri=name) == (data, media.suffix)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png")])
def test_a_reference_is_turned_upright(orientation: int, kind: str, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data, found = upright_png_or_jpeg(encoded(scene(size=(96, 48)), kind, exif=exif), uri="a")
    upright = Image.open(io.BytesIO(data))
    assert (found, upright.format) == (suffix, kind)
    assert upright.getexif().get(ORIENTATION, 1) == 1
    assert upright.size == ((96, 48) if orientation < 5 else (48, 96))
    red_at = {1: (5, 5), 2: (90, 5), 3: (90, 5), 4: (5, 5), 5: (5, 5), 6: (5, 5), 7: (5, 90), 8: (5, 90)}[orientation]
    assert near(upright.getpixel(red_at), RED)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF"])
def test_references_of_other_formats_become_png(kind: str) -> None:
    data, suffix = upright_png_or_jpeg(encoded(scene(), kind), uri="a")
    made = Image.open(io.BytesIO(data))
    assert (suffix, made.format, made.size) == (".png", "PNG", (96, 54))
    assert near(made.convert("RGB").getpixel((10, 10)), RED)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_of_an_animated_reference_only_the_first_frame_is_kept(kind: str) -> None:
    made = Image.open(io.BytesIO(upright_png_or_jpeg(animated(kind), uri="a")[0]))
    assert getattr(made, "n_frames", 1) == 1
    assert near(made.convert("RGB").getpixel((80, 10)), BLUE)


def test_a_phones_multi_picture_file_becomes_a_single_jpeg() -> None:
    double = encoded(scene(), "MPO", save_all=True, append_images=[scene()])
    data, suffix = upright_png_or_jpeg(double, uri="a.jpg")
    assert (suffix, Image.open(io.BytesIO(data)).format) == (".jpg", "JPEG")


def test_16_bit_grey_becomes_8_bit_and_keeps_its_tones() -> None:
    data, suffix = upright_png_or_jpeg(encoded(Image.new("I;16", (8, 8), 0x4000), "PNG"), uri="a")
    made = Image.open(io.BytesIO(data))
    assert (suffix, made.convert("RGB").getpixel((4, 4))) == (".png", (64, 64, 64))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty; a PNG or JPEG is needed"),
        (b"<html>404</html>", "it is HTML, 16 bytes; a PNG or JPEG is needed"),
        (b'{"detail": "forbidden"}', "it is JSON, 23 bytes; a PNG or JPEG is needed"),
        (b"%PDF-1.7", "it is PDF, 8 bytes; a PNG or JPEG is needed"),
        (film(), f"it is MP4, {len(film()):,} bytes; a PNG or JPEG is needed"),
        (box(b"ftyp", b"heic", bytes(8)), "it is HEIC, 20 bytes; a PNG or JPEG is needed"),
        (b'<?xml version="1.0"?><svg xmlns="x">', "it is SVG, 36 bytes; a PNG or JPEG is needed"),
        (b"hello", "its format is unknown, 5 bytes; a PNG or JPEG is needed"),
        (WHOLE["a.png"][0][:-9], "it is cut short"),
        (WHOLE["c.jpeg"][0][:-300], "it is cut short"),
        (bomb(64, 64)[:60], "it is cut short"),
        (bomb(640, 640), "it cannot be decoded as PNG"),
        (encoded(scene(), "BMP")[:90], "it cannot be decoded as BMP"),
    ],
)
def test_a_file_that_is_no_picture_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(NotAPicture) as caught:
        upright_png_or_jpeg(data, uri="s3://films/ref.jpg")
    assert caught.value.reason.startswith(reason)
    assert "s3://films/ref.jpg" in str(caught.value)


@given(st.sampled_from(sorted(WHOLE)), st.randoms(use_true_random=False))
def test_changed_references_raise_no_error_but_not_a_picture(name: str, draw: random.Random) -> None:
    data = bytearray(WHOLE[name][0])
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    try:
        made, suffix = upright_png_or_jpeg(bytes(data), uri=name)
    except NotAPicture:
        return
    assert Image.open(io.BytesIO(made)).format in (("JPEG", "MPO") if suffix == ".jpg" else ("PNG",))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 127, 255]),
        ([0.0, 128.0, 255.0], [0, 128, 255]),
        ([0.0, 32_768.0, 65_535.0], [0, 127, 255]),
        ([-5.0, 50_000.0, 100_000.0], [0, 127, 255]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
    ],
)
def test_a_float_tiff_is_scaled(values: list[float], expected: list[int]) -> None:
    picture, file = Image.new("F", (3, 1)), io.BytesIO()
    picture.putdata(values)
    picture.save(file, "TIFF")
    png, suffix = upright_png_or_jpeg(file.getvalue(), uri="depth.tiff")
    with Image.open(io.BytesIO(png)) as made:
        assert (suffix, made.mode) == (".png", "RGB")
        assert list(made.convert("L").tobytes()) == expected
