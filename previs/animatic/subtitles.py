"""Make subtitles of what is said in the shots; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from previs.animatic.timeline import Timeline
from previs.text.visible import visible

_MILLISECONDS: Final = 1000
_MINUTE, _HOUR = 60_000, 3_600_000


@dataclass(frozen=True, slots=True)
class Subtitle:
    """Hold a subtitle, with its start and end in frames; no line of its text is empty."""

    start: int
    end: int
    text: str


def subtitles(timeline: Timeline) -> list[Subtitle]:
    """Return a subtitle for each shot in which something is said, as long as the shot."""
    made = ((cue, subtitle_text(cue.dialogue)) for cue in timeline.cues)
    return [Subtitle(cue.start, cue.start + cue.frames, text) for cue, text in made if text]


def subtitle_text(dialogue: str) -> str:
    """Return dialogue as lines that no reader of subtitles takes for something else."""
    lines = (visible(line.strip()).replace("-->", "→") for line in dialogue.splitlines())
    return "\n".join(line for line in lines if line)


def milliseconds(frame: int, fps: Fraction) -> int:
    """Return when a frame starts."""
    return round(frame * _MILLISECONDS / fps)


def srt(entries: Sequence[Subtitle], fps: Fraction) -> str:
    """Return subtitles as a SubRip file, which is UTF-8."""
    return "\n".join(
        f"{number}\n{_time(milliseconds(each.start, fps))} --> {_time(milliseconds(each.end, fps))}\n{each.text}\n"
        for number, each in enumerate(entries, 1)
    )


def _time(moment: int) -> str:
    hours, rest = divmod(moment, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    return f"{hours:02}:{minutes:02}:{rest // _MILLISECONDS:02},{rest % _MILLISECONDS:03}"
