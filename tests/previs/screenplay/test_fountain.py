"""Check that Fountain is read according to https://fountain.io/syntax, in English and in Chinese."""

import pytest

from previs.errors import ShotListFaults
from previs.screenplay import LARGEST, read_screenplay
from previs.screenplay.models import Element, Note, Passage, Screenplay, Speech

HEADING = "INT. HARBOUR - NIGHT\n\n"
LOOKS = "the name and what the character looks like, such as MEI = a girl of ten in a red coat"


def read(text: str) -> Screenplay:
    return read_screenplay(text.encode(), "harbour.fountain")


def elements(text: str) -> tuple[Element, ...]:
    """Return the elements after a heading."""
    [scene] = read(HEADING + text).scenes
    return scene.elements


def faults(content: str | bytes) -> list[str]:
    with pytest.raises(ShotListFaults) as raised:
        read_screenplay(content.encode() if isinstance(content, str) else content, "harbour.fountain")
    assert raised.value.source == "harbour.fountain"
    return [str(fault) for fault in raised.value.faults]


@pytest.mark.parametrize(
    ("line", "heading", "number"),
    [
        (".SNIPER SCOPE POV", "SNIPER SCOPE POV", ""),
        (".内景 渔港 - 夜", "内景 渔港 - 夜", ""),
        ("EST. THE ISLAND", "EST. THE ISLAND", ""),
        ("I/E. CAR - DAY", "I/E. CAR - DAY", ""),
        ("INT HOUSE - DAY", "INT HOUSE - DAY", ""),
        ("INT. HOUSE - DAY #1#", "INT. HOUSE - DAY", "1"),
        ("INT. HOUSE - DAY - FLASHBACK (1944) #110A#", "INT. HOUSE - DAY - FLASHBACK (1944)", "110A"),
        ("INT./EXT. RONNA'S CAR - NIGHT #I-1-A#", "INT./EXT. RONNA'S CAR - NIGHT", "I-1-A"),
        ("ext. **brick's** pool - day #1.#", "ext. brick's pool - day", "1."),
        ("内. 驾驶舱 - 夜", "内. 驾驶舱 - 夜", ""),
        ("内景 渔港 夜", "内景 渔港 夜", ""),
        ("外景：渔港，黎明 #3#", "外景：渔港，黎明", "3"),
        ("第12场 渔港 夜 外", "渔港 夜 外", "12"),
        ("第三场 渔港 夜 外", "渔港 夜 外", ""),
        ("**INT. HOUSE - DAY**", "INT. HOUSE - DAY", ""),
        ("_**EXT. HOUSE - DAY**_ #2#", "EXT. HOUSE - DAY", "2"),
        ("**1. INT. HOUSE - DAY**", "INT. HOUSE - DAY", "1"),
        ("1A INT. HOUSE - DAY 1A", "INT. HOUSE - DAY", "1A"),
        ("A12) I/E. CAR", "I/E. CAR", "A12"),
        ("Scene 4: EXT. HOUSE - DAY 2", "EXT. HOUSE - DAY 2", "4"),
        ("3. INT. HOUSE #3B#", "INT. HOUSE", "3B"),
        ("1、内景 渔港 - 夜", "内景 渔港 - 夜", "1"),
        ("1-2 渔港 夜 外", "渔港 夜 外", "1-2"),
    ],
)
def test_a_heading_begins_a_scene(line: str, heading: str, number: str) -> None:
    [scene] = read(f"{line}\n\nA lamp.\n").scenes
    assert (scene.heading, scene.number) == (heading, number)
    assert scene.elements == (Passage("action", "A lamp.", 3),)


@pytest.mark.parametrize(
    "line",
    [
        "...and then nothing.",
        "INTERNAL AFFAIRS ARRIVE.",
        "Exterior design is a career.",
        ". a dot and a blank",
        "内心的声音。",
        "外面下着雨。",
        "2 Interior designers arrive.",
        "3 个人站在屋 外",
        "1984. A year.",
        "第三场雨来了。",
        "外景：" + "工人们正在拆除布景，" * 6,
    ],
)
def test_a_line_that_only_begins_like_a_heading_is_action(line: str) -> None:
    assert elements(f"{line}\n") == (Passage("action", line, 3),)


def test_lines_without_a_blank_line_between_make_one_paragraph() -> None:
    assert elements("A lamp\nswings.\n\n灯在\n摇晃。\n") == (
        Passage("action", "A lamp swings.", 3),
        Passage("action", "灯在摇晃。", 6),
    )


def test_a_heading_that_is_forced_needs_no_blank_line_before_it() -> None:
    first, second = read(f"{HEADING}A lamp.\nEXT. is a word.\n.THE PIER\n").scenes
    assert first.elements == (Passage("action", "A lamp. EXT. is a word.", 3),)
    assert second.heading == "THE PIER"


def test_an_exclamation_mark_forces_action() -> None:
    assert elements("!SCANNING THE AISLES...\nWhere is he?\n") == (
        Passage("action", "SCANNING THE AISLES... Where is he?", 3),
    )


@pytest.mark.parametrize(
    ("text", "speech"),
    [
        ("STEEL\nGo home!", Speech("STEEL", "Go home!", 3)),
        ("ÉLODIE\nRentrez !", Speech("ÉLODIE", "Rentrez !", 3)),
        ("ЛЕНА\nДомой!", Speech("ЛЕНА", "Домой!", 3)),
        ("R2D2\nBeep.", Speech("R2D2", "Beep.", 3)),
        ("@McAVOY\nGo home!", Speech("McAVOY", "Go home!", 3)),
        ("@老李\n（低声）回家\n去吧！", Speech("老李", "回家去吧！", 3, manner="低声")),
        ("@老李（画外音）\n回家。", Speech("老李", "回家。", 3, extension="画外音")),
        ("MOM (O. S.) (cont'd)\nLuke!", Speech("MOM", "Luke!", 3, extension="O. S., cont'd")),
        ("STEEL\n(beer raised)\nTo retirement.", Speech("STEEL", "To retirement.", 3, manner="beer raised")),
        ("BRICK ^\nScrew retirement.", Speech("BRICK", "Screw retirement.", 3, dual=True)),
        ("DAN\nFour.\n  \nAND THREE.", Speech("DAN", "Four. AND THREE.", 3)),
        ("SINGER\n~La la", Speech("SINGER", "La la", 3)),
        ("STEEL\n/* struck\nout */\nGo home!", Speech("STEEL", "Go home!", 3)),
    ],
)
def test_a_name_in_capitals_or_after_an_at_sign_speaks(text: str, speech: Speech) -> None:
    assert elements(f"{text}\n\nA lamp.\n")[0] == speech


@pytest.mark.parametrize(
    "text", ["STEEL\n\nGo home!", "1984\nA year.", "Steel\ngoes.", "李\n走。", "!STEEL\ngoes.", "@\ngoes."]
)
def test_a_name_without_speech_or_capitals_is_no_cue(text: str) -> None:
    assert all(isinstance(element, Passage) for element in elements(text))


@pytest.mark.parametrize(
    ("text", "passage"),
    [
        ("CUT TO:", Passage("transition", "CUT TO:", 3)),
        ("**CUT TO:**", Passage("transition", "CUT TO:", 3)),
        ("CUT TO BLACK.", Passage("transition", "CUT TO BLACK.", 3)),
        ("MATCH CUT:", Passage("transition", "MATCH CUT:", 3)),
        ("SMASH-CUT TO:", Passage("transition", "SMASH-CUT TO:", 3)),
        ("FADE OUT.", Passage("transition", "FADE OUT.", 3)),
        ("> Burn to white.", Passage("transition", "Burn to white.", 3)),
        ("切至：", Passage("transition", "切至：", 3)),
        ("> THE END <", Passage("centred", "THE END", 3)),
        ("~Willy Wonka!", Passage("lyrics", "Willy Wonka!", 3)),
        ("= They meet.", Passage("synopsis", "They meet.", 3)),
    ],
)
def test_other_elements_are_not_action(text: str, passage: Passage) -> None:
    assert elements(f"{text}\n\nA lamp.\n") == (passage, Passage("action", "A lamp.", 5))


def test_sections_page_breaks_and_struck_out_text_are_skipped() -> None:
    assert elements("# Act I\n\n===\n\n/*\nEXT. NOWHERE - DAY\n\nGone.\n*/\n\nA /* red */lamp.\n") == (
        Passage("action", "A lamp.", 13),
    )


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("*a* **b** ***c*** _d_", "a b c d"),
        ("_under **bold**_", "under bold"),
        ("\\*not\\* 5 * 3 * 2", "*not* 5 * 3 * 2"),
        ("file_name_here", "file_name_here"),
        ("a * lone star", "a * lone star"),
        ("_灯_在**摇晃**", "灯在摇晃"),
    ],
)
def test_emphasis_is_removed_and_other_asterisks_are_kept(written: str, read_as: str) -> None:
    assert elements(f"{written}\n") == (Passage("action", read_as, 3),)


def test_a_note_keeps_its_position_in_the_text() -> None:
    assert elements(
        "[[duration: 4]] A lamp [[why?]] swings.\n\n[[shot: wide,\n  \nlow angle]]\n\nSTEEL\n[[loud]]\nGo!\n"
    ) == (
        Note("duration", "4", 3, seconds=4.0, ahead=True),
        Passage("action", "A lamp", 3),
        Note("remark", "why?", 3),
        Passage("action", "swings.", 3, continues=True),
        Note("shot", "wide, low angle", 5),
        Note("remark", "loud", 10, ahead=True),
        Speech("STEEL", "Go!", 9),
    )


def test_a_note_on_a_line_of_its_own_belongs_to_the_text_that_it_touches() -> None:
    assert elements("[[prompt: x]]\nA lamp.\n[[duration: 2 s]]\n\n[[alone]]\n\nA door.") == (
        Note("prompt", "x", 3, ahead=True),
        Passage("action", "A lamp.", 4),
        Note("duration", "2 s", 5, seconds=2.0),
        Note("remark", "alone", 7),
        Passage("action", "A door.", 9),
    )


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_line_of_fewer_than_two_spaces_leaves_a_note_open(blank: str) -> None:
    [fault] = faults(f"{HEADING}A [[note\n{blank}\nand its end]]\n")
    assert fault.startswith("line 3: [[: this note is not closed")


def test_a_title_page_may_have_values_on_several_lines_and_keys_in_chinese() -> None:
    english = read(
        f"Title:\n    _**THE LAST**_\n    FERRY\nAuthor: A. B.\nDraft date:\nFPS: 25\nStyle: ink\n\n{HEADING}"
    )
    assert (english.title, english.style, english.fps) == ("THE LAST FERRY", "ink", 25.0)
    assert [scene.line for scene in english.scenes] == [9]
    chinese = read(f"片名：渔港的灯\n风格：水墨\n\n{HEADING}")
    assert (chinese.title, chinese.style, chinese.fps) == ("渔港的灯", "水墨", 24.0)


@pytest.mark.parametrize(
    "line", ["FADE IN:", "He opens the card: a threat.", "牌子上写着：渔港", "INT. HOUSE - 3:00 PM"]
)
def test_a_script_may_begin_without_a_title_page(line: str) -> None:
    script = read(f"{line}\n\n{HEADING}A lamp.\n")
    assert script.title == ""
    assert script.scenes[0].line == 1


def test_text_before_the_first_heading_is_a_scene_without_a_heading() -> None:
    first, second = read(f"A lamp.\n\n{HEADING}A door.\n").scenes
    assert (first.heading, first.elements) == ("", (Passage("action", "A lamp.", 1),))
    assert second.heading == "INT. HARBOUR - NIGHT"


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_line_ends_and_byte_order_marks_make_no_difference(ends: str, encoding: str) -> None:
    text = "Title: 渔港\n\n内景 渔港\n\n@老李\n你好。\n"
    there = read_screenplay(text.replace("\n", ends).encode(encoding), "x")
    assert there == read_screenplay(text.encode(), "x")


def test_every_fault_is_reported_with_its_line() -> None:
    script = (
        "Title: X\nFPS: fast\n\nINT. A #1#\n\n[[duration: long]] A lamp.\n\n[[prompt:]]\n\n[[character: MEI]]\n\n"
        "[[reference: \u200b]]\n\nEXT. B #1#\n\nA [[note\n\nand a door.\n\n/* gone\n"
    )
    assert faults(script) == [
        'line 2, fps: "fast": frames per second, a number above 0 and at most 1000, such as 24',
        'line 6, duration: "long": seconds, a number above 0 and at most 86400, such as 4 or 2.5',
        "line 8, prompt: this note has nothing after its colon",
        f'line 10, character: "MEI": {LOOKS}',
        "line 12, reference: this note has nothing after its colon",
        "line 14, scene number: 1: line 4 has the same: each scene needs its own",
        "line 16: [[: this note is not closed: put ]] at its end, before the next blank line",
        "line 20: /*: this struck-out text is not closed: put */ at its end",
    ]


@pytest.mark.parametrize("seconds", ["0", "-1", "1e3", "9" * 400, "86401", "٣", "4 minutes", "."])
def test_an_invalid_duration_is_a_fault(seconds: str) -> None:
    [fault] = faults(f"{HEADING}[[duration: {seconds}]]\n")
    assert fault.startswith("line 3, duration: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty: there is no scene"),
        (b"\n \n", "empty: there is no scene"),
        (b"Title: X\n", "the script: text, 9 bytes: there is no scene"),
        ("只有一段话。".encode(), "the script: text, 18 bytes: there is no scene"),
        (b"INT. A\n\n\xff", "line 3: not UTF-8: save the script as UTF-8"),
        (b"\xff\xfeA", "not UTF-16-LE"),
        (b"%PDF-1.7", "a PDF: export the script as Fountain"),
        (b"PK\x03\x04", "a file of a word processor or of Fade In"),
        (b"A" * (LARGEST + 1), "at most 2 MB are read"),
    ],
)
def test_input_that_is_no_script_is_one_fault(content: bytes, expected: str) -> None:
    [fault] = faults(content)
    assert expected in fault


@pytest.mark.parametrize(
    "script",
    [
        f"Title: X\n\nINT. A\n\n[[style: {'x' * 1001}]]",
        f"Title: X\nStyle: {'x' * 1001}",
        f"[[character: A = {'x' * 1001}]]",
    ],
)
def test_text_that_every_prompt_repeats_is_limited(script: str) -> None:
    assert "at most 1000 characters" in faults(f"{script}\n\n{HEADING}")[0]


def test_a_great_many_faults_are_counted() -> None:
    with pytest.raises(ShotListFaults) as caught:
        read(HEADING + "[[\n\n" * 300)
    assert (len(caught.value.faults), caught.value.more) == (50, 250)
