"""A plan is shown as one line with its totals, then what would be rendered, and why."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from previs.command.plan import SCHEMA, PlannedRow, show_plan

Show = Callable[..., Any]


def row(number: int, *why: str, seconds: float | None = 12.3, **fields: Any) -> PlannedRow:
    facts: dict[str, Any] = {
        "shot_id": f"SH{number:03}",
        "take": 1,
        "fingerprint": f"{number:064x}"[::-1],
        "cached": not why,
        "why": why,
        "seconds": seconds if why else 0.0,
    }
    return PlannedRow(**facts | fields)


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Show:
    """Shows a plan on a wide terminal, and gives what was written."""
    monkeypatch.setenv("COLUMNS", "200")

    def shown(rows: list[PlannedRow], servers: int = 2, **how: Any) -> Any:
        show_plan(rows, servers=servers, **how)
        text = capsys.readouterr().out
        return json.loads(text) if how.get("as_json") else text

    return shown


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]


def test_one_change_among_two_hundred_takes_is_one_line_and_one_row(show: Show) -> None:
    rows = [row(number) for number in range(199)]
    text = show([*rows[:100], row(200, 'prompt: "夜" → "晨"'), *rows[100:]])
    assert text.splitlines()[0] == "200 takes: 199 cached, 1 to render, about 12 s on 2 servers"
    assert cells(text) == [["SH200", "1", row(200).fingerprint[:12], 'prompt: "夜" → "晨"', "12 s"]]


def test_every_take_is_shown_on_request(show: Show) -> None:
    found = cells(show([row(1), row(2, "new shot", seconds=None), row(3)], every=True))
    assert [[cell[0], cell[3], cell[4]] for cell in found] == [
        ["SH001", "cached", "0 s"],
        ["SH002", "new shot", "unknown"],
        ["SH003", "cached", "0 s"],
    ]


def test_if_everything_is_cached_there_is_no_table(show: Show) -> None:
    assert show([row(1), row(2)]) == "2 takes: 2 cached, 0 to render\n"
    assert show([row(1)]) == "1 take: 1 cached, 0 to render\n"
    assert show([]) == "0 takes: 0 cached, 0 to render\n"


def test_each_reason_has_its_line(show: Show) -> None:
    reasons = [cell[3] for cell in cells(show([row(1, "width: 64 → 128", "and 7 more changes")]))]
    assert reasons == ["width: 64 → 128", "and 7 more changes"]


def test_of_very_much_the_first_part_is_shown_and_how_to_see_the_rest(show: Show) -> None:
    rows = [row(number, "new shot") for number in range(60)]
    text = show(rows)
    assert len(cells(text)) == 50
    assert text.splitlines()[-1] == "and 10 more to render: --all shows them"
    assert len(cells(show(rows, every=True))) == 60
    assert len(show(rows, as_json=True)["rows"]) == 60
    assert "more to render" not in show(rows[:50])


@pytest.mark.parametrize(
    ("seconds", "servers", "duration"),
    [
        ([0.5], 1, "about 0.5 s on 1 server"),
        ([1.25, 1.25], 1, "about 2.5 s on 1 server"),
        ([59.6], 1, "about 1 min on 1 server"),
        ([60.0, 192.0], 1, "about 4 min 12 s on 1 server"),
        ([3900.0] * 4, 4, "about 1 h 5 min on 4 servers"),
        ([10.0, None], 2, "for an unknown time on 2 servers"),
        ([12.0], 0, "about 12 s on 1 server"),
    ],
)
def test_the_duration_is_given_in_words(show: Show, seconds: list[float | None], servers: int, duration: str) -> None:
    rows = [row(number, "new shot", seconds=each) for number, each in enumerate(seconds)]
    assert show(rows, servers).splitlines()[0].endswith(f" to render, {duration}")


def test_equal_takes_are_one_render(show: Show) -> None:
    rows = [row(1, "new shot"), row(2, "new shot", fingerprint=row(1).fingerprint), row(3)]
    head = show(rows, 1).splitlines()[0]
    assert head == "3 takes: 1 cached, 2 to render (1 render, as some are equal), about 12 s on 1 server"


def test_it_says_what_the_estimates_rest_on(show: Show) -> None:
    rows = [
        row(n, "new shot", basis=basis) for n, basis in enumerate(["its own last render", "x, scaled", "x, scaled"])
    ]
    output = show(rows)
    assert "estimated from x, scaled (2), its own last render (1)" in output.splitlines()
    assert "estimated" not in show([row(1)], every=True).splitlines()[1]


def test_the_json_form_has_every_take_and_non_latin_text(show: Show, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(1, shot_id=7), row(2, "提示词: 夜", shot_id="镜头", seconds=None)]
    assert show(rows, notices=["夜"], as_json=True) == {
        "schema": "previs.plan/1",
        "takes": 2,
        "cached": 1,
        "to_render": 1,
        "renders": 1,
        "seconds": None,
        "servers": 2,
        "notices": ["夜"],
        "rows": [
            {
                "shot_id": 7,
                "take": 1,
                "fingerprint": rows[0].fingerprint,
                "cached": True,
                "why": [],
                "seconds": 0.0,
                "basis": "",
                "pass_name": "",
            },
            {
                "shot_id": "镜头",
                "take": 1,
                "fingerprint": rows[1].fingerprint,
                "cached": False,
                "why": ["提示词: 夜"],
                "seconds": None,
                "basis": "",
                "pass_name": "",
            },
        ],
    }
    show_plan(rows, servers=1, as_json=True)
    assert "镜头" in capsys.readouterr().out
    assert SCHEMA == "previs.plan/1"


def test_untrusted_text_cannot_control_a_terminal(show: Show) -> None:
    text = show([row(1, 'prompt: "\x1b[2J[bold]x"', shot_id="A\x07\n[red]B")], notices=["\x1b]0;x\x07\nnote"])
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]x" in text
    assert r"A\x07 [red]B" in text
    assert text.splitlines()[-1].startswith("note: ")


def test_a_narrow_terminal_loses_nothing(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    found = cells(show([row(1, "prompt at node 6 (CLIPTextEncode): “a harbour” → “a bay”", "width changed")]))
    why = "".join(cell[3] for cell in found).replace(" ", "")
    assert why == "promptatnode6(CLIPTextEncode):“aharbour”→“abay”widthchanged"
