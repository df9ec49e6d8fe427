"""Pictures are reproducible from prompt and seed, visibly different otherwise, and show their references."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from previs.simulator import lettering
from previs.simulator.painter import draw
from previs.simulator.scene import Reference, Scene
from tests.previs.simulator.protocol_checks import Value

STRIPES = Image.merge("RGB", [Image.linear_gradient("L").resize((64, 36)).point(lambda v: 255 * (v // 32 % 2))] * 3)


def drawn(index: int = 0, **scene: Value) -> Image.Image:
    told: dict[str, Any] = {"size": (320, 180), "seed": 1, "text": "a city", **scene}
    return draw(Scene(**told), index, lambda _: STRIPES)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, from 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_the_same_scene_gives_the_same_picture() -> None:
    assert drawn().tobytes() == drawn().tobytes()


@pytest.mark.parametrize("other", [{"seed": 2}, {"text": "the sea at dawn"}, {"index": 1}])
def test_seed_prompt_and_batch_index_visibly_change_the_picture(other: dict[str, Any]) -> None:
    assert difference(drawn(), drawn(**other)) > 8


@pytest.mark.parametrize(("edges", "strength"), [(True, 0.8), (False, 0.4)])
def test_a_reference_is_visibly_part_of_the_picture(*, edges: bool, strength: float) -> None:
    guided = drawn(references=(Reference("hero.png", strength, edges),))
    assert difference(drawn(), guided) > 8
    pinned = guided.crop((320 - 45 - 5, 5, 320 - 5, 5 + 30))
    assert pinned.getextrema() == ((0, 255),) * 3


def test_a_copy_of_a_reference_is_that_picture() -> None:
    assert drawn(seed=None, file="hero.png", size=STRIPES.size).tobytes() == STRIPES.tobytes()


def test_a_plain_surface_is_plain() -> None:
    assert drawn(seed=None, color=0x102030).getcolors() == [(320 * 180, (0x10, 0x20, 0x30))]


@settings(deadline=None, max_examples=30)
@given(width=st.integers(1, 400), height=st.integers(1, 300), seed=st.integers(0, 2**64 - 1), text=st.text(max_size=40))
def test_any_size_seed_and_text_can_be_drawn(width: int, height: int, seed: int, text: str) -> None:
    references = (Reference("hero.png", 1.0, edges=True),) * 5
    scene = Scene(size=(width, height), seed=seed, text=text, references=references)
    assert draw(scene, 0, lambda _: STRIPES).size == (width, height)


def test_words_are_on_the_picture() -> None:
    foot = (0, 150, 320, 180)
    assert drawn(text="a city").crop(foot).getextrema()[0][1] > 200
    assert drawn(text="").crop(foot).getextrema()[0][1] < 200


@given(text=st.text(max_size=200), width=st.integers(40, 300))
@example(text="0" + "ᄀ" * 30 + "…", width=40)
@settings(deadline=None)
def test_lines_fit_and_hold_only_glyphs_that_the_font_has(text: str, width: int) -> None:
    letters = lettering.font(12)
    lines = lettering.lines(text, letters, width, 2)
    assert len(lines) <= 2
    assert all(lettering.has_glyph(letters, character) for line in lines for character in line)
    assert all(letters.getlength(line) <= width for line in lines)


def test_a_glyph_that_no_font_has_is_left_out() -> None:
    letters = lettering.font(12)
    assert lettering.lines(f"a{lettering.NO_CHARACTER}b", letters, 100, 1) == ["ab"]


@pytest.mark.skipif(
    not any(Path(name).is_file() for name in lettering.FONT_FILES),
    reason="no font with Chinese glyphs on this machine",
)
def test_chinese_words_are_shown_where_a_font_can() -> None:
    assert lettering.lines("城市夜景", lettering.font(12), 200, 1) == ["城市夜景"]
