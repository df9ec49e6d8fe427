"""How far a run has come."""

from dataclasses import dataclass

from previs.publishing.views.timecode import spell
from previs.publishing.views.wording import inline, plural, server_name

_BAR = 30
_ENOUGH = 0.25
"""Renders' worth of work before a pace can be told from the start-up."""
_LISTED = 40


@dataclass(frozen=True, slots=True)
class RunningTake:
    """A take that a server is working on.

    Attributes:
        server: base URL.
        step: sampler steps done.
        steps: sampler steps in all; 0 while the server has not told.
    """

    shot_id: int | str
    take: int
    server: str
    step: int = 0
    steps: int = 0

    @property
    def share(self) -> float:
        """Part of the take that is done, from 0 to 1."""
        return min(1.0, max(0.0, self.step / self.steps)) if self.steps > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, counted in takes.

    Attributes:
        rendered: takes that this run rendered.
        cached: takes that an earlier run had made.
        failed: takes given up.
        skipped: takes not tried, because a shot that theirs builds on has no frame.
        waiting: takes that no server has begun.
        elapsed: seconds since the run began.
        title: of the board; empty if it has none.
        notice: what a person should know now, such as that no server can be reached.
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

    @property
    def total(self) -> int:
        """All takes of the run."""
        return self.settled + len(self.running) + self.waiting

    @property
    def settled(self) -> int:
        """Takes that need no more work."""
        return self.rendered + self.cached + self.failed + self.skipped

    @property
    def share(self) -> float:
        """Part of the run that is done, from 0 to 1, begun takes counted by their steps."""
        return (self.settled + self._begun) / self.total if self.total else 1.0

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes at the pace so far; none while there is too little to judge by.

        Cached and skipped takes cost nothing and do not count for the pace; should waiting ones turn out so, it ends
        sooner.
        """
        worked = self.rendered + self.failed + self._begun
        rest = self.waiting + len(self.running) - self._begun
        if rest <= 0:
            return 0.0
        return self.elapsed * rest / worked if worked >= _ENOUGH else None

    @property
    def _begun(self) -> float:
        return sum(take.share for take in self.running)


def progress_sheet(progress: Progress) -> str:
    """Markdown of a run's live progress: how much, how long, and what each server is doing."""
    blocks = [f"# {inline(progress.title or 'Storyboard', 120)}", _bar(progress), _counts(progress)]
    if progress.notice:
        blocks.append(f"**Note:** {inline(progress.notice)}")
    if progress.running:
        blocks.append(_table(progress.running))
    return "\n\n".join(blocks) + "\n"


def _bar(progress: Progress) -> str:
    full = int(progress.share * _BAR)
    done = f"**{int(progress.share * 100)}%** `{'█' * full}{'░' * (_BAR - full)}`"
    return f"{done} {progress.settled} of {plural(progress.total, 'take')}"


def _counts(progress: Progress) -> str:
    counts = {
        "rendered": progress.rendered,
        "cached": progress.cached,
        "failed": progress.failed,
        "skipped": progress.skipped,
        "running": len(progress.running),
        "waiting": progress.waiting,
    }
    told = " · ".join(f"{count} {state}" for state, count in counts.items() if count or state == "rendered")
    times = [f"{spell(progress.elapsed)} so far"]
    if progress.settled < progress.total:
        left = progress.left
        times.append("time left not known yet" if left is None else f"about {spell(round(left))} left")
    return f"{told}  \n{', '.join(times)}"


def _table(running: tuple[RunningTake, ...]) -> str:
    rows = ["| Shot | Take | Server | Steps |", "| :-- | --: | :-- | :-- |"]
    rows += [
        f"| {inline(str(take.shot_id), 60)} | {take.take} | {inline(server_name(take.server), 80)} | {_steps(take)} |"
        for take in running[:_LISTED]
    ]
    if len(running) > _LISTED:
        rows.append(f"| and {len(running) - _LISTED} more | | | |")
    return "\n".join(rows)


def _steps(take: RunningTake) -> str:
    return f"{take.step}/{take.steps}" if take.steps > 0 else "starting"
