"""Say what each panel of a board shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from previs.pdf.fitting import Field
from previs.publishing.views.film import film_of, notes_of, prompt_of
from previs.publishing.views.labels import Labels, labels, spelled
from previs.publishing.views.sequences import sequences
from previs.publishing.views.takes import lacking
from previs.publishing.views.wording import clean, one_line, shorten
from previs.records.manifest import Manifest, ShotEntry, TakeEntry, representative
from previs.records.takes import Frame
from previs.text.visible import shortened

Takes = Literal["chosen", "all"]
USUAL_ASPECT: Final = 16 / 9
_NARROWEST, _WIDEST = 0.4, 3.0
_LONGEST: Final = 200  # characters of a name
_LONGEST_DURATION: Final = 24
_LARGEST: Final = 1_000_000  # pixels; a manifest may state any number


@dataclass(frozen=True, slots=True)
class Panel:
    """Hold what a panel shows.

    Attributes:
        shot: ID of the shot.
        take: Its take or pass in words; empty if the shot has no other.
        duration: Its time on screen, in words.
        sequence: Name of its sequence; empty if it has none.
        fields: Its texts, the most important first.
        frame: Its picture; None if there is none.
        more: Number of further pictures of its take.
        instead: Words in place of a picture.
        name: Shot and take in a sentence to a person who looks for a fault.
    """

    shot: str
    take: str
    duration: str
    sequence: str
    fields: tuple[Field, ...]
    frame: Frame | None
    more: int
    instead: str
    name: str


def panels_of(manifest: Manifest, picks: Mapping[str, int], takes: Takes = "chosen") -> list[Panel]:
    """Return the panels of a board in the order of the film.

    Args:
        manifest: Manifest of the run.
        picks: Numbers of the picked takes, by shot_id as text.
        takes: Whether each shot has a panel, or each of its takes and passes.
    """
    label = labels(manifest.lang)
    return [
        panel
        for sequence in sequences(manifest)
        for placed in sequence.shots
        for panel in _of_shot(placed.shot, picks.get(str(placed.shot.shot_id)), takes, label)
    ]


def usual_aspect(panels: list[Panel]) -> float:
    """Return the aspect of most pictures: the median of those that are known, else 16:9."""
    frames = [panel.frame for panel in panels if panel.frame]
    sizes = [(min(frame.width or 0, _LARGEST), min(frame.height or 0, _LARGEST)) for frame in frames]
    known = [width / height for width, height in sizes if min(width, height) > 0]
    return min(max(median(known), _NARROWEST), _WIDEST) if known else USUAL_ASPECT


def _of_shot(shot: ShotEntry, picked: int | None, takes: Takes, label: Labels) -> Iterator[Panel]:
    shown = representative(shot.takes, shot.passes, picked)
    for number, take in enumerate(shot.renders or (None,) if takes == "all" else (shown,)):
        pictures = _pictures(take)
        yield Panel(
            shot=shorten(one_line(str(shot.shot_id)), _LONGEST),
            take=_take_words(take, picked, label) if take and len(shot.renders) > 1 else "",
            duration=shorten(spelled(label, shot.duration), _LONGEST_DURATION),
            sequence=shorten(one_line(shot.sequence or ""), _LONGEST),
            # The texts of a shot stand once.
            fields=() if number else tuple(_fields(shot, label)),
            frame=next(iter(pictures), None),
            more=len(pictures[1:]),
            instead=_instead(shot, take, label),
            name=f"shot {shortened(str(shot.shot_id))}"
            + (f", {take.pass_name or f'take {take.take}'}" if take else ""),
        )


def _take_words(take: TakeEntry, picked: int | None, label: Labels) -> str:
    name = one_line(take.pass_name) if take.pass_name else label("Take {number}", number=take.take)
    return f"{name} · {label('picked')}" if take.take == picked and not take.pass_name else name


def _fields(shot: ShotEntry, label: Labels) -> Iterator[Field]:
    film = film_of(shot.shot)
    action = film.description or prompt_of(shot.shot) or prompt_of({"prompt": shot.prompt})
    yield Field(clean(film.camera), is_grey=True)
    yield Field(clean(action), label("Action"))
    yield Field(clean(film.dialogue), label("Dialogue"))
    yield Field(clean(notes_of(shot.shot)), label("Notes"))


def _pictures(take: TakeEntry | None) -> list[Frame]:
    return [frame for frame in take.frames if frame.kind in ("image", "video")] if take else []


def _instead(shot: ShotEntry, take: TakeEntry | None, label: Labels) -> str:
    if take is None:
        return label("No take")
    if take.frames:
        return label("No picture")
    if take.outcome in ("failed", "skipped"):
        return label(take.outcome.capitalize())
    return label("No frame") if not lacking(shot) else label("Failed")
