import re
from datetime import UTC, datetime, timedelta, timezone
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from previs.publishing.views.wording import (
    calendar,
    cell,
    clean,
    inline,
    language,
    moment,
    one_line,
    seconds_between,
    server_name,
    shorten,
    wrapped,
)

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKS = ["|", "`", "```", "<script>", "</td>", "![", "](", ")", "[a](javascript:x)", "**", "__", "~~", "\\\\", "#"]
MARKS += ["-", ">", "1.", "---", "&lt;", "&#124;", "<http://a.b>", "夜", "a", "<!--", "$$"]
HOSTILE = st.lists(st.sampled_from([*MARKS, "\n", "\r\n", " ", "\x00", "\u2028"]) | st.text(max_size=4)).map("".join)
PARTS = ("table", "thead", "tbody", "tr", "th", "td", "paragraph")


def tokens(markdown: str) -> list[Token]:
    found = []
    for token in MARKDOWN.parse(markdown):
        found.append(token)
        found.extend(token.children or [])
    return found


@given(HOSTILE)
def test_hostile_text_reads_as_itself_in_a_table_cell_and_makes_nothing_else(text: str) -> None:
    parsed = tokens(f"| head |\n| :-- |\n| x {inline(text, 10**6)} |\n\nend\n")
    kinds = {token.type for token in parsed if token.content != "<wbr>" and token.type not in {"text", "text_special"}}
    assert kinds == {"inline", *(f"{part}_{end}" for part in PARTS for end in ("open", "close"))}
    body = [token for token in parsed if token.type == "inline"][1]
    shown = unescape(MARKDOWN.renderer.render(body.children or [], MARKDOWN.options, {}))
    assert shown.replace("<wbr>", "").split() == ["x", *one_line(text).split()]


@given(HOSTILE)
def test_a_table_artifacts_cell_makes_neither_link_nor_image_nor_code_nor_tag(text: str) -> None:
    made = {token.type for token in tokens(f"| head |\n| :-- |\n| x {cell(text)} |\n")}
    assert not made & {"link_open", "image", "code_inline", "html_inline", "html_block", "fence"}
    assert "\n" not in cell(text)


def test_a_table_artifacts_cell_leaves_common_text_alone() -> None:
    assert cell("render-01:8188 failed: node_6 (夜景), s3://b/k") == "render-01:8188 failed: node_6 (夜景), s3://b/k"
    assert cell("http://render-01:8188 failed") == "http：//render-01:8188 failed"


# What Prefect's UIs make a link of, in any text that nothing divides.
LINKIFIED = re.compile(r"(https?|ftp)://|www\.|[\w.+-]@[\w-]", re.IGNORECASE)
LINKS = ["https://evil.example/a_b", "HTTP://x", "ftp://x", "xhttps://x", "www.evil.example", "WWW.x", "a_b@c.example"]


@given(st.lists(st.sampled_from([*LINKS, " ", "*", "_", "夜", "www", ".", "@", "a", "http", "://"])).map("".join))
def test_no_text_holds_what_a_page_would_make_a_link_of(text: str) -> None:
    assert not LINKIFIED.search(cell(text, 10**6))
    parts = [token.content for token in tokens(f"x {inline(text, 10**6)}") if token.type == "inline"]
    assert not [part for part in re.split("<wbr>", parts[0].replace("\\", "")) if LINKIFIED.search(part)]


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_can_always_be_written(text: str) -> None:
    clean(text).encode()
    one_line(text).encode()
    inline(text).encode()


@given(st.text(), st.integers(1, 30))
def test_shortened_text_keeps_its_limit_and_says_that_it_was_cut(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text or short.endswith("…")


@pytest.mark.parametrize(
    ("text", "lang"),
    [("a lamp", None), ("电影风格 35mm", "zh"), ("夜の街", "ja"), ("밤 거리", "ko"), ("ночь", ""), ("café", "")],
)
def test_the_language_of_a_prompt_follows_from_its_script(text: str, lang: str | None) -> None:
    assert language(text) == lang


def test_a_time_is_shown_in_utc() -> None:
    there = datetime(2026, 10, 31, 2, 5, tzinfo=timezone(timedelta(hours=8)))
    assert moment(there) == "2026-10-30 18:05 UTC"
    assert moment(datetime(2026, 10, 31, 2, 5, tzinfo=UTC).replace(tzinfo=None)) == "2026-10-31 02:05"


@given(st.datetimes(timezones=st.none() | st.timezones()), st.datetimes(timezones=st.none() | st.timezones()))
def test_the_seconds_between_any_two_times_can_be_computed(start: datetime, end: datetime) -> None:
    assert moment(start)
    assert calendar(end)
    assert seconds_between(start, end) == -seconds_between(end, start)


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=-12)), timezone(timedelta(hours=12))])
def test_the_earliest_and_latest_times_can_be_shown(zone: timezone) -> None:
    for when in (datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)):
        assert moment(when).endswith(" UTC")
        assert calendar(when).endswith(" UTC")


def test_a_naive_time_counts_as_utc_beside_another() -> None:
    naive = datetime(2026, 11, 1, 7, 12, tzinfo=UTC).replace(tzinfo=None)
    assert seconds_between(naive, datetime(2026, 11, 1, 7, 13, tzinfo=UTC)) == 60


def test_a_day_is_written_as_people_write_it() -> None:
    there = datetime(2026, 11, 1, 7, 12, tzinfo=timezone(timedelta(hours=8)))
    assert calendar(there) == "31 Oct 2026, 23:12 UTC"
    assert calendar(datetime(2026, 11, 1, 7, 12, tzinfo=UTC).replace(tzinfo=None)) == "1 Nov 2026, 07:12"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://render-01:8188", "render-01:8188"),
        ("https://user:pa@ss@gpu.example/comfy?token=x", "gpu.example"),
        ("http://[::1]:8188/", "[::1]:8188"),
        ("http://[", "["),
        ("", ""),
    ],
)
def test_a_server_is_named_without_credentials_and_path(address: str, name: str) -> None:
    assert server_name(address) == name


def test_a_long_text_is_broken_into_lines_by_the_width_of_its_characters() -> None:
    assert wrapped("一二三四五 six seven", columns=10, lines=3) == "一二三四五<br>six seven"
    assert wrapped("a_b", columns=10, lines=3) == r"a\_b"
    assert wrapped("one two three four", columns=8, lines=2) == "one two<br>three …"
    assert wrapped("", columns=8, lines=2) == ""
