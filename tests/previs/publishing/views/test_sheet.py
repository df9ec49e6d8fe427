import html
import re
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from previs.publishing.views import FOR_FORM, contact_sheet, contact_sheets
from previs.publishing.views.strips import FOR_PAGE
from previs.publishing.views.wording import one_line, plural, shorten
from previs.records.manifest import Manifest
from previs.records.marks import Mark

MARKDOWN = MarkdownIt("commonmark").enable("table")


def sources(sheet: str) -> list[str]:
    inside = [child for token in MARKDOWN.parse(sheet) for child in token.children or []]
    tags = [child.content for child in inside if child.type == "html_inline" and child.content != "<br>"]
    return [tag.split('"')[1] for tag in tags]


def cells(row: str) -> list[str]:
    """Of a table's row, split where GitHub's markdown splits it: not at an escaped bar."""
    return re.split(r"(?<!\\)\|", row)


def test_pictures_come_in_order_with_their_slates(make: SimpleNamespace) -> None:
    colours = ["red", "green", "blue", "white"]
    frames = [make.frame(thumbnail=make.data_uri(colour)) for colour in colours]
    shots = [make.shot(f"SH{n}", takes=(make.take(frames=(frame,)),)) for n, frame in enumerate(frames)]
    sheet = contact_sheet(make.board(*shots, title="夜市"), picture=lambda frame: frame.thumbnail)
    assert sources(sheet) == [frame.thumbnail for frame in frames]
    assert sheet.startswith("# 夜市\n\n**4 shots** · 00:00:12:00 (12 s at 24 fps) · 4 rendered · 0 cached · 0 failed")
    assert "| SH0 · take 1 | SH1 · take 1 | SH2 · take 1 |" in sheet
    assert "00:00:09:00 · 3 s<br>seed 7" in sheet
    assert "left out" not in sheet


def test_a_failed_shot_stands_as_words_in_its_place_and_in_the_head(make: SimpleNamespace) -> None:
    failed = make.shot("SH2", takes=(make.failed("node 6 | failed"),), success=False)
    manifest = make.board(make.shot("SH1"), failed, make.shot("SH3", takes=()), problems=("render-02 was set aside",))
    sheet = contact_sheet(manifest, picture=lambda _: "https://a/b.png")
    row = next(line for line in sheet.splitlines() if "<img" in line)
    assert cells(row)[2:4] == [r" **FAILED** node 6 \| failed ", " **NO TAKE** "]
    assert "- Shot **SH2** lacks a frame." in sheet
    assert "- render-02 was set aside" in sheet


def test_a_skipped_shot_says_why_and_is_counted_apart(make: SimpleNamespace) -> None:
    failed = make.shot("SH1", takes=(make.failed("no room"),), success=False)
    sheet = contact_sheet(
        make.board(failed, make.shot("SH2", takes=(make.skipped("SH1"),), success=False)), picture=lambda _: None
    )
    assert "0 rendered · 0 cached · 1 failed · 1 skipped" in sheet
    assert "- Shot **SH1** lacks a frame.\n- Shot **SH2** was skipped." in sheet
    row = next(line for line in sheet.splitlines() if "FAILED" in line)
    assert cells(row)[2] == " *Skipped*<br>SH1, which it builds on, has no<br>frame "
    assert "skipped" not in contact_sheet(make.board(failed), picture=lambda _: None)


def test_of_a_picked_shot_only_the_picked_take_is_shown(make: SimpleNamespace) -> None:
    takes = tuple(make.take(n, frames=(make.frame(f"{n}.png"),)) for n in (1, 2, 3))
    shots = (make.shot("SH1", picked=2, takes=takes), make.shot("SH2", picked=1), make.shot("SH3"))
    sheet = contact_sheet(make.board(*shots), picture=lambda frame: f"https://a/{frame.key}")
    assert "| SH1 · take 2 ◉ | SH2 · take 1 ◉ | SH3 · take 1 |" in sheet
    assert sources(sheet)[0] == "https://a/frames/aa/2.png"
    assert 'alt="SH1 · take 2, picked"' in sheet
    assert [part for part in sheet.split("<br>") if "other take" in part] == [
        "2 other takes | 00:00:03:00 · 3 s",
    ]
    assert "1 other take |" in contact_sheet(make.board(make.shot(picked=1, takes=takes[:2])), picture=lambda _: None)


def test_a_picked_take_without_a_frame_is_shown_as_it_is_beside_the_others(make: SimpleNamespace) -> None:
    shot = make.shot("SH1", picked=2, takes=(make.take(1), make.failed("no room", 2)), success=False)
    sheet = contact_sheet(make.board(shot), picture=lambda _: "https://a/b.png")
    assert "| SH1 · take 2 ◉ | SH1 · take 1 |" in sheet
    assert "| **FAILED** no room | <img" in sheet
    assert "other take" not in sheet


def test_a_pass_is_shown_alone_for_its_shot_and_a_form_shows_every_take_with_the_prompt_as_given(
    make: SimpleNamespace,
) -> None:
    entry = make.shot(
        prompt="a lamp, watercolour",
        shot={"prompt": "a lamp"},
        takes=(make.take(1), make.take(2)),
        passes=(make.made_pass(),),
    )
    sheet, form = (
        contact_sheet(make.board(entry), picture=lambda _: None, layout=each) for each in (FOR_PAGE, FOR_FORM)
    )
    assert "SH010 · finish" in sheet
    assert "take 1" not in sheet
    assert all(f"SH010 · {each}" in form for each in ("take 1", "take 2", "finish"))
    assert ("watercolour" in sheet, "watercolour" in form) == (True, False)


def test_a_note_is_the_sheets_last_line_and_counts_for_its_budget(make: SimpleNamespace) -> None:
    note = "Links work until 7 Nov 2026, 17:44 UTC at the latest."
    assert contact_sheet(make.board(make.shot()), picture=lambda _: None, note=note).endswith(f"\n\n*{note}*\n")
    sheet = contact_sheet(long_board(make, 300), picture=lambda _: None, note="夜" * 400, budget=20_000)
    assert sheet.endswith("夜*\n")
    assert len(sheet.encode()) <= 20_000


def test_sequences_are_headed_with_their_lengths(make: SimpleNamespace) -> None:
    shots = [make.shot(1, sequence="A"), make.shot(2, sequence="A"), make.shot(3)]
    sheet = contact_sheet(make.board(*shots), picture=lambda _: None)
    assert "## A · 2 shots · 00:00:06:00" in sheet
    assert "## Without sequence · 1 shot · 00:00:03:00" in sheet


@pytest.mark.parametrize("address", ["javascript:x", "../a.png", "file:///a.png", "data:text/html;base64,AAAA"])
def test_an_address_that_cannot_be_shown_is_no_picture(make: SimpleNamespace, address: str) -> None:
    sheet = contact_sheet(make.board(make.shot()), picture=lambda _: address)
    assert sources(sheet) == []
    assert "*no picture*" in sheet


def test_an_address_cannot_leave_its_attribute_or_its_cell(make: SimpleNamespace) -> None:
    sheet = contact_sheet(make.board(make.shot()), picture=lambda _: "https://a/\"onerror='x'|<b>`.png")
    assert sources(sheet) == ["https://a/&quot;onerror=&#x27;x&#x27;%7C&lt;b&gt;%60.png"]


def long_board(make: SimpleNamespace, count: int) -> Manifest:
    noise = make.data_uri("", noise=True)
    shots = [
        make.shot(
            n, prompt="电影风格，广角镜头，城市夜景" * 30, takes=(make.take(frames=(make.frame(thumbnail=noise),)),)
        )
        for n in range(count)
    ]
    return make.board(*shots, problems=("a problem " * 40,) * 30)


def test_a_large_board_stays_in_its_budget_with_all_pictures_made_smaller(make: SimpleNamespace) -> None:
    sheet = contact_sheet(long_board(make, 60), picture=lambda frame: frame.thumbnail, budget=500_000)
    assert len(sheet.encode()) <= 500_000
    assert len(sources(sheet)) == 60


def test_a_board_too_large_for_all_pictures_says_how_many_are_left_out(make: SimpleNamespace) -> None:
    sheet = contact_sheet(long_board(make, 30), picture=lambda frame: frame.thumbnail, budget=50_000)
    assert len(sheet.encode()) <= 50_000
    shown = len(sources(sheet))
    assert 0 < shown < 30
    assert f"*{plural(30 - shown, 'picture')} left out" in sheet


def test_a_board_too_large_for_its_words_says_how_many_takes_are_missing(make: SimpleNamespace) -> None:
    sheet = contact_sheet(long_board(make, 300), picture=lambda _: None, budget=20_000)
    assert len(sheet.encode()) <= 20_000
    rows = sum(line.count("· take 1") for line in sheet.splitlines() if line.startswith("|"))
    assert f"*{300 - rows} more takes on the board's page.*" in sheet


def test_a_board_of_one_page_is_the_whole_sheet(make: SimpleNamespace) -> None:
    board = make.board(make.shot("SH1"), make.shot("SH2", sequence="A"))
    asked = {"picture": lambda _: "https://a/b.png", "note": "until Friday"}
    assert contact_sheets(board, link=str, **asked) == [contact_sheet(board, **asked)]


def test_a_long_sheet_is_split_into_pages_and_the_first_says_what_is_where(make: SimpleNamespace) -> None:
    frame = make.frame(thumbnail=make.data_uri("", (60, 40), noise=True))
    shots = [make.shot(f"SH{n}", sequence=f"Q{n // 20}", takes=(make.take(frames=(frame,)),)) for n in range(90)]
    pages = contact_sheets(
        make.board(*shots, title="夜市"),
        picture=lambda frame: frame.thumbnail,
        link=lambda number: f"../key/night-{number}",
        note="until Friday",
        page=200_000,
    )
    assert len(pages) == 5
    assert max(len(page.encode()) for page in pages) <= 200_000
    slates = [re.findall(r"(SH\d+) · take 1 \|", page) for page in pages]
    assert [shot for page in slates for shot in page] == [f"SH{n}" for n in range(90)]
    assert (
        f"5 pages:\n\n- This page: SH0 to {slates[0][-1]}\n- [Page 2](../key/night-2): {slates[1][0]} to " in pages[0]
    )
    assert pages[0].endswith("\n\n*until Friday*\n")
    head, _, rest = pages[1].partition("\n\n")
    assert head == "# 夜市 · page 2 of 5"
    assert rest.startswith("Board night · run r1 · 2026-10-31 17:44 UTC · pages [1](../key/night-1) **2** [3]")
    assert re.search(r"\n\n## Q\d( · continued\n\n\| SH|.* 20 shots)", pages[1])
    assert not any("left out" in page or "more take" in page for page in pages)


def test_a_picture_too_large_for_a_page_is_made_smaller_or_left_out(make: SimpleNamespace) -> None:
    large = make.frame(thumbnail=make.data_uri("", (900, 500), noise=True))
    board = make.board(*[make.shot(n, takes=(make.take(frames=(large,)),)) for n in range(4)])
    for page, shown in ((400_000, 4), (30_000, 0)):
        pages = contact_sheets(board, picture=lambda frame: frame.thumbnail, link=str, page=page)
        assert sum(map(len, map(sources, pages))) == shown
        assert max(len(each.encode()) for each in pages) <= page


TEXT = (
    st.text(max_size=60)
    | st.sampled_from(["|", "![](x)", "<script>", "`", "\n# a\n", "</td></table>", "https://evil.example"])
    | st.just("夜|" * 200)
)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8), words=TEXT, budget=st.integers(4_000, 30_000))
def test_no_text_breaks_out_of_the_sheet_or_its_budget(
    make: SimpleNamespace, texts: list[tuple[str, str, str]], words: str, budget: int
) -> None:
    shots = [
        make.shot(f"x{shot_id}", prompt=prompt, sequence=sequence or None, takes=(make.take(1), make.failed(prompt, 2)))
        for shot_id, prompt, sequence in texts
    ]
    manifest = make.board(*shots, title=words, board=f"b{words}", run=words, problems=(words, "x"))
    sheet = contact_sheet(manifest, picture=lambda _: "https://a/b.png", budget=budget)
    assert len(sheet.encode()) <= budget
    tokens = [each for token in MARKDOWN.parse(sheet) for each in (token, *(token.children or []))]
    assert not {token.type for token in tokens} & {
        "link_open",
        "image",
        "code_inline",
        "html_block",
        "fence",
        "code_block",
    }
    slates = {shorten(one_line(f"x{shot_id}"), 60) + " · take 1" for shot_id, _, _ in texts}
    tags = [token.content for token in tokens if token.type == "html_inline" and token.content not in {"<br>", "<wbr>"}]
    pictures = [re.fullmatch(r'<img src="https://a/b.png" width="240" alt="([^"<>|]*)">', tag) for tag in tags]
    assert all(pictures)
    shown = {html.unescape(picture[1]) for picture in pictures if picture}
    assert shown <= slates
    lines = [line for line in sheet.split("\n") if line.startswith("|")]
    assert len(lines) == 5 * sum(token.type == "table_open" for token in tokens)
    for place in range(0, len(lines), 5):
        assert len({len(cells(line)) for line in lines[place : place + 5]}) == 1


def test_a_take_that_frame_qc_marked_is_marked_and_counted(make: SimpleNamespace) -> None:
    marked = make.take(marks=[Mark(kind="same", detail="夜|市 · take 2")])
    sheet = contact_sheet(make.board(make.shot(1, takes=(marked,)), make.shot(2)), picture=lambda _: None)
    assert "0 failed · 1 marked by QC" in sheet
    assert "seed 7<br>**same picture as 夜\\|市 · take 2**" in sheet
    assert sheet.count("same picture") == 1
