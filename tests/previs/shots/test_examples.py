from pathlib import Path

import pytest

from previs.pictures import upright_png_or_jpeg
from previs.publishing.views.labels import language_of
from previs.shots import ShotList, read_shot_list

EXAMPLES = Path(__file__).parents[3] / "examples"
LISTS = sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".json", ".yaml", ".csv"))


WITH_PICTURES = {
    "en": ["SQ010_SH020", "SQ010_SH040", "SQ020_SH030"],
    "zh": ["SQ010_SH020", "SQ010_SH040"],
}


def read(path: Path) -> ShotList:
    return read_shot_list(path.read_bytes(), name=path.name)


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_every_example_is_valid_and_its_references_exist(path: Path) -> None:
    for shot in read(path).shots:
        for reference in shot.references:
            picture = (path.parent / reference.url).read_bytes()
            assert upright_png_or_jpeg(picture, uri=reference.url) == (picture, ".jpg")
            assert len(picture) < 60_000


def test_the_examples_are_four() -> None:
    assert {path.name for path in LISTS} >= {"night-city.yaml", "夜城.yaml", "sheet.csv", "upstream.json"}


@pytest.mark.parametrize(("name", "lang"), [("night-city.yaml", "en"), ("夜城.yaml", "zh")])
def test_the_scene_shows_what_a_list_can_say(name: str, lang: str) -> None:
    scene = read(EXAMPLES / name)
    assert language_of(shot.prompt for shot in scene.shots) == lang
    assert not scene.notices
    assert len(scene.shots) == 8
    assert {shot.sequence for shot in scene.shots} == {"SQ010", "SQ020"}
    assert [shot.label for shot in scene.shots if shot.references] == WITH_PICTURES[lang]
    assert [shot.takes for shot in scene.shots if shot.takes] == [2]


def test_the_sheet_has_chinese_names_and_a_byte_order_mark() -> None:
    assert (EXAMPLES / "sheet.csv").read_bytes().startswith(b"\xef\xbb\xbf\xe9\x95\x9c")
    sheet = read(EXAMPLES / "sheet.csv")
    assert [(shot.shot_id, shot.duration, shot.takes) for shot in sheet.shots][2] == ("A03", 2.5, 2)
    assert [reference.reference_id for reference in sheet.shots[2].references] == ["mei", "alley"]
