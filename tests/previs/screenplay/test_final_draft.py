"""Check that Final Draft files are read, and that their XML cannot expand."""

import time
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.screenplay import LARGEST, LARGEST_FILE, make_shot_list, read_screenplay
from previs.screenplay.models import Note, Passage, Screenplay, Speech
from previs.shots import Shot, read_shot_list

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n<FinalDraft DocumentType="Script" Version="5">\n'
HEADING = (
    '<Paragraph Number="12A" Type="Scene Heading"><SceneProperties Length="1/8"/>'
    "<Text>EXT. PIER - DAWN</Text></Paragraph>"
)
TITLE_PAGE = (
    "<TitlePage><Content><Paragraph><Text/></Paragraph><Paragraph Alignment='Center'><Text Style='Bold'>The Last "
    "Ferry</Text></Paragraph><Paragraph><Text>by A. B.</Text></Paragraph><Paragraph><Text>Style: ink</Text></Paragraph>"
    "<Paragraph><Text>FPS: 25</Text></Paragraph></Content></TitlePage>"
)


def lines(*paragraphs: tuple[str, str]) -> str:
    return "\n".join(f'<Paragraph Type="{kind}"><Text>{escape(text)}</Text></Paragraph>' for kind, text in paragraphs)


def document(content: str, more: str = "") -> bytes:
    return f"{HEAD}<Content>{HEADING}\n{content}</Content>{more}</FinalDraft>".encode()


def read(content: str, more: str = "") -> Screenplay:
    return read_screenplay(document(content, more), "film.fdx")


def shots(content: str, more: str = "") -> tuple[Shot, ...]:
    return make_shot_list(read(content, more)).shots


def faults(content: bytes) -> list[str]:
    with pytest.raises(ShotListFaults) as raised:
        read_screenplay(content, "film.fdx")
    return [str(fault) for fault in raised.value.faults]


SPEECH = (("Character", "MEI (O.S.)"), ("Parenthetical", "(softly)"), ("Dialogue", "Wait!"), ("Dialogue", "There."))


def test_each_type_of_paragraph_is_what_it_says() -> None:
    [scene] = read(
        lines(("Action", "5 * 3 * 2 _lamps_ & more"), *SPEECH, ("Transition", "CUT TO:"), ("General", "Rain."))
        + lines(("Lyrics", "La"), ("New Act", "ACT TWO"), ("Shot", "BACK TO SCENE"), ("Whatever", "It ends."))
    ).scenes
    assert (scene.heading, scene.number, scene.line) == ("EXT. PIER - DAWN", "12A", 3)
    assert [(type(each).__name__, each.text) for each in scene.elements] == [
        ("Passage", "5 * 3 * 2 _lamps_ & more"),
        ("Speech", "Wait! There."),
        *(("Passage", text) for text in ("CUT TO:", "Rain.", "La", "BACK TO SCENE", "It ends.")),
    ]
    assert scene.elements[1] == Speech("MEI", "Wait! There.", 5, "O.S.", "softly")
    assert [each.kind for each in scene.elements if isinstance(each, Passage)] == [
        *("action", "transition", "action", "lyrics", "transition", "action")
    ]


def test_the_same_script_gives_the_same_shots_as_in_fountain() -> None:
    fountain = (
        "Title: The Last Ferry\nStyle: ink\nFPS: 25\n\nEXT. PIER - DAWN #12A#\n\nFog lies on the black water.\n\n"
        "MEI\n(softly)\nWait!\n\nTOM (V.O.)\nNo.\n\nCLOSE ON MEI\n\nShe turns.\n\n"
        "MONTAGE - RAIN\n\n- A mast\n- A bell\n\nEND OF MONTAGE\n\n"
        "[[duration: 4]] It ends.\n\nCUT TO:\n"
    )
    content = lines(
        ("Action", "Fog lies on the black water."),
        *(("Character", "MEI"), ("Parenthetical", "(softly)"), ("Dialogue", "Wait!")),
        *(("Character", "TOM (V.O.)"), ("Dialogue", "No."), ("Shot", "CLOSE ON MEI"), ("Action", "She turns.")),
        *(("Action", "MONTAGE - RAIN"), ("Action", "- A mast"), ("Action", "- A bell"), ("Action", "END OF MONTAGE")),
        *(("Action", "[[duration: 4]] It ends."), ("Transition", "CUT TO:")),
    )
    whole = make_shot_list(read(content, TITLE_PAGE))
    assert whole == make_shot_list(read_screenplay(fountain.encode(), "film.fountain"))
    assert (whole.title, whole.fps, len(whole.shots)) == ("The Last Ferry", 25, 7)


def test_speeches_at_once_are_one_shot() -> None:
    speeches = lines(("Character", "MEI"), ("Dialogue", "No."), ("Character", "TOM"), ("Dialogue", "Yes."))
    dual = f"<Paragraph><DualDialogue>{speeches}</DualDialogue></Paragraph>"
    assert len(shots(speeches)) == 3
    assert [shot.dialogue for shot in shots(dual)] == [None, "MEI: No.\nTOM: Yes."]


def test_notes_direct_and_struck_out_text_is_skipped() -> None:
    note = "<ScriptNote ID='1'><Paragraph><Text>shot: low angle</Text></Paragraph></ScriptNote>"
    content = (
        f"<Paragraph Type='Action'>{note}<Text>A </Text><Text Style='Bold+Strikeout'>red </Text><Text>lamp.</Text>"
        "</Paragraph>"
    )
    [scene] = read(content).scenes
    assert scene.elements == (Note("shot", "low angle", 4, ahead=True), Passage("action", "A lamp.", 4))
    assert shots(content)[1].prompt == "low angle, A lamp, exterior, pier, dawn"


def test_omitted_scenes_keep_their_place_and_give_no_shot() -> None:
    omitted = (
        "<Paragraph Type='Scene Heading' Number='13'><Text>OMITTED</Text><OmittedScene><Paragraph Type='Action'>"
        "<Text>Gone.</Text></Paragraph></OmittedScene></Paragraph><Paragraph Type='Scene Heading'><Text>INT. HUT"
        "</Text></Paragraph>"
    )
    assert [shot.label for shot in shots(omitted)] == ["SQ12A_SH010", "SQ030_SH010"]


def test_faults_have_the_lines_of_the_file() -> None:
    content = lines(("Action", "A lamp. [[duration: long]]"), ("Action", "[[ open"), ("Scene Heading", "INT. A #12A#"))
    assert [each.partition(": ")[0] for each in faults(document(content))] == [
        "line 4, duration",
        "line 5",
        "line 6, scene number",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (document("</Paragraph>"), "line 4: mismatched tag: this is not valid XML"),
        (b"<?xml version='1.0'?><plist/>", "XML, 29 bytes: XML, but not of Final Draft"),
        (b"<?xml version='1.0'?><FinalDraft/>", "XML, 34 bytes: there is no scene"),
        (document("\xff").replace("\xff".encode(), b"\xff"), "line 4: not UTF-8: save the script as UTF-8"),
        (document("&lol;"), "line 4: undefined entity"),
        (
            document("").replace(b"<FinalDraft ", b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>\n<FinalDraft ", 1),
            "line 2: a doc",
        ),
        (document(lines(("Action", "x" * LARGEST))), "at most 2,000,000 characters are read"),
        (document(" " * LARGEST_FILE), "at most 20 MB are read"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_script_or_too_large_is_one_fault(content: bytes, expected: str) -> None:
    [fault] = faults(content)
    assert expected in fault


KINDS = (
    "Scene Heading",
    "Action",
    "Character",
    "Parenthetical",
    "Dialogue",
    "Transition",
    "Shot",
    "General",
    "Lyrics",
    "",
)
TEXTS = (
    "INT. A",
    "OMITTED",
    "MEI (V.O.)",
    "(softly)",
    "CLOSE ON",
    "MONTAGE",
    "- A\n- B",
    "[[shot]]",
    "[[x",
    "/*",
    "",
    "灯",
    "^",
)
paragraphs = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(TEXTS) | st.text(max_size=8)), max_size=15)


@given(paragraphs, st.booleans())
def test_any_paragraphs_give_shots_in_order_or_faults(given_paragraphs: list[tuple[str, str]], dual: bool) -> None:  # noqa: FBT001
    visible = [
        (kind, "".join(each for each in text if each.isprintable() or each == "\n")) for kind, text in given_paragraphs
    ]
    content = lines(*visible)
    try:
        whole = make_shot_list(
            read(f"<Paragraph><DualDialogue>{content}</DualDialogue></Paragraph>" if dual else content)
        )
    except ShotListFaults as raised:
        found = raised.faults
    else:
        assert read_shot_list(whole.model_dump(mode="json", exclude_unset=True)) == whole
        return
    assert all(fault.remedy for fault in found)


def test_entities_are_refused_before_they_expand() -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    content = f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">{entities}]><FinalDraft>&l11;</FinalDraft>'
    started = time.process_time()
    assert faults(content.encode()) == [
        "line 1: a document type declaration: a script needs none: save it in Final Draft again"
    ]
    assert time.process_time() - started < 1


@pytest.mark.parametrize(("encoding", "named"), [("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-8", "UTF-o")])
def test_the_bytes_tell_the_encoding_and_not_the_name_in_the_file(encoding: str, named: str) -> None:
    text = document(lines(("Action", "灯"))).decode().replace("UTF-8", named)
    assert read_screenplay(text.encode(encoding), "film.fdx").scenes[0].elements == (Passage("action", "灯", 4),)


def test_deep_nesting_is_read_in_linear_time() -> None:
    deep = "<a>" * 300_000 + "</a>" * 300_000
    started = time.process_time()
    assert len(read(deep).scenes) == 1
    assert time.process_time() - started < 5
