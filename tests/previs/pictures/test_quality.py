"""Check what frame QC finds: every flat picture, no picture with content, and films that stand still."""

import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from previs.ingest import decoding
from previs.pictures import examine
from previs.pictures.quality import (
    BLACK_UP_TO,
    FLAT_WITHIN,
    REDUCED,
    Measured,
    extremes,
    has_aspect,
    look_of,
    moves,
)
from previs.shots import read_shot_list
from previs.simulator import painter
from previs.simulator.scene import Scene
from tests.previs.pictures.legitimate import (
    FILM_SIZE,
    FILMS,
    STILLS,
    encoded,
    film,
    flat,
    measured,
    still_film,
)

CHECKOUT = Path(__file__).parents[3]
DOCUMENT = CHECKOUT / "docs" / "qc.md"
LISTS = ("examples/night-city.yaml", "examples/夜城.yaml")
PICTURES = (*(CHECKOUT / "examples").rglob("*.jpg"), *(CHECKOUT / "examples").rglob("*.png"))
channels = st.integers(0, 255)
sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))


def look(content: bytes, name: str, folder: Path) -> str | None:
    return look_of(measured(content, name, folder))


def of_demo(folder: Path) -> Iterator[str | None]:
    prompts = [shot.prompt for name in LISTS for shot in read_shot_list((CHECKOUT / name).read_text(), name=name).shots]
    for seed, prompt in enumerate(prompts):
        drawn = painter.draw(Scene(size=(320, 180), seed=seed, text=prompt), 0, lambda _: flat(9, 9, 9))
        yield look(encoded(drawn), "a.png", folder)


def of_examples(folder: Path) -> Iterator[str | None]:
    for path in PICTURES:
        yield look(path.read_bytes(), path.name, folder)


def of_stills(draw: Callable[[int], Image.Image], folder: Path) -> Iterator[str | None]:
    for seed in range(6):
        kinds = ("PNG",) if draw(seed).mode == "RGBA" else ("PNG", "JPEG", "WEBP")
        yield look(encoded(draw(seed), kinds[seed % len(kinds)]), f"a.{kinds[seed % len(kinds)].lower()}", folder)


def of_films(draw: Callable[[int], Iterator[Image.Image]], folder: Path) -> Iterator[str | None]:
    for seed in range(2):
        yield look(film(list(draw(seed))), "a.mp4", folder)


def faulty(folder: Path) -> Iterator[tuple[str, list[str | None]]]:
    colours = ((0, 0, 0), (127, 127, 127), (255, 255, 255), (20, 90, 160))
    for kind in ("PNG", "JPEG", "WEBP"):
        looks = [look(encoded(flat(*each), kind), f"a.{kind.lower()}", folder) for each in colours]
        yield f"flat pictures, {kind}", looks
    yield "flat films", [look(film([flat(*each, FILM_SIZE)] * 8), "a.mp4", folder) for each in colours]
    for codec, container, name in (("h264", "mp4", "H.264"), ("libvpx-vp9", "webm", "VP9")):
        for sigma in (0.0, 4.0):
            films = [film(still_film(seed, sigma), codec, container) for seed in range(2)]
            looks = [look(each, f"a.{container}", folder) for each in films]
            yield f"films that stand still, {name}{', with grain' if sigma else ''}", looks


def rates(folder: Path) -> str:
    """Return the table of the document."""
    legitimate = {
        "frames of the demo's shots": list(of_demo(folder)),
        "pictures of the examples": list(of_examples(folder)),
    }
    legitimate |= {name: list(of_stills(draw, folder)) for name, draw in STILLS.items()}
    legitimate |= {name: list(of_films(draw, folder)) for name, draw in FILMS.items()}
    rows = ["| frames | measured | marked | |", "| --- | --: | --: | --- |"]
    for name, looks in legitimate.items():
        rows.append(f"| {name} | {len(looks)} | {sum(map(bool, looks))} | false alarms |")
    for name, looks in faulty(folder):
        rows.append(f"| {name} | {len(looks)} | {sum(map(bool, looks))} | found |")
    return "\n".join(rows) + "\n"


def test_the_document_has_the_rate_of_false_alarms(tmp_path: Path) -> None:
    table, text = rates(tmp_path), DOCUMENT.read_text("utf-8")
    marker = "<!-- rates -->\n\n"
    found = re.search(rf"(?<={marker})(\|.*\n)*", text)
    assert found
    if os.environ.get("REWRITE_GOLDEN"):
        DOCUMENT.write_text(text[: found.start()] + table + text[found.end() :], "utf-8")
    else:
        assert found[0] == table


@given(st.tuples(channels, channels, channels), sizes)
def test_every_flat_picture_is_marked(colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    found = look_of(extremes(Image.new("RGB", size, colour)))
    assert found == "black" if max(colour) <= BLACK_UP_TO else found in ("grey", "blank")


@given(st.data(), sizes, st.integers(FLAT_WITHIN + 1, 255))
def test_a_picture_with_one_pixel_that_differs_is_never_flat(
    data: st.DataObject, size: tuple[int, int], difference: int
) -> None:
    assume(size != (1, 1))
    low = data.draw(st.integers(0, 255 - difference))
    picture = Image.new("RGB", size, (low, low, low))
    at = data.draw(st.integers(0, size[0] * size[1] - 1))
    picture.putpixel((at % size[0], at // size[0]), (low, low + difference, low))
    assert look_of(extremes(picture)) is None


@given(st.binary(min_size=3 * 64, max_size=3 * 64))
def test_noise_above_the_threshold_is_never_marked(noise: bytes) -> None:
    ranges = [max(noise[channel::3]) - min(noise[channel::3]) for channel in range(3)]
    found = look_of(extremes(Image.frombytes("RGB", (8, 8), noise)))
    assert (found is None) == (max(ranges) > FLAT_WITHIN)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), "black"),
        ((12, 12, 12), "black"),
        ((13, 12, 12), "blank"),
        ((127, 127, 127), "grey"),
        ((96, 100, 97), "grey"),
        ((127, 127, 140), "blank"),
        ((200, 200, 200), "blank"),
    ],
)
def test_a_flat_picture_is_named_by_its_colour(colour: tuple[int, int, int], expected: str) -> None:
    made = extremes(flat(*colour))
    assert (look_of(made), made.color) == (expected, "#" + "".join(f"{each:02x}" for each in colour))


def test_what_is_wholly_transparent_is_blank_and_what_draws_by_transparency_is_not() -> None:
    empty = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert look_of(extremes(empty)) == "blank"
    empty.putpixel((3, 3), (0, 0, 0, 255))
    assert look_of(extremes(empty)) is None


@pytest.mark.parametrize(("kind", "name"), [("WEBP", "a.webp"), ("GIF", "a.gif"), ("PNG", "a.png")])
def test_an_animation_of_equal_pictures_is_frozen(kind: str, name: str, tmp_path: Path) -> None:
    room = still_film(1)[0]
    other = Image.blend(room, flat(0, 0, 0, FILM_SIZE), 0.3)

    def animated(*pictures: Image.Image) -> bytes:
        file = io.BytesIO()
        pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], duration=100)
        return file.getvalue()

    # Pillow joins equal pictures into one, unless something differs.
    almost = room.copy()
    almost.putpixel((0, 0), (1, 2, 3))
    assert look(animated(room, almost, room), name, tmp_path) == "frozen"
    assert look(animated(room, other), name, tmp_path) is None


@given(st.lists(st.integers(0, 255), min_size=1, max_size=6))
def test_a_film_moves_as_soon_as_one_picture_differs_from_the_first(levels: list[int]) -> None:
    pictures = [(Image.new("L", REDUCED, level), 1) for level in levels]
    differs = any(abs(level - levels[0]) > 8 for level in levels)
    assert moves(pictures) is (True if differs else None if len(levels) == 1 else False)


def test_a_film_that_is_too_long_to_compare_is_not_called_frozen() -> None:
    picture = Image.new("L", REDUCED)
    assert moves([(picture, 400_000_000)] * 4) is None
    assert moves([(picture, 1)] * 1001) is None
    assert moves(iter([(picture, 1)] * 3)) is False


def test_a_film_that_moves_is_not_black_though_it_begins_so() -> None:
    assert look_of(Measured((0, 0, 0), (0, 0, 0), moves=True)) is None
    assert look_of(Measured((0, 0, 0), (0, 0, 0), moves=False)) == "black"


async def test_a_film_is_measured_in_a_process_of_its_own_with_the_same_result(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(film(still_film(2)[:4]))
    described = await decoding.describe(path, examine(path, name="a.mp4"))
    assert described.measured == measured(path.read_bytes(), "b.mp4", tmp_path)


sides = st.integers(256, 4096)


@given(sides, sides, st.sampled_from([8, 16]), st.sampled_from([1, 2, 4]))
def test_a_size_that_a_model_rounds_and_scales_has_the_aspect(width: int, height: int, step: int, scale: int) -> None:
    rounded = (round(width / step) * step * scale, round(height / step) * step * scale)
    assert has_aspect(rounded, (width, height))


@given(sides, sides)
def test_exchanged_sides_have_another_aspect(width: int, height: int) -> None:
    assume(max(width, height) / min(width, height) > 1.2)
    assert not has_aspect((height, width), (width, height))


@pytest.mark.parametrize(
    ("size", "asked", "fits"),
    [
        ((1024, 576), (1920, 1080), True),
        ((1024, 1024), (1024, 576), False),
        ((1280, 720), (1024, 640), False),
        ((832, 480), (848, 480), True),
        ((1024, 432), (1024, 428), True),
        ((1024, 576), (1024, 428), False),
        ((4, 4), (1024, 576), True),
    ],
)
def test_an_aspect_is_compared_within_what_rounding_explains(
    size: tuple[int, int], asked: tuple[int, int], *, fits: bool
) -> None:
    assert has_aspect(size, asked) is fits
