"""Prepare a board for its page: text is cleaned but not yet escaped, and only allowed URLs are kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from previs.publishing.views.compared import Since
from previs.publishing.views.film import film_of
from previs.publishing.views.labels import Labels, counted, labels, spelled
from previs.publishing.views.marks import in_words, retry_in_words
from previs.publishing.views.sequences import Placed, Sequence, sequences
from previs.publishing.views.stills import PLAYED, LinksOf, Still, still_of, usual_size
from previs.publishing.views.takes import LONGEST_REASON, arranged, circled, lacking, reason
from previs.publishing.views.timecode import number, timecode
from previs.publishing.views.wording import clean, language, moment, one_line, server_name, shorten
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Attempt, Frame

_MOST_ATTEMPTS = 20
_FIRST_RUN: Final = Since("")


@dataclass(frozen=True, slots=True)
class Text:
    """Hold untrusted text, and its language for the browser."""

    words: str
    lang: str | None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Describe failed attempts of a take.

    Attributes:
        summary: Number of failed attempts, in words.
        left_out: Number of earlier attempts that are not listed.
        lines: Time and server of each attempt, with its error.
    """

    summary: str
    left_out: int
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TakeCard:
    """Describe one take or pass of a shot.

    Attributes:
        pass_name: Name of the pass; empty for a take itself.
        picked: Whether a person picked it.
        facts: Duration, size and frame rate of its video and sound, as far as known; the same facts only once.
        state: Outcome, in words.
        details: Technical details of the render, in phrases: seed, duration, server.
        attempts: Failed attempts; None if no attempt failed.
        error: Reason why there is no frame; empty if there is one.
        marks: What frame QC found wrong, each in a few words.
        shown: Whether it shows the shot where there is room for one picture.
    """

    take: int
    pass_name: str
    picked: bool
    outcome: str
    facts: tuple[str, ...]
    state: str
    details: tuple[str, ...]
    attempts: Attempts | None
    stills: tuple[Still, ...]
    error: str
    marks: tuple[str, ...] = ()
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """Describe one shot, its last pass or picked take first.

    Attributes:
        rejected: The takes that are not picked, if one is; shown smaller.
        behind: What the last pass was made from, and other takes; empty without passes.
        film: What the shot says for people: kind and text.
        lacking: ``failed`` or ``skipped`` if frames are missing, else empty.
        frames: Length in frames of the film.
        change: ``new`` or ``changed`` since the last run, else empty.
        before: URL of the frame that the last run showed, if that is another one; None if no URL may be used.
    """

    number: int
    name: str
    position: str
    length: str
    prompt: Text
    film: tuple[tuple[str, Text], ...]
    notes: Text | None
    takes: tuple[TakeCard, ...]
    rejected: tuple[TakeCard, ...]
    behind: tuple[TakeCard, ...]
    lacking: str
    frames: int
    change: Literal["", "new", "changed"] = ""
    before: str | None = None

    @property
    def shown(self) -> tuple[TakeCard, ...]:
        """Return all takes and passes."""
        return (*self.takes, *self.rejected, *self.behind)


@dataclass(frozen=True, slots=True)
class Group:
    """Describe one sequence; the name is empty if the board has no sequences."""

    name: str
    length: str
    cards: tuple[Card, ...]


def groups(manifest: Manifest, links: LinksOf, since: Since = _FIRST_RUN) -> list[Group]:
    """Return the board's sequences with their shots, in order, in the words of its language.

    Args:
        manifest: Manifest of the run.
        links: Function that returns the URLs of a frame.
        since: What changed since the last run.
    """
    usual = usual_size(manifest)
    found = sequences(manifest)
    cards = _Cards(manifest.fps, usual, links, labels(manifest.lang), since)
    return [cards.group(each, alone=len(found) == 1) for each in found]


@dataclass(frozen=True, slots=True)
class _Cards:
    """Describe the shots of a board.

    Attributes:
        fps: Frames per second of the film.
        usual: Width and height of most frames.
        links: Function that returns the URLs of a frame.
        label: Words of the page's language.
        since: What changed since the last run.
    """

    fps: float
    usual: tuple[int, int]
    links: LinksOf
    label: Labels
    since: Since

    def group(self, group: Sequence, *, alone: bool) -> Group:
        """Return a sequence; ``alone`` if the board has no other."""
        name = one_line(group.name) or ("" if alone else self.label("Without sequence"))
        length = f"{counted(self.label, len(group.shots), 'shot')} · {timecode(group.frames, self.fps)}"
        return Group(name, length, tuple(map(self._card, group.shots)))

    def _card(self, placed: Placed) -> Card:
        shot = placed.shot
        notes = shot.shot.get("notes")
        front, rejected, behind = ([self._take(shot, take) for take in takes] for takes in _by_place(shot))
        seconds = self.label("{count} s", count=number(shot.duration))
        return Card(
            number=placed.number,
            name=one_line(str(shot.shot_id)),
            position=timecode(placed.start, self.fps),
            length=f"{seconds} · {counted(self.label, placed.frames, 'frame')}",
            prompt=_text(shot.prompt),
            film=tuple(_film(shot)),
            notes=_text(notes) if isinstance(notes, str) and notes.strip() else None,
            takes=tuple(front),
            rejected=tuple(rejected),
            behind=tuple(behind),
            lacking=lacking(shot),
            frames=placed.frames,
            change=self._change(str(shot.shot_id)),
            before=self._before(self.since.changed.get(str(shot.shot_id))),
        )

    def _change(self, name: str) -> Literal["", "new", "changed"]:
        if name in self.since.new:
            return "new"
        return "changed" if name in self.since.changed else ""

    def _before(self, frame: Frame | None) -> str | None:
        """Return the URL of a picture of the last run: of the frame, or else its thumbnail."""
        if frame is None:
            return None
        still = still_of(frame, "", self.usual, self.links(frame))
        return still.href if still.kind == "picture" and still.href else still.poster

    def _take(self, shot: ShotEntry, take: TakeEntry) -> TakeCard:
        picked = take is circled(shot)
        name, shot_id = one_line(take.pass_name), one_line(str(shot.shot_id))
        slate = (
            self.label("Shot {shot}, pass {name}", shot=shot_id, name=name)
            if name
            else self.label("Shot {shot}, take {take}", shot=shot_id, take=take.take)
        )
        alt = f"{slate}{', ' + self.label('picked') if picked else ''}: {shorten(one_line(shot.prompt), 200)}"
        return TakeCard(
            take=take.take,
            pass_name=name,
            picked=picked,
            outcome=take.outcome,
            facts=tuple(dict.fromkeys(filter(None, map(self._facts, take.frames)))),
            state=self.label(take.outcome),
            details=tuple(self._details(take)),
            attempts=self._attempts(take),
            stills=tuple(still_of(frame, alt, self.usual, self.links(frame)) for frame in take.frames),
            error=reason(take),
            marks=in_words(take.marks, self.label),
            shown=take is shot.shown,
        )

    def _rendered(self, take: TakeEntry) -> str:
        server = server_name(take.server) if take.server else ""
        if take.seconds is None:
            return self.label("on {server}", server=server) if server else ""
        time = spelled(self.label, take.seconds)
        return self.label("{time} on {server}", time=time, server=server) if server else time

    def _details(self, take: TakeEntry) -> Iterator[str]:
        if take.seed is not None:
            yield self.label("seed {seed}", seed=take.seed)
        made = self._rendered(take) if take.outcome in ("rendered", "joined", "cached") else ""
        if made:
            yield self.label("rendered before: {how}", how=made) if take.outcome == "cached" else made
        if take.outcome == "joined":
            yield self.label("found on the server: submitted before this run")
        if take.retried:
            yield retry_in_words(take.retried, self.label)
        if take.waiting is not None:
            yield self.label("waited {time}", time=spelled(self.label, take.waiting))
        if take.uploading is not None:
            yield self.label("frames stored in {time}", time=spelled(self.label, take.uploading))
        if take.comfyui:
            yield f"ComfyUI {shorten(one_line(take.comfyui), 60)}"

    def _attempts(self, take: TakeEntry) -> Attempts | None:
        if not take.attempts:
            return None
        failed = counted(self.label, len(take.attempts), "failed attempt")
        listed = take.attempts[-_MOST_ATTEMPTS:]
        return Attempts(
            summary=self.label("{attempts} before", attempts=failed) if take.frames else failed,
            left_out=len(take.attempts) - len(listed),
            lines=tuple(self._attempt(each) for each in listed),
        )

    def _attempt(self, attempt: Attempt) -> tuple[str, str]:
        where = f" {self.label('on {server}', server=server_name(attempt.server))}" if attempt.server else ""
        return f"{moment(attempt.at)}{where}", shorten(clean(attempt.error), LONGEST_REASON)

    def _facts(self, frame: Frame) -> str:
        if frame.kind not in PLAYED:
            return ""
        size = f"{frame.width}×{frame.height}" if frame.width and frame.height else ""
        duration = self.label("{count} s", count=f"{frame.duration:.1f}") if frame.duration else ""
        rate = self.label("{count} fps", count=number(frame.frame_rate)) if frame.frame_rate else ""
        return " · ".join(filter(None, (duration, size, rate)))


def _film(shot: ShotEntry) -> Iterator[tuple[str, Text]]:
    for kind, words in film_of(shot.shot)._asdict().items():
        if words and words != shot.prompt:
            yield kind, _text(words)


def _by_place(shot: ShotEntry) -> tuple[tuple[TakeEntry, ...], tuple[TakeEntry, ...], tuple[TakeEntry, ...]]:
    """Return the takes and passes that are seen at once, those that were rejected, and those behind the last pass."""
    front, behind = arranged(shot)
    if front and front[0] is circled(shot) and front[0].frames:
        return front[:1], front[1:], behind
    return front, (), behind


def _text(words: str) -> Text:
    cleaned = clean(words).strip()
    return Text(cleaned, language(cleaned))
