"""Show the progress of a run."""

from dataclasses import dataclass

from previs.publishing.views.timecode import spell
from previs.publishing.views.wording import inline, plural, server_name

_BAR = 30
_LEAST_WORK = 0.25
"""Renders, or part of one, before the pace says more than the start-up."""
_MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class RunningTake:
    """Describe a take that a server is rendering.

    Attributes:
        server: Base URL of the server.
        step: Sampler steps done.
        steps: Sampler steps in total; 0 until the server reports it.
        pass_name: Name of the pass; empty for a take itself.
    """

    shot_id: int | str
    take: int
    server: str
    step: int = 0
    steps: int = 0
    pass_name: str = ""

    @property
    def share(self) -> float:
        """Return the finished part of the take, from 0 to 1."""
        return min(1.0, max(0.0, self.step / self.steps)) if self.steps > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Count the takes of a run by state.

    Attributes:
        rendered: Takes that this run rendered.
        cached: Takes that an earlier run rendered.
        failed: Takes that failed.
        skipped: Takes not tried, because a shot that they build on has no frame.
        waiting: Takes that no server has started.
        elapsed: Seconds since the run started.
        title: Title of the board; may be empty.
        notice: Message for people, such as that no server can be reached.
        joined: Takes that were found on a server, as submitted before.
    """

    rendered: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    waiting: int = 0
    running: tuple[RunningTake, ...] = ()
    elapsed: float = 0
    title: str = ""
    notice: str = ""
    joined: int = 0

    @property
    def total(self) -> int:
        """Return the number of all takes."""
        return self.settled + len(self.running) + self.waiting

    @property
    def settled(self) -> int:
        """Return the number of takes that need no more work."""
        return self.rendered + self.joined + self.cached + self.failed + self.skipped

    @property
    def waits(self) -> bool:
        """Return whether the run waits: for takes, of which no server renders one, or for a server to plan them."""
        return (self.waiting > 0 and not self.running) if self.total else bool(self.notice)

    @property
    def share(self) -> float:
        """Return the finished part of the run, from 0 to 1; running takes count by their steps."""
        return (self.settled + self._running_share) / self.total if self.total else 1.0

    @property
    def left(self) -> float | None:
        """Return the estimated remaining seconds at the pace so far, or None until enough is rendered.

        Joined, cached and skipped takes cost little or nothing and do not count for the pace. If waiting takes turn out
        to be such, the run ends sooner.
        """
        worked = self.rendered + self.failed + self._running_share
        rest = self.waiting + len(self.running) - self._running_share
        if rest <= 0:
            return 0.0
        return self.elapsed * rest / worked if worked >= _LEAST_WORK else None

    @property
    def _running_share(self) -> float:
        return sum(take.share for take in self.running)


def progress_sheet(progress: Progress) -> str:
    """Return markdown of a run's live progress: how much, how long, and what each server is doing."""
    blocks = [f"# {inline(progress.title or 'Storyboard', 120)}", _bar(progress), _counts(progress)]
    if progress.notice:
        blocks.append(f"**Note:** {inline(progress.notice)}")
    if progress.running:
        blocks.append(_table(progress.running))
    return "\n\n".join(blocks) + "\n"


def status_line(progress: Progress) -> str:
    """Return in a few words what a run does or waits for."""
    if not progress.total:
        doing = "reads the input"
    elif progress.waits:
        doing = "waits, and no server renders"
    elif progress.running:
        doing = f"renders {plural(len(progress.running), 'take')}"
    else:
        doing = "publishes the board"
    parts = [doing]
    if progress.total:
        parts.append(f"{progress.settled} of {plural(progress.total, 'take')} done")
    if progress.running and progress.left:
        parts.append(f"about {spell(round(progress.left))} left")
    if progress.waits and progress.notice:
        parts.append(progress.notice)
    return " · ".join(parts)


def _bar(progress: Progress) -> str:
    full = int(progress.share * _BAR)
    done = f"**{int(progress.share * 100)}%** `{'█' * full}{'░' * (_BAR - full)}`"
    return f"{done} {progress.settled} of {plural(progress.total, 'take')}"


def _counts(progress: Progress) -> str:
    counts = {
        "rendered": progress.rendered,
        "joined": progress.joined,
        "cached": progress.cached,
        "failed": progress.failed,
        "skipped": progress.skipped,
        "running": len(progress.running),
        "waiting": progress.waiting,
    }
    states = " · ".join(f"{count} {state}" for state, count in counts.items() if count or state == "rendered")
    times = [f"{spell(progress.elapsed)} so far"]
    if progress.settled < progress.total:
        left = progress.left
        times.append("time left not known yet" if left is None else f"about {spell(round(left))} left")
    return f"{states}  \n{', '.join(times)}"


def _table(running: tuple[RunningTake, ...]) -> str:
    rows = ["| Shot | Take | Server | Steps |", "| :-- | --: | :-- | :-- |"]
    rows += [
        f"| {inline(str(take.shot_id), 60)} | {inline(take.pass_name, 60) or take.take} "
        f"| {inline(server_name(take.server), 80)} | {_steps(take)} |"
        for take in running[:_MOST_ROWS]
    ]
    if len(running) > _MOST_ROWS:
        rows.append(f"| and {len(running) - _MOST_ROWS} more | | | |")
    return "\n".join(rows)


def _steps(take: RunningTake) -> str:
    return f"{take.step}/{take.steps}" if take.steps > 0 else "starting"
