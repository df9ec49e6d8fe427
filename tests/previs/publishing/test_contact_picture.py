"""The contact picture shows the first shots of a board, and those that lack a picture."""

import io

from PIL import Image

from previs.publishing.contact_picture import contact_picture, sample_picture
from previs.records.manifest import ShotEntry
from tests.previs.pdf.boards import BLUE, RED, board, png, shown, told
from tests.previs.records.published import take


def opened(content: bytes | None) -> Image.Image:
    assert content is not None
    made = Image.open(io.BytesIO(content))
    assert made.format == "JPEG"
    return made


def near(colour: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(colour, tuple)
    return all(abs(a - b) < 16 for a, b in zip(colour, wanted, strict=True))


def made_shot(number: int, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 36)) -> ShotEntry:
    return told(f"SH{number:03}", shown(png(colour, size), thumbnail=True))


def test_shots_stand_four_in_a_row_each_in_its_own_aspect() -> None:
    failed = told("SH003", take(1, error="no room"))
    picture = opened(
        contact_picture(board(made_shot(1), made_shot(2, BLUE, (36, 64)), failed, made_shot(4), made_shot(5)))
    )
    assert picture.size == (4 * 250 + 10, 2 * 167 + 10)
    assert near(picture.getpixel((130, 77)), RED)
    assert near(picture.getpixel((380, 77)), BLUE)
    assert not near(picture.getpixel((270, 77)), BLUE)
    assert near(picture.getpixel((520, 20)), (39, 39, 42))


def test_of_a_long_board_there_are_24_shots_and_the_number_of_the_others() -> None:
    content = contact_picture(board(*(made_shot(number) for number in range(300))))
    assert opened(content).size == (1010, 6 * 167 + 10 + 22)
    assert len(content or b"") < 250_000


def test_a_board_without_pictures_has_none() -> None:
    assert contact_picture(board(told("SH001", take(1, error="no room")))) is None
    assert contact_picture(board()) is None


def test_hostile_names_and_broken_thumbnails_break_nothing() -> None:
    broken = shown(png(), thumbnail=True).frames[0].model_copy(update={"thumbnail": "data:image/png;base64,AAAA"})
    shots = told("\x1b[31m\n" * 50, take(1, frames=(broken,))), told("夜" * 500, shown(png(), thumbnail=True))
    assert opened(contact_picture(board(*shots))).size == (510, 177)


def test_a_sample() -> None:
    assert opened(sample_picture()).size == (1010, 177)
