"""Check that headings give place and time."""

import pytest

from previs.screenplay.headings import Setting, setting_of


@pytest.mark.parametrize(
    ("heading", "setting"),
    [
        ("INT. HARBOUR OFFICE - NIGHT", Setting("interior", "harbour office", "night")),
        ("EXT. PIER. DAWN", Setting("exterior", "pier", "dawn")),
        ("EST. THE ISLAND", Setting("exterior", "the island")),
        ("INT./EXT. CAR – EARLY MORNING", Setting("interior and exterior", "car", "early morning")),
        ("I/E CAR DAY", Setting("interior and exterior", "car", "day")),
        ("INT. Brick's Room - KITCHEN", Setting("interior", "Brick's Room - KITCHEN")),
        ("INT. HOUSE - KITCHEN - DAY", Setting("interior", "house, kitchen", "day")),
        ("EXT. FIELD - DAY - FLASHBACK", Setting("exterior", "field, flashback", "day")),
        ("INT. HOUSE - CONTINUOUS", Setting("interior", "house", "", same_time=True)),
        ("INT. HOUSE - MOMENTS LATER", Setting("interior", "house", "", same_time=True)),
        ("INT. DAY", Setting("interior", "", "day")),
        ("INT.", Setting("interior")),
        ("SNIPER SCOPE POV", Setting("", "sniper scope pov")),
        ("内景 渔港 - 夜", Setting("interior", "渔港", "夜")),
        ("外景 渔港 黎明", Setting("exterior", "渔港", "黎明")),
        ("外景：渔港，栈桥，清晨", Setting("exterior", "渔港，栈桥", "清晨")),
        ("内/外景 车 日", Setting("interior and exterior", "车", "日")),
        ("内. 驾驶舱——连续", Setting("interior", "驾驶舱", "", same_time=True)),
        ("渔港 夜 外", Setting("exterior", "渔港", "夜")),
    ],
)
def test_a_heading_says_side_place_and_time(heading: str, setting: Setting) -> None:
    assert setting_of(heading) == setting
