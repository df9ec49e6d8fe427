"""A run is shown as a line for each take, and as bars while it runs."""

from io import StringIO

import pytest
from rich.console import Console

from previs.command.display import Lines, _bars
from previs.publishing.views import Progress, RunningTake
from previs.rendering.progress import BoardPublished, PrefectStarting, ProgressEvent, TakeSettled

SKIPPED = TakeSettled("SH020 · take 1", "skipped", error="SH010, which it builds on, has no frame")
FAILED = TakeSettled("SH010 · take 1", "failed", error="no [room] on http://a")


def lines(*events: ProgressEvent, colours: bool = False) -> str:
    written = StringIO()
    system = "standard" if colours else None
    shown = Lines(Console(file=written, width=200, color_system=system, no_color=False, highlight=False))
    for each in events:
        shown.show(each)
    return written.getvalue()


def bars(progress: Progress) -> str:
    written = StringIO()
    Console(file=written, width=160).print(_bars(progress))
    return written.getvalue()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (TakeSettled("SH010 · take 1", "rendered", "http://a", 1.25), "rendered SH010 · take 1 on http://a in 1.2 s"),
        (TakeSettled("SH010 · take 1", "joined", "http://a", 1.25), "joined   SH010 · take 1 on http://a in 1.2 s"),
        (TakeSettled("镜头 1 · take 2", "cached"), "cached   镜头 1 · take 2"),
        (FAILED, "failed   SH010 · take 1: no [room] on http://a"),
        (SKIPPED, "skipped  SH020 · take 1: SH010, which it builds on, has no frame"),
        (
            TakeSettled("SH010 · take 1", "cached", marks="black frame"),
            "cached   SH010 · take 1\nmarked   SH010 · take 1: black frame",
        ),
        ("http://a [was] set aside", "http://a [was] set aside"),
        (BoardPublished("file:///b.html", "m", "2 shots", complete=True), "2 shots\nboard: file:///b.html"),
        (PrefectStarting(), "starting Prefect for this run, which takes up to half a minute …"),
        (
            PrefectStarting("http://127.0.0.1:4711"),
            "starting a Prefect server at http://127.0.0.1:4711, which stays until: previs server stop",
        ),
        (Progress(rendered=1), ""),
    ],
)
def test_each_end_has_its_line(event: ProgressEvent, line: str) -> None:
    assert lines(event) == (f"{line}\n" if line else "")


def test_a_skipped_take_is_not_red() -> None:
    assert "\x1b[31mfailed" in lines(FAILED, colours=True)
    assert "\x1b[90mskipped" in lines(SKIPPED, colours=True)


def test_bars_count_what_failed_and_what_was_skipped_where_anything_did() -> None:
    running = (RunningTake("SH040", 1, "http://a", 3, 20),)
    assert "4 of 6 takes · 1 failed · 2 skipped" in bars(Progress(1, 0, 1, 2, 1, running, elapsed=9, title="雨夜"))
    calm = bars(Progress(rendered=4, running=running, elapsed=9))
    assert "4 of 5 takes" in calm
    assert "failed" not in calm
    assert "skipped" not in calm


def test_many_running_takes_are_cut_with_a_count() -> None:
    assert "and 3 more" in bars(Progress(running=tuple(RunningTake(n, 1, "http://a") for n in range(15))))
