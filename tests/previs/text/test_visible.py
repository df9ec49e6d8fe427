"""Control and invisible characters are shown as escapes, on terminals, in logs and in JSON."""

import io
import json
import logging
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.live import Live
from rich.table import Table

from previs.command.console import VisibleConsole, console
from previs.command.output import write_error, write_json, write_line
from previs.text.logs import show_logs_visibly
from previs.text.visible import visible, visible_json

HOSTILE = "\x1b]0;owned\x07\x1b[2A\x1b[2K\x9b31m\x7f\u202egnp\u2066\u200f\u200b\ufeff\u2028\x85\r"
SHOWN = r"\x1b]0;owned\x07\x1b[2A\x1b[2K\x9b31m\x7f\u202egnp\u2066\u200f\u200b\ufeff\u2028\x85\r"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from(HOSTILE))


def test_each_character_that_controls_is_an_escape() -> None:
    assert visible(HOSTILE) == SHOWN
    assert visible("a\nb\tc") == r"a\nb\tc"
    assert visible("a\nb\tc\rd\x0be", lines=True) == "a\nb\tc\\rd\\x0be"
    assert visible("\ud83d") == r"\ud83d"
    assert visible("flag\U000e0067") == r"flag\U000e0067"


@pytest.mark.parametrize("text", ["雨夜の城市", "مرحبا", "می‌خواهم", "👩‍🎬", "क्‍ष", "é\u3000à", r"C:\x1b", "🏳️‍🌈"])
def test_text_of_every_script_stays(text: str) -> None:
    assert visible(text) == text


def test_a_joiner_that_joins_nothing_is_shown() -> None:
    assert visible("SH\u200d01\u200c") == r"SH\u200d01\u200c"


@given(ANY_TEXT)
def test_no_text_controls_anything_and_showing_it_twice_changes_nothing(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}]
    assert CONTROLS.search(shown) is None
    assert visible(shown) == shown
    assert visible(visible(text, lines=True)) == shown
    shown.encode()


@given(ANY_TEXT)
def test_json_means_the_same_and_controls_nothing(text: str) -> None:
    shown = visible_json(json.dumps({text: [text]}, ensure_ascii=False, indent=1))
    assert json.loads(shown) == {text: [text]}
    assert CONTROLS.search(shown) is None


def test_what_commands_write_is_visible(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_line(f"{HOSTILE}\nforged")
    write_error(f"two\nlines {HOSTILE}")
    sys.stderr.flush()
    write_json({"name": HOSTILE})
    out, err = (text.decode() for text in capfdbinary.readouterr())
    assert out.startswith(f"{SHOWN}\\nforged\n")
    assert err == f"two\nlines {SHOWN}\n"
    assert CONTROLS.search(out) is None
    assert HOSTILE in json.loads(out.partition("\n")[2]).values()


def test_tables_and_live_displays_are_visible_though_a_cell_was_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row(f"a{HOSTILE}b")
    console().print(table)
    printed = capsys.readouterr().out
    assert CONTROLS.search(printed) is None
    assert len({cell_len(line) for line in printed.splitlines()}) == 1
    written = io.StringIO()
    terminal = VisibleConsole(file=written, force_terminal=True, width=100, color_system=None)
    with Live(f"{HOSTILE}live", console=terminal, auto_refresh=False) as live:
        terminal.print(f"{HOSTILE}printed")
        live.refresh()
    # The display itself moves the cursor. Rich drops some control characters.
    assert set(CONTROLS.findall(written.getvalue())) == {"\x1b", "\r"}
    assert "\x1b]0;" not in written.getvalue()
    assert written.getvalue().count(SHOWN.replace(r"\x07", "").replace(r"\r", "")) >= 2


@pytest.fixture
def visible_logs() -> Iterator[None]:
    before, hook = logging.getLogRecordFactory(), sys.excepthook
    show_logs_visibly()
    yield
    logging.setLogRecordFactory(before)
    sys.excepthook = hook


@pytest.mark.usefixtures("visible_logs")
def test_log_records_are_visible_with_their_tracebacks_whoever_writes_them() -> None:
    written = io.StringIO()
    logger, handler = logging.getLogger("someone.else"), logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        logger.warning("said %s", f"{HOSTILE}\nsecond line")
        try:
            int(HOSTILE)
        except ValueError:
            logger.exception("it raised")
    finally:
        logger.removeHandler(handler)
    said = written.getvalue()
    assert f"WARNING said {SHOWN}\nsecond line\n" in said
    assert "ValueError: invalid literal" in said
    assert CONTROLS.search(said) is None


def test_an_error_that_ends_a_process_is_visible() -> None:
    program = "from previs.text.logs import show_logs_visibly\nshow_logs_visibly()\nraise ValueError('\\x1b[2J\\u202e')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)  # noqa: S603 - our own
    assert rb"ValueError: \x1b[2J\u202e" in ended.stderr
    assert b"\x1b" not in ended.stderr
