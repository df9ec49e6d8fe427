import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.publishing.views import FrameLinks, Since, page, since
from previs.publishing.views.addresses import for_page
from previs.records.manifest import Manifest
from previs.records.marks import Mark, Retried
from previs.records.takes import Frame

VOID = {"meta", "img", "input"}
KINDS: dict[Any, str] = {
    "black": "",
    "grey": "#7f7f7f",
    "blank": "#002040",
    "frozen": "",
    "aspect": "1024×1024 / 16:9",
    "same": "甲 · take 1",
}


class Reader(HTMLParser):
    """All elements of a page, as (name, attributes), its text, and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs))
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def beside(frame: Frame) -> FrameLinks:
    return FrameLinks(f"../../../{frame.key}", f"../../../{frame.key}")


def read(manifest: Manifest, **fields: object) -> Reader:
    reader = Reader(page(manifest, **({"links": beside} | fields)))
    assert reader.open == []
    return reader


def text_of(reader: Reader) -> str:
    return " ".join(" ".join(reader.words).split())


def test_a_page_shows_frames_in_order_with_their_slates(make: SimpleNamespace) -> None:
    shots = [make.shot(f"SH{n}", takes=(make.take(frames=(make.frame(f"{n}.png"),), seed=n),)) for n in (10, 20, 30)]
    reader = read(make.board(*shots, title="夜市"), note="Links work until tomorrow.")
    pictures = [image for image in reader.all("img") if image.get("src")]
    assert [image["src"] for image in pictures] == [f"../../../frames/aa/{n}.png" for n in (10, 20, 30)]
    assert all((image["width"], image["height"]) == ("1024", "576") for image in pictures)
    assert pictures[1]["alt"] == "Shot SH20, take 1: a lamp"
    result = text_of(reader)
    assert "00:00:09:00" in result
    assert "Links work until tomorrow." in result
    assert re.search(
        r"SH20 begins at 00:00:03:00 3 s · 72 frames Take 1 rendered seed 20 · 12\.34 s on render-01:8188", result
    )


def test_a_failed_shot_has_a_slate_with_its_error_and_a_link_in_the_head(make: SimpleNamespace) -> None:
    failed = make.shot("SH20", takes=(make.failed("out <of> memory"),), success=False)
    reader = read(make.board(make.shot(), failed, problems=("render-02 was set aside",)))
    result = text_of(reader)
    assert "Failed out <of> memory" in result
    assert "Some shots lack a frame Failed: SH20 Notices of the run 1 render-02 was set aside" in result
    assert {"href": "#shot-2"} in reader.all("a")


def test_a_skipped_shot_is_listed_with_its_reason_and_not_among_the_failed(make: SimpleNamespace) -> None:
    failed = make.shot("SH20", takes=(make.failed("no room"),), success=False)
    skipped = [make.shot(name, takes=(make.skipped("SH20"),), success=False) for name in ("SH30", "SH40")]
    reader = read(make.board(failed, *skipped))
    result = text_of(reader)
    assert "Some shots lack a frame Failed: SH20 Skipped, because a shot that they build on" in result
    assert "build on has no frame: SH30 , SH40" in result
    assert "Notices of the run" not in result
    assert "Skipped SH20, which it builds on, has no frame" in result
    assert "failed 1 skipped 2" in result
    assert [div["class"] for div in reader.all("div") if "stage" in (div.get("class") or "")] == [
        "stage missing",
        "stage missing skipped",
        "stage missing skipped",
    ]
    assert [bar.get("class") for bar in reader.all("rect")] == ["bad", "skipped", "skipped"]


def test_a_picked_take_stands_first_with_its_number_in_a_circle(make: SimpleNamespace) -> None:
    reader = read(make.board(make.shot(picked=12, takes=(make.take(1), make.take(12)))))
    assert re.search(r"Take 12 picked rendered seed 7 .* 1 other take Take 1 rendered seed 7", text_of(reader))
    assert [span for span in reader.all("span") if span.get("class") == "circled"] == [{"class": "circled"}]
    assert "picked" not in text_of(read(make.board(make.shot())))


def test_how_a_take_was_made_and_what_failed_before_are_folded(make: SimpleNamespace) -> None:
    take = make.take(comfyui="0.3.64", waiting=4.2, uploading=0.3, attempts=(make.attempt("显存不足"),) * 2)
    reader = read(make.board(make.shot(takes=(take,))))
    assert reader.all("details") == [{}]
    assert re.search(
        r"rendered · 2 failed attempts before seed 7 · 12\.34 s on render-01:8188 · waited 4\.2 s · "
        r"frames stored in 0\.3 s · ComfyUI 0\.3\.64 2026-10-31 17:41 UTC on render-02:8188 显存不足",
        text_of(reader),
    )


def test_a_failed_take_lists_all_its_attempts(make: SimpleNamespace) -> None:
    attempts = tuple(make.attempt(error) for error in ("first", "second"))
    take = make.failed("second").model_copy(update={"attempts": attempts})
    result = text_of(read(make.board(make.shot(success=False, takes=(take,)))))
    assert re.search(r"Failed second .* 2 failed attempts .* first .* second", result)


def test_takes_of_one_shot_stand_side_by_side(make: SimpleNamespace) -> None:
    reader = read(make.board(make.shot(takes=(make.take(1), make.failed("no", 2), make.take(3)))))
    assert [shot["class"] for shot in reader.all("article")] == ["shot wide wide3"]
    assert len(reader.all("figure")) == 3


def test_films_and_sounds_have_players(make: SimpleNamespace) -> None:
    film = make.frame("a.mp4", "video/mp4", thumbnail=make.data_uri("red"), duration=4.04, frame_rate=23.976)
    reader = read(make.board(make.shot(takes=(make.take(frames=(film, make.frame("b.flac", "audio/flac"))),))))
    (video, *_), (audio,) = reader.all("video"), reader.all("audio")
    assert (video["src"], video["poster"]) == ("../../../frames/aa/a.mp4", film.thumbnail)
    assert "controls" in video
    assert "4.0 s · 1024×576 · 23.98 fps" in " ".join(reader.words)
    assert (audio["src"], "controls" in audio) == ("../../../frames/aa/b.flac", True)


def test_a_private_stores_page_holds_each_picture_once(make: SimpleNamespace) -> None:
    thumbnail = make.data_uri("red")
    manifest = make.board(make.shot(takes=(make.take(frames=(make.frame(thumbnail=thumbnail),)),)))
    text = page(manifest, links=lambda frame: FrameLinks(frame.thumbnail or "", frame.thumbnail or ""))
    assert text.count(thumbnail) == 1


def test_prompts_carry_their_language(make: SimpleNamespace) -> None:
    reader = read(make.board(make.shot(prompt="城市夜景"), make.shot(prompt="a lamp")))
    assert [div.get("lang") for div in reader.all("div") if div.get("class") == "words"] == ["zh", None]


def test_sequences_are_headed_and_a_board_without_any_has_a_hidden_heading(make: SimpleNamespace) -> None:
    headed = text_of(read(make.board(make.shot(1, sequence="码头"), make.shot(2))))
    assert "码头 1 shot · 00:00:03:00" in headed
    assert "Without sequence 1 shot" in headed
    bare = read(make.board(make.shot(1)))
    assert {"class": "hidden"} in bare.all("header")


def policy(reader: Reader) -> dict[str, str]:
    (found,) = [meta["content"] for meta in reader.all("meta") if "http-equiv" in meta]
    return dict(rule.split(" ", 1) for rule in (found or "").split("; "))


def test_the_policy_allows_only_where_this_boards_pictures_are(make: SimpleNamespace) -> None:
    manifest = make.board(make.shot())
    rules = policy(read(manifest))
    assert (rules["default-src"], rules["img-src"], rules["base-uri"]) == ("'none'", "'self' file:", "'none'")
    assert policy(read(manifest, links=lambda _: FrameLinks("https://a/b", "https://a/b")))["img-src"] == "https:"
    assert policy(read(make.board()))["img-src"] == "'none'"


def test_a_board_of_three_hundred_shots_stays_light(make: SimpleNamespace) -> None:
    text = page(make.board(*(make.shot(n) for n in range(300))), links=beside)
    assert len(text.encode()) < 400_000
    assert text.count('loading="lazy"') == 296


@pytest.mark.parametrize("name", ["a.html", "a.SVG", "a.xhtml", "a.exe", "a.js"])
def test_a_file_that_a_browser_would_run_is_no_link_on_a_page(make: SimpleNamespace, name: str) -> None:
    kinds = ("application/octet-stream", "image/svg+xml", "text/html")
    takes = tuple(make.take(number, frames=(make.frame(name, kind),)) for number, kind in enumerate(kinds, 1))
    made = page(make.board(make.shot(takes=takes)), links=beside)
    assert name not in made
    assert "application/octet-stream, without a link" in made


def test_another_file_is_a_download(make: SimpleNamespace) -> None:
    frame = make.frame("a.bin", "application/octet-stream")
    made = page(make.board(make.shot(takes=(make.take(frames=(frame,)),))), links=beside)
    assert re.search(r'<a href="[^"]*a\.bin" download>Download application/octet-stream</a>', made)


def test_a_board_without_shots_is_a_page(make: SimpleNamespace) -> None:
    assert "00:00:00:00" in text_of(read(make.board()))


def test_halves_of_surrogate_pairs_do_not_keep_a_page_from_being_written(make: SimpleNamespace) -> None:
    shot = make.shot(shot={"notes": "a\ud800b\x00"})
    assert r"a\ud800b\x00" in page(make.board(shot), links=beside).encode().decode()


ADDRESSES = ("src", "href", "poster", "data-before")
MARKS = [
    "<script>alert(1)</script>",
    '"',
    "'",
    "onload=x ",
    "</style>",
    "-->",
    "javascript:x",
    "{{ 7*7 }}",
    "&lt;",
    "夜",
]
TEXT = st.lists(st.sampled_from(MARKS) | st.text(max_size=8)).map("".join)


def filled(make: SimpleNamespace, words: list[str], links: FrameLinks) -> Reader:
    """A board with others' words in every place that takes some."""
    # What a name ends in decides whether it is a link, as tests above show.
    frame = make.frame(f"{words[0]}.x", f"image/{words[1]}", thumbnail=words[1])
    attempts = (make.attempt(f"x{words[3]}", server=f"http://{words[2]}"),)
    takes = (
        make.take(frames=(frame,), server=f"http://{words[2]}", comfyui=f"x{words[1]}", attempts=attempts),
        make.failed(f"x{words[3]}", 2),
        make.skipped(words[3], 3),
    )
    shot = make.shot(
        words[4], picked=3, prompt=words[5], sequence=f"x{words[6]}", takes=takes, shot={"notes": f"x{words[7]}"}
    )
    changed = Since(f"x{words[0]}", changed={words[4]: frame}, omitted=(words[1], words[2]))
    return read(
        make.board(shot, title=words[8], problems=(words[8],)),
        links=lambda _: links,
        note=f"n{words[8]}",
        since=changed,
    )


def shape(reader: Reader) -> list[tuple[str, frozenset[str]]]:
    """Elements with the names of their attributes, but for what the words' length and language decide."""
    folding = {"details", "summary", "p", "span"}
    return [(tag, frozenset(attrs) - {"lang"}) for tag, attrs in reader.elements if tag not in folding]


def without_inner_divs(found: list[tuple[str, frozenset[str]]]) -> list[tuple[str, frozenset[str]]]:
    return [each for each in found if each != ("div", frozenset())]


@settings(max_examples=60, deadline=None)
@given(words=st.lists(TEXT, min_size=9, max_size=9))
def test_no_words_add_an_element_or_an_attribute_to_a_page(make: SimpleNamespace, words: list[str]) -> None:
    links = FrameLinks("https://a/b.png", "https://a/b.png")
    hostile, harmless = (shape(filled(make, each, links)) for each in (words, ["x"] * 9))
    assert without_inner_divs(hostile) == without_inner_divs(harmless)


@settings(max_examples=60, deadline=None)
@given(src=TEXT, href=TEXT)
def test_a_page_names_no_address_that_may_not_be_used(make: SimpleNamespace, src: str, href: str) -> None:
    reader = filled(make, ["x"] * 9, FrameLinks(src, href))
    named = {attrs[name] for _, attrs in reader.elements for name in ADDRESSES if name in attrs}
    assert {url for url in named if url not in {"#shots", "#shot-1"}} <= {for_page(src), for_page(href)}


def test_the_page_of_a_chinese_board_has_no_english_word_of_ours(make: SimpleNamespace) -> None:
    video = make.frame("v.mp4", "video/mp4", duration=4.0, frame_rate=24.0)
    takes = (
        make.take(1, waiting=70.0, uploading=0.5, attempts=(make.attempt("错误"),), comfyui="0.33.0"),
        make.take(2, outcome="cached"),
        make.take(3, outcome="joined", frames=(video,)),
    )
    marks = [Mark(kind=kind, detail=detail) for kind, detail in KINDS.items()]
    retried = [
        Retried(shown=shown, marks=marks[:1], fingerprint="f", seed=8, frames=frames)
        for shown, frames in (("second", ()), ("first", ()), ("first", (make.frame(),)))
    ]
    takes += tuple(make.take(4 + number, marks=marks, retried=each) for number, each in enumerate(retried))
    shots = (
        make.shot(
            "甲",
            prompt="灯" * 200,
            takes=takes,
            picked=1,
            passes=(make.made_pass("精修", 1), make.made_pass("成片", 1)),
        ),
        make.shot("乙", prompt="灯", takes=takes, picked=2),
        make.shot(
            "丙", prompt="灯", takes=(make.failed("错误"), make.take(2, outcome="skipped", frames=(), error="错误"))
        ),
        make.shot("丁", prompt="灯", takes=(), success=False),
    )
    known = {"board": "夜", "title": "夜", "lang": "zh"}
    board = make.board(*shots, run="二", problems=("三",), **known)
    other = make.shot("乙", takes=(make.take(frames=(make.frame(sha256="bb"),)),))
    reader = read(board, since=since(board, make.board(other, make.shot("戊"), run="一", **known)))
    alts = " ".join(each.get(name) or "" for _, each in reader.elements for name in ("alt", "aria-label", "title"))
    words = set(re.findall(r"[A-Za-z]{2,}", f"{text_of(reader)} {alts}"))
    assert words <= {"ComfyUI", "UTC", "render"}
    assert "4 分 12 秒" in text_of(reader)
    assert "与运行 一 相比 新增 3 个 甲 , 丙 , 丁 画面改动 1 个 乙 删去 1 个 戊" in text_of(reader)
    body = next(attrs for tag, attrs in reader.elements if tag == "body")
    assert set(body.values()) == {"显示全部", "收起"}
    for shown in ("全黑画面", "纯灰画面", "单色画面，#002040", "画面静止不动", "与 甲 · 第 1 条 画面相同"):
        assert shown in text_of(reader)
    assert "画幅不符，1024×1024，应为 16:9" in text_of(reader)
    assert "已换种子重渲一次：种子 8 得到全黑画面" in text_of(reader)


def test_a_take_that_frame_qc_marked_says_so_in_words(make: SimpleNamespace) -> None:
    marks = [Mark(kind=kind, detail=detail) for kind, detail in KINDS.items()]
    reader = read(make.board(make.shot(takes=(make.take(marks=marks),)), make.shot(2)))
    shown = [
        "black frame",
        "flat grey frame",
        "blank frame, #002040",
        "frozen film",
        "wrong aspect, 1024×1024 for 16:9",
        "same picture as 甲 · take 1",
    ]
    assert all(text_of(reader).count(words) == 1 for words in shown)
    assert sum(each.get("class") == "qc" for each in reader.all("span")) == len(shown)


def test_shots_carry_their_frames_and_which_take_shows_them(make: SimpleNamespace) -> None:
    shots = (
        make.shot(1, duration=2, picked=2, takes=(make.take(1), make.take(2))),
        make.shot(2, takes=(make.failed("no room"), make.take(2)), success=False),
        make.shot(3, passes=(make.made_pass("finish"),)),
        make.shot(4, takes=(make.failed("no room"),), success=False),
    )
    reader = read(make.board(*shots, fps=23.976))
    assert [each["data-frames"] for each in reader.all("article")] == ["48", "72", "72", "72"]
    assert [each.get("data-fps") for each in reader.all("main")] == ["24000/1001"]
    shown = [(each["data-take"], each["data-pass"]) for each in reader.all("figure") if "data-shown" in each]
    assert shown == [("2", ""), ("2", ""), ("1", "finish"), ("1", "")]
