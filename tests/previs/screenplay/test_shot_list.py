"""Check the rules that derive a shot list from a screenplay."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.screenplay import make_shot_list, read_screenplay
from previs.shots import Shot, ShotList, read_shot_list
from previs.shots.parts import Style

HEADING = "INT. HARBOUR - NIGHT\n\n"
WHERE = "interior, harbour, night"


def shot_list_of(text: str) -> ShotList:
    return make_shot_list(read_screenplay(text.encode(), "harbour.fountain"))


def beats(text: str) -> tuple[Shot, ...]:
    """Return the shots of a scene after the establishing one."""
    return shot_list_of(HEADING + text).shots[1:]


def prompts(text: str) -> list[str]:
    return [shot.prompt for shot in beats(text)]


def test_a_scene_is_established_then_its_beats_follow() -> None:
    whole = shot_list_of(
        "Title: Harbour\nStyle: ink\nFPS: 25\n\nEXT. HARBOUR - DAWN\n\nFog lies on the black water.\n\n"
        "MEI\n(softly)\nWait!\n\n"
        "INT. FERRY - CONTINUOUS\n"
    )
    assert (whole.title, whole.fps) == ("Harbour", 25)
    assert [(shot.label, shot.sequence, shot.prompt, shot.duration, shot.dialogue) for shot in whole.shots] == [
        ("SQ010_SH010", "SQ010", "wide establishing shot, exterior, harbour, dawn, ink", 3.0, None),
        (
            "SQ010_SH020",
            "SQ010",
            "medium wide shot, Fog lies on the black water, exterior, harbour, dawn, ink",
            2.5,
            None,
        ),
        (
            "SQ010_SH030",
            "SQ010",
            "medium close-up, Mei speaking, softly, exterior, harbour, dawn, ink",
            1.5,
            "MEI: Wait!",
        ),
        ("SQ020_SH010", "SQ020", "wide establishing shot, interior, ferry, dawn, ink", 3.0, None),
    ]


def test_film_fields_stand_beside_the_prompt() -> None:
    text = (
        "EXT. HARBOUR - DAWN #7A#\n\n[[shot: low angle, CU, tracking, whatever, insert]]\nFog on water.\n\n"
        "MEI\n(softly)\nWait!\n\n"
        "CUT TO:\n\n[[why?]]\n\nINT. FERRY - CONTINUOUS\n"
    )
    where = {"scene": "7A", "location": "exterior, harbour", "time_of_day": "dawn"}
    camera = {"size": "close-up, insert shot", "angle": "low angle", "movement": "tracking shot"}
    film = ("description", "camera", "dialogue", "scene", "location", "time_of_day", "transition", "notes")
    given = [{name: value for name, value in shot.given().items() if name in film} for shot in shot_list_of(text).shots]
    assert given == [
        where,
        where | {"description": "Fog on water.", "camera": camera},
        where
        | {"description": "Mei speaking, softly", "dialogue": "MEI: Wait!", "transition": "CUT TO:", "notes": "why?"},
        {"location": "interior, ferry", "time_of_day": "dawn"},
    ]
    [_, shot] = shot_list_of("内景 渔港 - 夜\n\n@老李\n好。\n").shots
    assert (shot.location, shot.time_of_day, shot.dialogue) == ("内景，渔港", "夜", "老李: 好。")


def test_a_note_of_many_framings_gives_a_camera_that_a_list_takes() -> None:
    [shot] = beats(f"[[shot: {', '.join(['CU', 'insert', 'MS', 'OTS', 'WS', 'ECU'] * 40)}]]\n")
    assert shot.camera.size == "close-up, insert shot, medium shot, over-the-shoulder shot"


def test_a_chinese_scene_is_worded_in_chinese() -> None:
    whole = shot_list_of(
        "风格：水墨\n\n外景 渔港 - 黎明\n\n薄雾浮在黑色的水面上。\n\n@老李\n（低声）\n总还有一个人。\n"
    )
    assert [(shot.prompt, shot.duration) for shot in whole.shots] == [
        ("远景，定场镜头，外景，渔港，黎明，水墨", 3.0),
        ("中景，薄雾浮在黑色的水面上，外景，渔港，黎明，水墨", 2.0),
        ("中近景，老李在说话，低声，外景，渔港，黎明，水墨", 2.0),
    ]


def test_a_scene_number_names_its_shots_and_a_scene_without_one_gets_a_free_name() -> None:
    whole = shot_list_of("INT. A #020#\n\nINT. B\n\nINT. C #12A#\n\nINT. D\n")
    assert [shot.label for shot in whole.shots] == ["SQ020_SH010", "SQ020_2_SH010", "SQ12A_SH010", "SQ040_SH010"]


def test_an_omitted_scene_keeps_its_place_and_gives_no_shot() -> None:
    whole = shot_list_of("INT. A\n\n.OMITTED #7#\n\nINT. C\n")
    assert [shot.label for shot in whole.shots] == ["SQ010_SH010", "SQ030_SH010"]


def test_a_change_in_one_scene_changes_no_id_and_no_prompt_of_another() -> None:
    scenes = [
        "INT. A - DAY\n\nA lamp swings over the table.\n\n",
        "EXT. B - DAY\n\nSTEEL\nGo home!\n\n",
        "INT. C - DAY\n\n",
    ]
    before = shot_list_of("".join(scenes)).shots
    scenes[1] += "A whole new paragraph of action stands here.\n\nMEI\nNo.\n\n"
    after = shot_list_of("".join(scenes)).shots
    assert len(after) == len(before) + 2
    assert [shot for shot in after if shot.sequence != "SQ020"] == [shot for shot in before if shot.sequence != "SQ020"]
    assert after[:4] == before[:4]


def test_text_before_the_first_heading_takes_no_scene_number() -> None:
    assert [shot.label for shot in shot_list_of(f"A black screen, then a slow light.\n\n{HEADING}").shots] == [
        "SQ000_SH010",
        "SQ010_SH010",
    ]


def test_a_short_action_joins_the_action_right_before_it() -> None:
    assert prompts("The long freighter passes the pier.\n\nShe stops.\n") == [
        f"medium wide shot, The long freighter passes the pier. She stops, {WHERE}"
    ]
    between = ["CUT TO:", "[[shot]]", "[[duration: 1]]\nNow:", "STEEL\nGo!"]
    for each in between:
        assert len(beats(f"The long freighter passes the pier.\n\n{each}\n\nShe stops.\n")) > 1


def test_an_action_that_names_its_framing_keeps_it() -> None:
    assert prompts("CLOSE ON the brass lever as it moves.\n\n[[shot]]\n特写：他的手推动铜杆，缓缓地。\n") == [
        f"CLOSE ON the brass lever as it moves, {WHERE}",
        "特写：他的手推动铜杆，缓缓地，内景，harbour，night",
    ]


@pytest.mark.parametrize(
    ("line", "camera"),
    [
        ("CLOSE ON: a hand.", {"size": "close-up"}),
        ("**CLOSE ON** MEI", {"size": "close-up"}),
        ("ANGLE ON MEI", {}),
        ("ON THE SCREEN", {}),
        ("WIDER", {}),
        ("REVERSE ANGLE", {}),
        ("INSERT - LETTER", {"size": "insert shot"}),
        ("INSERT LETTER", {"size": "insert shot"}),
        ("Insert: a letter.", {"size": "insert shot"}),
        ("MEI'S P.O.V. - THE LETTER", {"size": "point-of-view shot"}),
        ("POV THROUGH THE GLASS", {"size": "point-of-view shot"}),
        ("WIDE, LOW ANGLE ON THE PIER", {"size": "wide shot", "angle": "low angle"}),
        ("EXTREME CLOSE-UP OF HER EYE", {"size": "extreme close-up"}),
        ("ECU - her eye", {"size": "extreme close-up"}),
        ("OVER THE SHOULDER - MEI", {"size": "over-the-shoulder shot"}),
        ("AERIAL SHOT", {"movement": "aerial shot"}),
        ("MONTAGE - THE STORM", {}),
        ("FLASHBACK:", {}),
        ("特写：一只手", {"size": "特写"}),
        ("插入 信纸", {"size": "插入镜头"}),
        ("近景，俯拍", {"size": "近景", "angle": "俯拍"}),
    ],
)
def test_a_framing_on_a_line_of_its_own_starts_a_shot(line: str, camera: dict[str, str]) -> None:
    before, shot = beats(f"The long freighter passes the pier.\n\n{line}\n")
    assert "freighter" in before.prompt
    assert shot.camera.model_dump(exclude_none=True) == camera
    assert "medium wide" not in shot.prompt or "MONTAGE" in line or "FLASHBACK" in line


@pytest.mark.parametrize(
    "line",
    [
        "!CLOSE ON",
        "Close on her heels.",
        "ON AIR, she says.",
        "CLOSED.",
        "SHOTS ring out.",
        "近景很美。",
        "特写镜头很多。",
    ],
)
def test_a_line_that_only_begins_like_a_framing_joins_the_action_before(line: str) -> None:
    assert len(beats(f"The long freighter passes the pier.\n\n{line}\n")) == 1


def test_a_framing_is_the_heading_of_the_paragraph_after_it() -> None:
    slow = "She turns, slowly, and looks at each of the lamps on the pier"
    assert prompts(f"ANGLE ON MEI\n\n{slow}.\n\nRain.\n\nCLOSE ON LAMP\nIt swings.\n\n插入 信纸\n\n墨水流淌。\n") == [
        f"ANGLE ON MEI {slow}. Rain, {WHERE}",
        f"CLOSE ON LAMP It swings, {WHERE}",
        "插入 信纸，墨水流淌，内景，harbour，night",
    ]


def test_a_return_to_the_scene_ends_a_framing_and_is_not_in_a_prompt() -> None:
    hand, wind, speech = beats("INSERT - HAND\n\nBACK TO SCENE\n\nWind.\n\nMEI\nOh.\n\nLATER\n\nMEI\nNo.\n")[:3]
    assert (hand.prompt, hand.notes) == (f"INSERT - HAND, {WHERE}", "BACK TO SCENE")
    assert wind.prompt == f"medium wide shot, Wind, {WHERE}"
    assert speech.dialogue == "MEI: Oh."


@pytest.mark.parametrize(
    "items", ["- Waves\n- RAIN\n- A mast", "A) Waves\n\nB) RAIN\n\nC) A mast", "1. Waves\n2. RAIN\n3. A mast"]
)
def test_each_item_of_a_montage_is_a_shot(items: str) -> None:
    shots = beats(f"MONTAGE - THE STORM\n\n{items}\n\nEND OF MONTAGE\n\n- Dashes are action again.\n")
    assert [shot.prompt.split(", ")[1] for shot in shots] == ["Waves", "RAIN", "A mast", "- Dashes are action again"]
    assert [shot.notes for shot in shots] == ["MONTAGE - THE STORM", None, "END OF MONTAGE", None]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("WILL'S DATE", "Will's Date"),
        ("O'BRIEN", "O'Brien"),
        ("D’ARTAGNAN’S MAN", "D’Artagnan’s Man"),
        ("MA'AM", "Ma'am"),
    ],
)
def test_a_name_in_capitals_is_in_title_case(name: str, title: str) -> None:
    assert prompts(f"{name}\nGo.\n") == [f"medium close-up, {title} speaking, {WHERE}"]


def test_two_speeches_at_once_are_one_shot_of_both() -> None:
    [shot] = beats("STEEL\nScrew retirement, every day of it.\n\nBRICK ^\nScrew it.\n")
    assert shot.prompt == f"two-shot, Steel and Brick speaking, {WHERE}"
    assert shot.dialogue == "STEEL: Screw retirement, every day of it.\nBRICK: Screw it."
    assert shot.duration == beats("STEEL\nScrew retirement, every day of it.\n")[0].duration


def test_a_speaker_who_continues_stays_in_the_same_shot() -> None:
    assert len(beats("STEEL\nGo.\n\nSTEEL\nHome.\n")) == 1
    assert len(beats("STEEL\nGo [[why?]] now.\n\nSTEEL\nHome.\n")) == 1
    assert len(beats("STEEL\nGo.\n\nSTEEL\n[[prompt: the door]]\nHome.\n")) == 2
    assert len(beats("STEEL\nGo.\n\nBRICK\nHome.\n\nSTEEL\nNow.\n")) == 3


@pytest.mark.parametrize(
    "extension",
    [
        *("V.O.", "VO", "V. O.", "v.o.", "O.S.", "OS", "o. s.", "O.C.", "oc", "O.S., CONT'D", "INTO PHONE, V.O."),
        *("OFF", "off.", "OFF, CONT'D", "laughing, OFF", "OFF SCREEN", "OFF-SCREEN", "offscreen", "Off Camera"),
        *("VOICE OVER", "VOICE-OVER", "voiceover", "画外音", "旁白", "内心独白", "电话VO"),
    ],
)
def test_an_unseen_voice_continues_over_the_shot_before(extension: str) -> None:
    long = "And so I came back for it, every single morning, for thirty years, whatever the weather was."
    [shot] = beats(f"The ferry draws away.\n\n@Tomas ({extension})\n{long}\n")
    assert shot.prompt == f"medium wide shot, The ferry draws away, {WHERE}"
    assert shot.dialogue == f"Tomas ({extension}): {long}"
    assert shot.duration == 7.5


@pytest.mark.parametrize(
    "extension",
    [
        *("ACROSS THE TABLE", "COFFEE IN HAND", "AT THE POST OFFICE", "CONT'D", "VOCAL", "TO OSCAR", "FOCUSED"),
        *("OFF THE PHONE", "WALKING OFF", "HAT OFF, SMILING", "OFFENDED", "INVOICE OVERDUE", "NO C"),
    ],
)
def test_a_seen_speaker_has_a_shot_whatever_the_cue_contains(extension: str) -> None:
    [_, shot] = beats(f"The ferry draws away.\n\nROSA ({extension})\nGo home!\n")
    assert shot.prompt == f"medium close-up, Rosa speaking, {WHERE}"


def test_a_shot_note_opens_a_shot_with_its_framing_anywhere() -> None:
    assert prompts(
        "A lamp swings [[shot: wide]] over the table.\n\n[[shot: low angle]]\n\nSTEEL\nGo [[shot: two-shot]] home!\n"
    ) == [
        f"medium wide shot, A lamp swings, {WHERE}",
        f"wide, over the table, {WHERE}",
        f"low angle, Steel speaking, {WHERE}",
        f"two-shot, Steel speaking, {WHERE}",
    ]


def test_a_shot_note_without_text_after_it_makes_a_shot() -> None:
    lamp = "the lamp in its glass, macro, and very slowly its light goes out"
    assert [(shot.prompt, shot.duration) for shot in beats(f"[[shot: {lamp}]]\n\n[[shot: the sea]]\n")] == [
        (f"{lamp}, {WHERE}", 5.0),
        (f"the sea, {WHERE}", 1.5),
    ]


def test_a_note_in_a_heading_applies_to_the_establishing_shot() -> None:
    [shot] = shot_list_of("INT. HARBOUR - NIGHT [[shot: aerial]] [[duration: 6]]\n").shots
    assert (shot.prompt, shot.duration) == (f"aerial, {WHERE}", 6.0)


def test_notes_set_prompt_and_duration_and_other_notes_are_remarks() -> None:
    [shot] = beats("A lamp swings. [[prompt: a lamp, macro]] [[duration: 4.25]] [[Ask the DoP: sodium or LED?]]\n")
    assert (shot.prompt, shot.duration, shot.notes) == ("a lamp, macro", 4.25, "Ask the DoP: sodium or LED?")


def test_a_note_before_a_text_is_for_that_text_and_one_alone_for_the_shot_before() -> None:
    first, second = beats("A lamp swings slowly.\n\n[[alone]]\n\n[[ahead]] A door opens by itself.\n")
    assert (first.notes, second.notes) == ("alone", "ahead")


def test_a_style_holds_from_its_shot_on() -> None:
    assert prompts(
        "A lamp swings slowly.\n\n[[shot: wide]] [[style: neon]]\n\nA door opens.\n\n"
        "[[style:]]\nA bell rings twice today.\n"
    ) == [
        f"medium wide shot, A lamp swings slowly, {WHERE}",
        f"wide, A door opens, {WHERE}, neon",
        f"medium wide shot, A bell rings twice today, {WHERE}",
    ]


def test_a_characters_look_is_in_prompts_that_name_the_character() -> None:
    looks = "[[character: MEI = red coat]]\n\n[[人物：老李 = 旧斗笠]]\n\n"
    assert prompts(
        f"{looks}Mei runs along the wet pier.\n\nThe meister waits by the lamp.\n\nMEI\nWait!\n\n@老李\n好。\n"
    ) == [
        f"medium wide shot, Mei runs along the wet pier, {WHERE}, Mei: red coat",
        f"medium wide shot, The meister waits by the lamp, {WHERE}",
        f"medium close-up, Mei speaking, {WHERE}, Mei: red coat",
        "中近景，老李在说话，内景，harbour，night，老李：旧斗笠",
    ]


def test_style_and_characters_become_those_of_the_list_and_a_later_look_that_of_its_shots() -> None:
    later = "[[character: MEI = white hair]] [[style: sepia]] MEI stands there.\n\n[[prompt: only rain]] Rain falls.\n"
    whole = shot_list_of(
        f"Title: X\nStyle: ink\n\n{HEADING}[[character: Mei = red coat]]\n\nMEI and Tom run.\n\n{later}"
    )
    assert whole.style == Style(after="ink")
    assert whole.characters["Mei"].prompt == "red coat"
    *_, first, second, rain = whole.shots
    assert (first.cast, first.characters, first.style) == (("Mei",), {}, None)
    assert first.prompt.endswith("Mei: red coat, ink")
    assert (second.cast, second.characters["Mei"].prompt) == (("Mei",), "white hair")
    assert second.prompt.endswith("Mei: white hair, sepia")
    assert (rain.prompt, rain.cast) == ("only rain", ())


def test_each_reference_of_a_shot_has_its_own_id() -> None:
    [shot] = beats("A lamp. [[reference: a b.png]] [[reference: s3://b/lamp.png as ref_1]] [[参考：c.png 作为 灯]]\n")
    assert [(each.url, each.reference_id) for each in shot.references] == [
        ("a b.png", "ref_2"),
        ("s3://b/lamp.png", "ref_1"),
        ("c.png", "灯"),
    ]
    with pytest.raises(ShotListFaults, match='line 4, reference: "a": line 3 has the same'):
        shot_list_of(f"{HEADING}A lamp. [[reference: a.png as a]]\n[[reference: b.png as a]]\n")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Bang.", 1.5),
        ("word " * 12, 4.5),
        ("字" * 21, 4.0),
        ("word " * 300, 12.0),
        ("STEEL\n" + "word " * 25, 10.5),
        ("@老李\n" + "字" * 20, 5.5),
        ("STEEL\n" + "word " * 900, 60.0),
        ("STEEL\n(nods)", 1.5),
    ],
)
def test_a_shot_lasts_as_long_as_its_text(text: str, seconds: float) -> None:
    assert [shot.duration for shot in beats(f"{text}\n")] == [seconds]


def faults(text: str) -> list[str]:
    with pytest.raises(ShotListFaults) as raised:
        shot_list_of(text)
    return [str(fault) for fault in raised.value.faults]


def test_a_script_makes_at_most_five_thousand_shots() -> None:
    assert len(shot_list_of(".A\n\n" * 5_000).shots) == 5_000
    [fault] = faults(".A\n\n" * 5_001)
    assert fault == "the script: 5,001 shots: at most 5,000 can come from one script: split the script"
    assert faults(f"{HEADING}{'A[[shot]]' * 6_000}")[0].startswith("the script: 6,002 shots: ")


def test_the_repeated_text_of_prompts_is_limited() -> None:
    names = [f"N{number}" for number in range(500)]
    looks = "\n\n".join(f"[[character: {name} = {'x' * 900}]]" for name in names)
    everybody = f"{' '.join(names)}\n\n[[shot]]\n\n"
    assert len(beats(f"{looks}\n\n{everybody * 3}")) == 4
    [fault] = faults(f"{HEADING}{looks}\n\n{everybody * 30}")
    assert fault.startswith("the script: its shots' prompts and other texts: over 10,000,000 characters: shorten")


def test_a_script_that_is_too_long_is_reported_with_its_other_faults() -> None:
    twice = "A. [[reference: a as x]] [[reference: b as x]]\n\n"
    too_long, other = faults(f".A\n\n{twice}{'.A' + chr(10) * 2}" + ".A\n\n" * 5_000)
    assert too_long.startswith("the script: 5,003 shots")
    assert other.startswith("line 3, reference")


LINES = st.sampled_from(
    [
        *(
            "**INT. A**",
            "1A EXT. B 1A",
            "CLOSE ON: a lamp.",
            "ANGLE ON B",
            "INSERT",
            "MONTAGE",
            "- A lamp",
            "BACK TO SCENE",
        ),
        *("特写：灯", "插入 灯", "蒙太奇", "LATER", "OMITTED", ".OMITTED #9#", "WILL'S POV", "CU - [[shot: wide]]"),
        *(
            "INT. A - DAY",
            "EXT. B #1#",
            "内景 渔港 - 夜",
            "第2场 渔港 夜 外",
            ".X",
            "STEEL",
            "@老李（画外音）",
            "BRICK ^",
            "(softly)",
            "!A",
            "",
        ),
        *(
            "",
            "  ",
            "A lamp.",
            "灯在摇晃。",
            "*a* _b_",
            "~La",
            "> X <",
            "> X",
            "CUT TO:",
            "# I",
            "= s",
            "===",
            "/*",
            "*/",
            "[[",
            "]]",
        ),
        *(
            "[[shot: wide]]",
            "[[shot]] a",
            "a [[prompt: x]] b",
            "[[duration: 4]]",
            "[[duration: x]]",
            "[[style: y]]",
            "[[镜头：远景]]",
        ),
        *(
            "[[character: STEEL = tall]]",
            "[[reference: a.png]]",
            "[[reference: b as c]]",
            "[[reference: \u200b as d]]",
            "[[why?]]",
        ),
        *(
            "Title: X",
            "Style:",
            "FPS: 25",
            "    more",
            "\ufeff",
            "\x00\x01\x02",
            "\u2028",
            "\u200b",
            "\x000\x00",
            "#",
            "@",
            "!",
            ".",
        ),
    ]
)
scripts = st.lists(LINES | st.text(st.characters(codec="utf-8"), max_size=12), max_size=25).map("\n".join)


def shots_or_faults(content: bytes) -> list[dict[str, Any]]:
    try:
        whole = make_shot_list(read_screenplay(content, "x"))
    except ShotListFaults as raised:
        faults = raised.faults
    else:
        assert read_shot_list(whole.model_dump(mode="json", exclude_unset=True)) == whole
        return [shot.given() for shot in whole.shots]
    assert faults
    assert all(fault.remedy and "\n" not in str(fault) for fault in faults)
    return []


@given(scripts)
@example("INT. \u200b\n\n[[shot: \u200b]]\n")
@example(".A\n\n\x000\x00\n")
def test_any_text_gives_shots_that_are_in_order_or_faults(text: str) -> None:
    shots_or_faults(text.encode())


@given(st.binary(max_size=60))
def test_any_bytes_give_shots_that_are_in_order_or_faults(content: bytes) -> None:
    shots_or_faults(content)


@given(scripts, scripts)
def test_text_added_to_the_end_changes_no_id(text: str, more: str) -> None:
    before = shots_or_faults(f"{text}\n\nINT. LAST - DAY\n".encode())
    after = shots_or_faults(f"{text}\n\nINT. LAST - DAY\n\n{more}".encode())
    if before and after:
        assert [shot["shot_id"] for shot in after][: len(before)] == [shot["shot_id"] for shot in before]
