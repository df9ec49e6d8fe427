"""Panels share a page without touching each other or leaving it."""

from itertools import combinations, product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.pdf.paper import PAPERS, TEXT_SIZES, Box, PanelCount, Room, contain, sheet_of

COUNTS = get_args(PanelCount)
WIDE = 16 / 9
SLACK = 1e-6


def parts(room: Room) -> list[Box]:
    return [room.title, room.picture, room.text]


def overlap(one: Box, other: Box) -> bool:
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return across > SLACK and down > SLACK


@given(
    st.sampled_from(COUNTS),
    st.sampled_from(list(PAPERS)),
    st.floats(0.4, 3.0),
    st.sampled_from([None, False, True]),
)
def test_no_part_of_a_panel_overlaps_another_or_leaves_the_page(
    panels: Any, paper: Any, aspect: float, landscape: Any
) -> None:
    sheet = sheet_of(panels, paper, aspect, landscape=landscape)
    boxes = [sheet.header, *(box for room in sheet.rooms for box in parts(room))]
    assert len(sheet.rooms) == panels
    for box in boxes:
        assert min(box.width, box.height) > 0
        assert 10 - SLACK <= box.x <= box.x + box.width <= sheet.width - 10 + SLACK
        assert 10 - SLACK <= box.y <= box.y + box.height <= sheet.height - 10 + SLACK
    assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
    assert len({(round(room.picture.width, 6), round(room.picture.height, 6)) for room in sheet.rooms}) == 1
    assert sheet.rooms[0].picture.width / sheet.rooms[0].picture.height == pytest.approx(aspect)


@given(st.floats(0.05, 20), st.floats(1, 300), st.floats(1, 300))
def test_a_picture_fills_its_box_in_its_own_aspect(aspect: float, width: float, height: float) -> None:
    box = Box(7, 9, width, height)
    inner = contain(box, aspect)
    assert inner.width / inner.height == pytest.approx(aspect)
    assert inner.width == pytest.approx(width) or inner.height == pytest.approx(height)
    assert inner.x + inner.width / 2 == pytest.approx(7 + width / 2)
    assert inner.y + inner.height / 2 == pytest.approx(9 + height / 2)
    assert inner.width <= width + SLACK
    assert inner.height <= height + SLACK


@pytest.mark.parametrize(("panels", "paper"), list(product(COUNTS, PAPERS)))
def test_paper_lies_as_asked_for(panels: Any, paper: Any) -> None:
    short, long = PAPERS[paper]
    lying, standing = (sheet_of(panels, paper, WIDE, landscape=each) for each in (True, False))
    assert (lying.width, lying.height) == (long, short)
    assert (standing.width, standing.height) == (short, long)
    assert lying.size == standing.size == TEXT_SIZES[panels]


@pytest.mark.parametrize(
    ("panels", "aspect", "lies", "columns"),
    [
        (1, WIDE, True, 1),
        (2, WIDE, False, 1),
        (4, WIDE, False, 1),  # with the texts beside the pictures
        (6, WIDE, True, 3),
        (9, WIDE, False, 3),
        (12, WIDE, False, 3),
        (1, 9 / 16, False, 1),
        (6, 9 / 16, False, 3),
    ],
)
def test_by_default_a_page_is_divided_as_storyboards_are(panels: Any, aspect: float, lies: Any, columns: int) -> None:
    sheet = sheet_of(panels, "A4", aspect)
    assert (sheet.width > sheet.height) is lies
    assert len({round(room.title.x, 3) for room in sheet.rooms}) == columns


def test_panels_are_in_reading_order() -> None:
    rooms = sheet_of(6, "A4", WIDE, landscape=True).rooms
    places = [(round(room.title.y, 3), round(room.title.x, 3)) for room in rooms]
    assert places == sorted(places)


@pytest.mark.parametrize("panels", COUNTS)
def test_every_panel_has_room_for_seven_lines(panels: Any) -> None:
    for landscape, aspect in product((True, False), (0.5, 1.0, WIDE, 2.39)):
        text = sheet_of(panels, "Letter", aspect, landscape=landscape).rooms[0].text
        assert text.height / (TEXT_SIZES[panels] * 0.3528 * 1.32) > 6.9
        assert text.width / (TEXT_SIZES[panels] * 0.3528) >= 12
