import base64
import resource
from io import BytesIO
from types import SimpleNamespace

import pytest
from PIL import Image

from previs.publishing.views.thumbnails import fit, shrunk


def opened(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_pictures_that_fit_stay_as_they_are(make: SimpleNamespace) -> None:
    pictures = [make.data_uri("red"), None, "https://a/b.png"]
    assert fit(pictures, sum(len(p or "") for p in pictures)) == pictures


def test_pictures_shrink_together_until_they_fit(make: SimpleNamespace) -> None:
    pictures = [make.data_uri("", noise=True) for _ in range(6)]
    fitted = fit(pictures, 60_000)
    assert all(fitted)
    assert sum(len(p or "") for p in fitted) <= 60_000
    widths = {opened(p).width for p in fitted if p}
    assert len(widths) == 1
    assert widths.pop() < 320


def test_the_last_pictures_go_when_the_smallest_are_too_large(make: SimpleNamespace) -> None:
    pictures = [make.data_uri("", noise=True) for _ in range(6)]
    fitted = fit(pictures, 5_000)
    kept = [p for p in fitted if p]
    assert 0 < len(kept) < 6
    assert fitted == kept + [None] * (6 - len(kept))
    assert sum(map(len, kept)) <= 5_000


def test_a_shrunk_picture_keeps_its_shape_and_colour(make: SimpleNamespace) -> None:
    small = shrunk(make.data_uri("", (800, 400), noise=True), 200, 60)
    assert small is not None
    assert opened(small).size == (200, 100)
    flat = shrunk(make.data_uri("#c01010", (3000, 2000)), 60, 90)
    assert flat is not None
    red, green, blue = opened(flat).convert("RGB").getpixel((30, 20))
    assert red > 180
    assert max(green, blue) < 40


def test_transparency_turns_white() -> None:
    packed = BytesIO()
    Image.effect_noise((400, 300), 90).convert("RGBA").save(packed, "PNG")
    clear = Image.open(packed)
    clear.putalpha(0)
    out = BytesIO()
    clear.save(out, "PNG")
    small = shrunk(f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}", 50, 80)
    assert small is not None
    assert opened(small).convert("L").getextrema()[0] > 250


@pytest.mark.parametrize("body", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a" + b"\xff" * 30])
def test_a_broken_picture_is_left_out(body: bytes) -> None:
    assert shrunk(f"data:image/png;base64,{base64.b64encode(body).decode()}", 100, 50) is None


def test_a_cut_picture_is_left_out(make: SimpleNamespace) -> None:
    whole = make.data_uri("", noise=True)
    assert shrunk(whole[: len(whole) // 2 // 4 * 4 + 2], 100, 50) is None


def test_a_picture_of_a_trap_s_size_is_not_opened() -> None:
    packed = BytesIO()
    Image.new("1", (12_000, 12_000)).save(packed, "PNG")
    assert shrunk(f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}", 100, 50) is None


def test_a_webp_that_pillow_would_allocate_is_not_opened() -> None:
    bits = 16382 | 16382 << 14 | sum(0b0001 << 35 + 4 * code for code in range(5))
    chunk = b"\x2f" + bits.to_bytes(9, "little")
    webp = b"RIFF" + (len(chunk) + 12).to_bytes(4, "little") + b"WEBPVP8L" + len(chunk).to_bytes(4, "little") + chunk
    tracked = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert shrunk(f"data:image/webp;base64,{base64.b64encode(webp).decode()}", 50, 80) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - tracked < 50_000
