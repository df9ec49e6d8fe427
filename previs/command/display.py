"""Show a run's progress on a terminal, or as plain lines."""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from previs.command.console import console as visible_console
from previs.publishing.views import Progress
from previs.rendering.progress import BoardPublished, PrefectStarting, ProgressEvent, TakeSettled
from previs.text.visible import visible

_MOST_ROWS = 12
_STARTING = "starting …"


class Display(Protocol):
    """Show events of a run."""

    def show(self, event: ProgressEvent) -> None:
        """Show an event."""

    def say(self, sentence: str) -> None:
        """Print a sentence."""


@contextlib.contextmanager
def display(*, verbose: bool) -> Iterator[Display]:
    """Yield bars on a terminal, or plain lines if the output is no terminal or a log is shown as well."""
    console = visible_console()
    lines = Lines(console)
    if verbose or not console.is_terminal:
        yield lines
        return
    with Live(Spinner("dots", _STARTING), console=console, transient=True, refresh_per_second=8) as live:
        yield LiveDisplay(lines, live)


class Lines:
    """Print a line for each settled take and for each sentence."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, event: ProgressEvent) -> None:
        """Print the event, unless it is mere progress."""
        match event:
            case TakeSettled(outcome="rendered" | "joined" as outcome):
                self._line("green", outcome, event, f" on {visible(event.place)} in {event.seconds:.1f} s")
                self._marks(event)
            case TakeSettled(outcome="cached"):
                self._line("cyan", "cached", event)
                self._marks(event)
            case TakeSettled(outcome="skipped"):
                self._line("bright_black", "skipped", event, f": {event.error}")
            case TakeSettled():
                self._line("red", "failed", event, f": {event.error}")
            case BoardPublished():
                self.say(event.message)
                self.say(f"board: {event.page}")
            case PrefectStarting(address=""):
                self.say("starting Prefect for this run, which takes up to half a minute …")
            case PrefectStarting():
                self.say(f"starting a Prefect server at {event.address}, which stays until: previs server stop")
            case str():
                self.say(event)

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        self._console.print(Text(visible(sentence, lines=True)), soft_wrap=True)

    def _marks(self, take: TakeSettled) -> None:
        if take.marks:
            self._line("yellow", "marked", take, f": {take.marks}")

    def _line(self, colour: str, word: str, take: TakeSettled, rest: str = "") -> None:
        shown = visible(take.label) + visible(rest, lines=True)
        self._console.print(Text.assemble((f"{word:<8}", colour), f" {shown}"), soft_wrap=True)


class LiveDisplay:
    """Show bars for the run and for each running take, below the lines."""

    def __init__(self, lines: Lines, live: Live) -> None:
        self._lines = lines
        self._live = live

    def show(self, event: ProgressEvent) -> None:
        """Update the bars, or print a line above them."""
        if isinstance(event, Progress):
            self._live.update(_bars(event))
        else:
            self._lines.show(event)

    def say(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        self._lines.say(sentence)


def _bars(progress: Progress) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        Text(visible(progress.title) or "storyboard", style="bold"),
        ProgressBar(total=1, completed=progress.share, width=30),
        _counts(progress),
        _left(progress),
    )
    for running in progress.running[:_MOST_ROWS]:
        table.add_row(
            Text(visible(f"{running.shot_id} · take {running.take}")),
            ProgressBar(total=1, completed=running.share, width=30),
            f"step {running.step} of {running.steps}" if running.steps else "starting",
            Text(visible(running.server), style="dim"),
        )
    more = len(progress.running) - _MOST_ROWS
    return Group(table, f"and {more} more") if more > 0 else table


def _counts(progress: Progress) -> Text:
    counts = Text(f"{progress.settled} of {progress.total} takes")
    if progress.failed:
        counts.append(f" · {progress.failed} failed", "red")
    if progress.skipped:
        counts.append(f" · {progress.skipped} skipped", "bright_black")
    return counts


def _left(progress: Progress) -> str:
    if progress.settled == progress.total or progress.left is None:
        return ""
    minutes, seconds = divmod(round(progress.left), 60)
    return f"about {minutes} min {seconds:02d} s left" if minutes else f"about {seconds} s left"
