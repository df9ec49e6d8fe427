import json
from types import SimpleNamespace

from previs.publishing.views import row_pages, shot_rows
from previs.records.marks import Mark


def test_every_take_has_a_row_of_the_same_columns(make: SimpleNamespace) -> None:
    manifest = make.board(
        make.shot(1, takes=(make.take(1), make.take(2, outcome="cached"))),
        make.shot("SH|2", takes=(make.failed("node 6\n<b>x</b>"),), success=False),
        make.shot(3, takes=(), success=False),
    )
    rows = shot_rows(manifest, link=lambda frame: f"https://store.example/{frame.key}")
    assert len({tuple(row) for row in rows}) == 1
    assert rows[0] == {
        "shot": 1,
        "take": 1,
        "picked": "",
        "state": "rendered",
        "seed": "7",
        "seconds": 12.3,
        "server": "render-01:8188",
        "error": "",
        "frame": "[open](https://store.example/frames/aa/a.png)",
    }
    assert [(row["shot"], row["take"], row["state"], row["error"]) for row in rows[1:]] == [
        (1, 2, "cached", ""),
        ("SH｜2", 1, "failed", "node 6 ＜b＞x＜/b＞"),
        (3, "", "failed", "no take was made"),
    ]


def test_a_file_that_a_browser_would_run_has_no_link(make: SimpleNamespace) -> None:
    frames = [make.frame(name, "application/octet-stream") for name in ("a.html", "a.svg", "a.exe", "a.bin")]
    takes = tuple(make.take(number, frames=(frame,)) for number, frame in enumerate(frames, 1))
    rows = shot_rows(make.board(make.shot(takes=takes)), link=lambda frame: f"https://store.example/{frame.key}")
    assert [row["frame"] for row in rows] == ["", "", "", "[open](https://store.example/frames/aa/a.bin)"]


def test_the_picked_take_is_marked_and_the_rows_keep_their_order(make: SimpleNamespace) -> None:
    shots = (make.shot(1, picked=2, takes=(make.take(1), make.take(2))), make.shot(2, picked=9))
    rows = shot_rows(make.board(*shots), link=lambda _: None)
    assert [(row["shot"], row["take"], row["picked"]) for row in rows] == [(1, 1, ""), (1, 2, "◉"), (2, 1, "")]


def test_a_row_without_a_frame_says_why(make: SimpleNamespace) -> None:
    takes = (make.skipped("SH|010"), make.take(2, frames=()), make.skipped().model_copy(update={"error": None}))
    rows = shot_rows(make.board(make.shot(takes=takes, success=False)), link=lambda _: None)
    assert [(row["state"], row["error"]) for row in rows] == [
        ("skipped", "SH｜010, which it builds on, has no frame"),
        ("rendered", "The take left no frame."),
        ("skipped", "A shot that it builds on has no frame."),
    ]


def test_a_seed_beyond_a_browsers_numbers_keeps_all_its_digits(make: SimpleNamespace) -> None:
    manifest = make.board(make.shot(takes=(make.take(seed=2**64 - 1),)))
    assert shot_rows(manifest, link=lambda _: None)[0]["seed"] == "18446744073709551615"


def test_an_address_that_runs_a_script_is_no_link(make: SimpleNamespace) -> None:
    assert shot_rows(make.board(make.shot()), link=lambda _: "javascript:alert(1)")[0]["frame"] == ""


def test_a_frame_in_a_folder_has_its_path_as_text(make: SimpleNamespace) -> None:
    [row] = shot_rows(make.board(make.shot()), link=lambda _: "/mnt/夜城/a[1] https://x.png")
    assert row["frame"] == "/mnt/夜城/a［1］ https：//x.png"


def test_rows_are_split_into_pages_of_bounded_length_and_size(make: SimpleNamespace) -> None:
    shots = [make.shot(n, takes=(make.failed("夜" * 1000 if n < 300 else ""),)) for n in range(1300)]
    rows = shot_rows(make.board(*shots), link=lambda _: None)
    pages = list(row_pages(rows))
    assert [row for page in pages for row in page] == rows
    assert max(len(json.dumps(page)) for page in pages) <= 400_000
    assert (len(pages[0]), len(pages[-2])) == (65, 500)
    assert list(row_pages([])) == [[]]


def test_marks_of_frame_qc_have_a_column_only_if_there_are_some(make: SimpleNamespace) -> None:
    marked = make.take(marks=[Mark(kind="black"), Mark(kind="aspect", detail="4×4 / 16:9")])
    rows = shot_rows(make.board(make.shot(1, takes=(marked,)), make.shot(2)), link=lambda _: None)
    assert [row["qc"] for row in rows] == ["black frame, wrong aspect, 4×4 for 16:9", ""]
    assert "qc" not in shot_rows(make.board(make.shot(2)), link=lambda _: None)[0]
