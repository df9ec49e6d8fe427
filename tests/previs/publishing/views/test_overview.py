"""An overview shows each shot's picture once, whatever the pictures are, and stays small."""

import base64
import io

import pytest
from PIL import Image

from previs.publishing.views import overview
from tests.previs.records.published import frame, manifest, shot, take


def thumbnail(colour: str, size: tuple[int, int] = (384, 216)) -> str:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, "WEBP")
    return "data:image/webp;base64," + base64.b64encode(made.getvalue()).decode()


def opened(picture: str | None) -> Image.Image:
    assert picture is not None
    head, _, content = picture.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")


def shots(*thumbnails: str | None) -> list[object]:
    frames = [frame(str(n).encode(), thumbnail=each) for n, each in enumerate(thumbnails)]
    return [shot(n, take(1, frames=(each,))) for n, each in enumerate(frames, 1)]


@pytest.mark.parametrize(
    ("count", "size"), [(1, (128, 72)), (4, (524, 72)), (5, (524, 148)), (12, (524, 224)), (60, (524, 224))]
)
def test_shots_stand_four_across_and_at_most_three_high(count: int, size: tuple[int, int]) -> None:
    assert opened(overview(manifest(*shots(*[thumbnail("red")] * count)))).size == size


def test_each_picture_is_in_its_place_and_keeps_its_proportions() -> None:
    picture = opened(overview(manifest(*shots(thumbnail("red"), thumbnail("blue", (100, 300))))))
    red, blue, beside = (picture.getpixel(place) for place in ((64, 36), (132 + 64, 36), (132 + 10, 36)))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert isinstance(beside, tuple)
    assert red[0] > 200
    assert blue[2] > 200
    assert max(beside) < 60


def test_the_picked_take_is_shown() -> None:
    first, second = frame(b"1", thumbnail=thumbnail("red")), frame(b"2", thumbnail=thumbnail("lime"))
    picked = shot(1, take(1, frames=(first,)), take(2, frames=(second,)), picked=2)
    pixel = opened(overview(manifest(picked))).getpixel((64, 36))
    assert isinstance(pixel, tuple)
    assert pixel[1] > 200


@pytest.mark.parametrize("broken", [None, "data:image/png;base64,AAAA", "https://a/b.png", "data:image/webp;base64,%%"])
def test_what_cannot_be_shown_is_passed_over(broken: str | None) -> None:
    assert overview(manifest(*shots(broken))) is None
    assert opened(overview(manifest(*shots(broken, thumbnail("red"))))).size == (128, 72)


def test_a_board_without_shots_has_none() -> None:
    assert overview(manifest()) is None


def test_an_overview_of_busy_pictures_is_small() -> None:
    noise = io.BytesIO()
    Image.effect_noise((384, 216), 90).convert("RGB").save(noise, "WEBP", quality=40)
    busy = "data:image/webp;base64," + base64.b64encode(noise.getvalue()).decode()
    assert len(overview(manifest(*shots(*[busy] * 60))) or "") < 100_000
