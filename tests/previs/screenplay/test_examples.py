"""Check that both example scripts make similar shot lists."""

from pathlib import Path

import pytest

from previs.screenplay import make_shot_list, read_screenplay
from previs.shots import ShotList

EXAMPLES = Path(__file__).parents[3] / "examples"


def shot_list_of(name: str) -> ShotList:
    return make_shot_list(read_screenplay((EXAMPLES / name).read_bytes(), name))


@pytest.mark.parametrize(
    ("name", "title", "style"),
    [("harbour.fountain", "The Last Ferry", "ink and grey wash"), ("渔港.fountain", "渔港的灯", "水墨分镜")],
)
def test_an_example_has_three_scenes_and_its_style_in_every_prompt(name: str, title: str, style: str) -> None:
    whole = shot_list_of(name)
    assert whole.title == title
    assert list(dict.fromkeys(shot.sequence for shot in whole.shots)) == ["SQ1", "SQ2", "SQ3"]
    assert all(style in shot.prompt for shot in whole.shots)
    assert 40 < sum(shot.duration for shot in whole.shots) < 90


def test_the_english_example_shows_what_notes_can_say() -> None:
    shots = {shot.label: shot for shot in shot_list_of("harbour.fountain").shots}
    assert len(shots) == 15
    assert shots["SQ2_SH010"].prompt.startswith("wide, from behind the wheel, interior, ferry wheelhouse, dawn")
    assert shots["SQ2_SH020"].prompt.startswith("interior of a cramped ferry wheelhouse at dawn")
    assert shots["SQ2_SH040"].duration == 2.0
    assert "Mei: a girl of ten in a red raincoat too large for her" in shots["SQ1_SH030"].prompt
    last = shots["SQ3_SH050"]
    assert last.dialogue == "TOMAS (V.O.): And so I came back for it, every morning, for thirty years."
    assert (last.notes, last.transition) == ("Hold on this for the end title.\nTHE END", "FADE OUT.")


def test_the_documentation_shows_what_its_script_gives() -> None:
    page = (EXAMPLES.parent / "docs" / "screenplays.md").read_text("utf-8")
    script = page.partition("```fountain\n")[2].partition("```")[0]
    whole = make_shot_list(read_screenplay(script.encode(), "the page"))
    assert whole == shot_list_of("harbour.fdx")
    for shot in whole.shots:
        assert f"| {shot.label} | {shot.duration:g} | {shot.prompt} |" in page
