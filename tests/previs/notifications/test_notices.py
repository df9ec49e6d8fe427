"""A notice says in the board's language how a run ended, and untrusted names do nothing in it."""

import re
from typing import Any

import pytest

from previs.notifications import notices
from previs.notifications.notices import Addresses, board_event, board_notice, failure_notice, sample_notice
from previs.records.manifest import Manifest, ShotEntry
from tests.previs.records.published import manifest, shot, take

WHERE = Addresses("https://boards.example/b/index.html", "https://prefect.example/runs/1")


def failing(shot_id: str, error: str = "no room") -> ShotEntry:
    return shot(shot_id, take(1, error=error))


def board(*shots: ShotEntry, number: int | None = None, **changes: Any) -> Manifest:
    made = manifest(*shots, **({"title": "Night City", "lang": "en"} | changes))
    return made.model_copy(update={"number": number})


def test_a_finished_board() -> None:
    made = board_notice(board(shot("SH010", take(1, b"x")), shot("SH020", take(1, b"y"))), WHERE, picture=b"jpeg")
    assert (made.event, made.level, made.picture) == ("board.ready", "success", b"jpeg")
    assert made.title == "Night City: the board is ready"
    assert made.body.splitlines() == ["2 shots", f"Board: {WHERE.board}", f"Run: {WHERE.run}"]


def test_failed_shots_come_with_their_reasons() -> None:
    made = board_notice(board(shot("SH010", take(1, b"x")), failing("SH020"), number=3), WHERE)
    assert (made.event, made.level) == ("shots.failed", "warning")
    assert made.title == "Night City, run 3: 1 shot failed"
    assert made.body.splitlines() == [
        "2 shots: 1 made, 1 failed",
        f"Board: {WHERE.board}",
        f"Run: {WHERE.run}",
        "Failed:",
        "- SH020: no room",
    ]


def test_a_chinese_board_has_a_chinese_notice_unless_a_language_is_set() -> None:
    chinese = board(failing("镜头二", "显存不足"), shot("SH010", take(1, b"x")), title="雾港夜航", lang="zh", number=2)
    made = board_notice(chinese, Addresses("x"))
    assert made.title == "雾港夜航，第 2 次运行：1 个镜头失败"
    assert made.body.splitlines() == ["2 个镜头：1 个完成，1 个失败", "故事板：x", "失败：", "- 镜头二: 显存不足"]
    assert board_notice(chinese, WHERE, "en").title == "雾港夜航, run 2: 1 shot failed"


def test_an_overnight_run_with_300_failures_is_one_short_notice() -> None:
    shots = [failing(f"SH{number:04}", "no server" if number < 290 else f"reason {number}") for number in range(300)]
    made = board_notice(board(*shots), WHERE)
    lines = made.body.splitlines()
    assert len(made.body) < 1_500
    assert lines[4].startswith("- SH0000, SH0001, ")
    assert lines[4].endswith(" and 280 more: no server")
    assert lines[-1] == f"- {', '.join(f'SH{number:04}' for number in range(294, 300))}: other reasons"


def test_skipped_shots_are_said_to_be_skipped() -> None:
    skipped = shot("SH020", take(1, outcome="skipped", error="SH010 failed"))
    assert board_notice(board(skipped), WHERE).body.endswith(
        "- SH020: skipped, because a shot that it builds on has no frame"
    )


HOSTILE = "<!channel> @everyone <@U123> [click](https://evil) `x` *y* |z|\n\x1b[31m\u202e"


def test_untrusted_names_mention_nobody_and_mark_nothing() -> None:
    made = board_notice(board(failing(HOSTILE, HOSTILE), title=HOSTILE), WHERE)
    for text in (made.title, made.body):
        assert not re.search(r"[@<>\[\]`*|\x1b\u202e]", text)
    assert made.title.count("\n") == 0
    assert len(made.body.splitlines()) == 5


def test_a_run_without_a_board() -> None:
    made = failure_notice("lists/night.csv", "the list has 2 faults:\n  - shot 1: missing\n  - shot 2: @here", WHERE)
    assert (made.event, made.level) == ("run.failed", "failure")
    assert made.title == "lists/night.csv: the run ended without a board"
    assert made.body.splitlines()[0] == "the list has 2 faults:"
    assert "＠here" in made.body
    assert made.body.endswith(f"Run: {WHERE.run}")
    assert failure_notice("雾港夜航", "no", WHERE).title == "雾港夜航：运行结束，没有生成故事板"
    assert len(failure_notice("x", "e" * 10_000, WHERE).body) < 1_000


def test_a_test() -> None:
    assert sample_notice().title == "previs: this is a test"
    assert sample_notice("zh").title == "previs：这是测试通知"


@pytest.mark.parametrize("english", notices._CHINESE)
def test_both_languages_have_the_same_values(english: str) -> None:
    assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", notices._CHINESE[english]))


def test_each_board_has_one_kind_of_notice() -> None:
    assert board_event(board(shot("SH010", take(1, b"x")))) == "board.ready"
    assert board_event(board(shot("SH010", take(1, b"x")), failing("SH020"))) == "shots.failed"
