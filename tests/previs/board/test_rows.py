from types import SimpleNamespace

from previs.board import shot_rows


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
        "state": "rendered",
        "seed": "7",
        "seconds": 12.3,
        "server": "render-01:8188",
        "link": "[open](https://store.example/frames/aa/a.png)",
        "error": "",
    }
    assert [(row["shot"], row["take"], row["state"], row["error"]) for row in rows[1:]] == [
        (1, 2, "cached", ""),
        ("SH｜2", 1, "failed", "node 6 ＜b＞x＜/b＞"),
        (3, "", "failed", "no take was made"),
    ]


def test_a_seed_beyond_a_browsers_numbers_keeps_all_its_digits(make: SimpleNamespace) -> None:
    manifest = make.board(make.shot(takes=(make.take(seed=2**64 - 1),)))
    assert shot_rows(manifest, link=lambda _: None)[0]["seed"] == "18446744073709551615"


def test_an_address_that_runs_a_script_is_no_link(make: SimpleNamespace) -> None:
    assert shot_rows(make.board(make.shot()), link=lambda _: "javascript:alert(1)")[0]["link"] == ""
