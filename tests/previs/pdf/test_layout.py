"""A page says which shots are on it, and its texts stay in their places."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.pdf.layout import Head, Page, Text, head_of, lay_out, words_instead
from previs.pdf.panels import Panel, panels_of, usual_aspect
from previs.pdf.paper import Box, sheet_of
from previs.publishing.views.labels import labels
from previs.records.manifest import PassEntry
from tests.previs.pdf.boards import BLUE, RED, board, png, shown, told
from tests.previs.pdf.test_fitting import measure
from tests.previs.pdf.test_paper import SLACK
from tests.previs.records.published import frame, shot, take

HEAD = Head("Night City", "3 shots", "Revision 3 · 31 Oct 2026")
CAMERA = {"size": "大全景", "angle": "低角度", "movement": "推", "lens": "35mm"}
MM = 25.4 / 72


def pages(panels: list[Panel], count: Any = 6, **options: Any) -> list[Page]:
    sheet = sheet_of(count, "A4", 16 / 9)
    return list(lay_out(panels, HEAD, sheet, measure, labels("en"), **options))


def words(texts: tuple[Text, ...]) -> list[str]:
    return [each.text for each in texts]


def panels(*shots: Any, **options: Any) -> list[Panel]:
    changes = {name: options.pop(name) for name in ("lang",) if name in options}
    return panels_of(board(*shots, **changes), options.pop("picks", {}), **options)


def test_a_panel_has_all_that_is_said_of_a_shot_and_no_seed() -> None:
    told_shot = told(
        "SH010", shown(png(), seed=4711), camera=CAMERA, description="雾", dialogue="老周：走", notes="开场"
    )
    [page] = pages(panels(told_shot))
    [placed] = page.panels
    assert words(placed.texts) == [
        "SH010",
        "3.5 秒",
        "大全景 · 低角度 · 推 · 35mm",
        "画面内容",
        "  雾",
        "对白",
        "  老周：走",
        "备注",
        "  开场",
    ]
    assert not placed.short
    assert "4711" not in repr(page)


def test_a_shot_without_a_description_shows_its_prompt() -> None:
    [one, other] = panels(told("a", prompt="a lamp, 35mm"), shot("b", prompt="made of a template"))
    assert [one.fields[1].text, other.fields[1].text] == ["a lamp, 35mm", "made of a template"]


@pytest.mark.parametrize(("count", "expected"), [(1, 14), (2, 7), (4, 4), (6, 3), (9, 2), (12, 2)])
def test_pages_are_counted_and_hold_the_shots_in_order(count: int, expected: int) -> None:
    made = pages(panels(*(told(f"SH{number}") for number in range(14))), count)
    assert len(made) == expected
    assert [page.texts[1].text for page in made] == [
        f"page {number} of {expected}" for number in range(1, expected + 1)
    ]
    assert [placed.panel.shot for page in made for placed in page.panels] == [f"SH{number}" for number in range(14)]


def test_a_board_without_shots_has_one_page() -> None:
    [page] = pages([])
    assert page.panels == ()
    assert words(page.texts) == ["Revision 3 · 31 Oct 2026", "page 1 of 1", "Night City", "3 shots"]


def test_chosen_takes_or_all_of_them_with_the_texts_once() -> None:
    takes = (shown(png(RED)), shown(png(BLUE), 2), take(3, error="no room"))
    finish = PassEntry(name="finish", **dict(shown(png((1, 2, 3)), 2)))
    entry = told("SH010", *takes, description="雾").model_copy(update={"passes": (finish,), "picked": 2})
    [chosen] = panels(entry, picks={"SH010": 2})
    assert (chosen.take, chosen.frame) == ("finish", finish.frames[0])
    [first] = panels(entry)
    assert (first.take, first.frame) == ("第 1 条", takes[0].frames[0])
    every = panels(entry, picks={"SH010": 2}, takes="all")
    assert [each.take for each in every] == ["第 1 条", "第 2 条 · 选定", "第 3 条", "finish"]
    assert [each.instead for each in every if each.frame is None] == ["失败"]
    assert [any(field.text for field in each.fields) for each in every] == [True, False, False, False]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (shot("a", take(1, error="no room")), "Failed"),
        (shot("a", take(1, outcome="skipped")), "Skipped"),
        (shot("a"), "No take"),
        (shot("a", take(1, frames=(frame(b"RIFF", ".wav", media_type="audio/wav"),))), "No picture"),
    ],
)
def test_a_panel_without_a_picture_says_why(entry: Any, said: str) -> None:
    [panel] = panels(entry, lang="en")
    assert (panel.frame, panel.instead) == (None, said)


def test_a_take_of_several_pictures_shows_the_first() -> None:
    frames = tuple(frame(png(colour)) for colour in (RED, BLUE))
    [panel] = panels(shot("a", take(1, frames=frames)))
    assert (panel.frame, panel.more) == (frames[0], 1)


@pytest.mark.parametrize(
    ("sizes", "aspect"),
    [
        ([], 16 / 9),
        ([(1280, 720)], 16 / 9),
        ([(9, 16), (9, 16), (16, 9)], 9 / 16),
        ([(10_000, 1)], 3),
        ([(0, 5)], 16 / 9),
    ],
)
def test_pages_are_divided_for_most_pictures(sizes: list[tuple[int, int]], aspect: float) -> None:
    frames = [frame(b"%d" % number, width=size[0], height=size[1]) for number, size in enumerate(sizes)]
    assert usual_aspect(panels(*(shot(each.sha256, take(1, frames=(each,))) for each in frames))) == pytest.approx(
        aspect
    )


def test_a_manifest_may_state_anything() -> None:
    endless = "雾" * 1_000_000
    vast = frame(b"a", width=10**400, height=1)
    made = board(
        shot(endless, take(1, frames=(vast,)), prompt=endless, sequence=endless, duration=1e300),
        title=endless,
        fps=1e-300,
    )
    [page] = pages(panels_of(made, {}))
    assert sum(len(text.text) for placed in page.panels for text in placed.texts) < 2_000
    assert len(page.sequences[0]) == 200
    assert usual_aspect(panels_of(made, {})) == 3
    assert len(panels_of(made, {})[0].duration) == 24
    assert len(head_of(made, labels("zh")).title) == 500


def test_sequences_are_named_where_they_begin() -> None:
    shots = [told(f"SH{number}").model_copy(update={"sequence": "AABB"[number // 2]}) for number in range(8)]
    assert [page.sequences for page in pages(panels(*shots), 2)] == [("A",), (), ("B",), ()]


def test_the_head_names_title_length_revision_and_date() -> None:
    made = board(told("a"), told("b", duration=70), title="", fps=25).model_copy(update={"number": 3})
    assert head_of(made, labels("zh")) == Head("b", "2 个镜头 · 1 分 14 秒 · 25 帧/秒", "第 3 版 · 2026-10-31")
    other = made.model_copy(update={"lang": "en", "number": None, "title": "Night\nCity"})
    assert head_of(other, labels("en")) == Head(
        "Night City", "2 shots · 1 min 14 s · 25 fps", f"{made.run} · 31 Oct 2026"
    )


def test_the_logo_keeps_its_aspect_and_the_title_makes_room() -> None:
    [plain], [page] = pages([]), pages([], logo=2.0)
    assert plain.logo is None
    assert page.logo
    assert page.logo.width / page.logo.height == pytest.approx(2)
    assert page.texts[2].x > page.logo.x + page.logo.width
    [wide] = pages([], logo=30.0)
    assert wide.logo
    assert wide.logo.width == pytest.approx(45)


def test_words_in_place_of_a_picture_are_in_its_middle() -> None:
    [text] = words_instead("失败", Box(10, 10, 60, 40), 8, measure)
    assert text.x + text.size * MM == pytest.approx(40)
    assert 29 < text.y < 32


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=2_500)


@given(TEXTS, TEXTS, TEXTS, st.sampled_from([1, 2, 4, 6, 9, 12]), st.floats(0.4, 3))
def test_no_text_leaves_its_panel_and_what_is_shortened_is_known(
    name: str, action: str, dialogue: str, count: Any, aspect: float
) -> None:
    found = panels(told(name, description=action, dialogue=dialogue, notes="n"))
    sheet = sheet_of(count, "A4", aspect)
    [page] = lay_out(found, Head(name, name, name), sheet, measure, labels("en"))
    [placed] = page.panels
    room = placed.room
    for text in placed.texts:
        box = room.title if text.y < room.picture.y else room.text
        assert box.x - SLACK <= text.x
        # Closing punctuation may hang out by one character, into the gap to the next panel.
        assert text.x + measure(text.text) * text.size * MM <= box.x + box.width + text.size * MM + SLACK
        assert text.y <= room.text.y + room.text.height + SLACK
    for text in page.texts:
        assert text.x + measure(text.text) * text.size * MM <= sheet.width - 10 + text.size * MM
    assert placed.short is any(text.text.endswith("…") for text in placed.texts) or "…" in action + dialogue + name
