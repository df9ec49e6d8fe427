"""Texts are drawn with fonts that have their characters, and what no font has is said."""

from pathlib import Path

import pytest
from PIL import Image

from previs.animatic.lettering import Lettering
from previs.errors import ShotListFaults
from previs.publishing.fonts import Face, find_fonts

LATIN = ["SQ010_SH010 take 1"]
NONE = "\U00012345"


def chinese() -> Lettering:
    fonts = find_fonts(["镜头：等一下！"])
    if fonts.missing:
        pytest.skip("no font with Chinese characters is installed: apt install fonts-noto-cjk")
    return Lettering(fonts)


def test_characters_that_no_font_has_are_named_with_what_to_install() -> None:
    fonts = find_fonts([f"a{NONE}"])
    assert fonts.missing == {NONE}
    assert fonts.notice.startswith(
        f"no font has these characters, and ? stands for them: {NONE} (U+12345); install a font"
    )
    assert "fonts-noto-cjk" in fonts.notice
    letters = Lettering(fonts)
    assert letters.mask([NONE], 20).tobytes() == letters.mask(["?"], 20).tobytes()


def test_a_manifest_of_very_many_characters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("previs.publishing.fonts._MOST", 30)
    fonts = find_fonts(["".join(map(chr, range(65, 127)))])
    assert len(fonts.of_character) == 30
    assert "~" in fonts.missing


def test_without_fontconfig_and_fonts_latin_is_drawn_and_the_rest_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("previs.publishing.fonts._KNOWN", ())
    fonts = find_fonts([*LATIN, "镜"])
    assert fonts.faces == (Face(""),)
    assert fonts.missing == {"镜"}
    assert Lettering(fonts).mask(LATIN, 20).getextrema()[1] > 200


def test_without_fontconfig_known_fonts_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    chinese()
    monkeypatch.setenv("PATH", "")
    assert find_fonts(["镜"]).missing == frozenset()


def test_a_named_font_comes_first_and_others_fill_its_gaps() -> None:
    used = chinese().fonts.faces[0].path
    fonts = find_fonts(["镜a"], Path(used))
    assert fonts.faces[0].path == used
    assert not fonts.missing


def test_what_is_no_font_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.ttf"
    path.write_text("no font")
    for named in (path, tmp_path / "none.ttf"):
        with pytest.raises(ShotListFaults, match=r"give the file of a font: \.ttf"):
            find_fonts(LATIN, named)


def test_lines_fit_and_no_sign_begins_one() -> None:
    letters = chinese()
    text = (
        "MEI：等一下！这艘船今晚不开，雾太大了，我们必须在码头等到天亮。Tomáš says supercalifragilisticexpialidocious."
    )
    for width in (120, 200, 333, 500):
        lines = letters.lines(text, 24, width, 50)
        # A sign that must not begin a line may stand beyond its end.
        assert all(letters.width(line[:-1], 24) <= width for line in lines)
        assert not any(line[0] in "，。！：" for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_too_many_lines_end_with_an_ellipsis() -> None:
    letters = Lettering(find_fonts(LATIN))
    lines = letters.lines("one two three four five six seven", 20, 100, 2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert letters.width(lines[1], 20) <= 100
    assert letters.lines("", 20, 100, 2) == []


def test_a_mask_holds_its_letters_whole() -> None:
    letters = chinese()
    for lines in (["gjpqy镜|_"], ["a", "等一下！g"]):
        mask = letters.mask(lines, 24, stroke=2, centred=True)
        assert isinstance(mask, Image.Image)
        box = mask.getbbox()
        assert box is not None
        assert 0 < box[0] < box[2] < mask.width
        assert 0 <= box[1] < box[3] < mask.height
