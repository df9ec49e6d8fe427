"""Prepare a board for its page: text is cleaned but not yet escaped, and only allowed URLs are kept."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from previs.pictures.media import is_inert
from previs.publishing.views.addresses import for_page, is_picture
from previs.publishing.views.film import film_of
from previs.publishing.views.labels import Labels, counted, labels, spelled
from previs.publishing.views.marks import in_words, retry_in_words
from previs.publishing.views.sequences import Placed, Sequence, sequences
from previs.publishing.views.takes import LONGEST_REASON, arranged, circled, lacking, reason
from previs.publishing.views.timecode import number, timecode
from previs.publishing.views.wording import clean, language, moment, one_line, server_name, shorten
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Attempt, Frame

_USUAL = (1024, 576)
_MOST_ATTEMPTS = 20
_LONG_PROMPT = 260
"""Characters above which a prompt is folded; wide characters, such as Chinese, count twice."""

Kind = Literal["picture", "clip", "video", "sound", "file"]
_PLAYED: dict[str, Kind] = {"video": "video", "audio": "sound"}


@dataclass(frozen=True, slots=True)
class FrameLinks:
    """Locate a frame for a page.

    Relative paths are relative to the page and percent-encoded. A URL that may not be used (see
    :mod:`previs.publishing.views.addresses`) is dropped, and the frame's thumbnail replaces it.

    Attributes:
        src: Relative path, URL, or ``data:`` URI of an image to show.
        href: URL to open with a click.
    """

    src: str
    href: str


LinksOf = Callable[[Frame], FrameLinks]


@dataclass(frozen=True, slots=True)
class Still:
    """Describe one frame on the page.

    Attributes:
        kind: ``picture`` opens large on the page, ``clip`` is a picture that opens its film elsewhere, ``video`` and
            ``sound`` have a player, ``file`` is only a link.
        src: URL to show or play; None for ``file`` and if no URL may be used.
        href: URL to open with a click; None if no URL may be used, and for ``data:``, which browsers do not open.
    """

    kind: Kind
    src: str | None
    href: str | None
    alt: str
    width: int
    height: int
    poster: str | None
    format: str


@dataclass(frozen=True, slots=True)
class Text:
    """Hold untrusted text, its language for the browser, and whether it is folded at first."""

    words: str
    lang: str | None
    long: bool


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
        made: Duration and server of the render, or another outcome.
        details: Technical details of the render, in phrases.
        attempts: Failed attempts; None if no attempt failed.
        error: Reason why there is no frame; empty if there is one.
        marks: What frame QC found wrong, each in a few words.
        shown: Whether it shows the shot where there is room for one picture.
    """

    take: int
    pass_name: str
    picked: bool
    outcome: str
    seed: str
    facts: tuple[str, ...]
    made: str
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
        behind: What the last pass was made from, and other takes; empty without passes.
        film: What the shot says for people: kind and text.
        lacking: ``failed`` or ``skipped`` if frames are missing, else empty.
        frames: Length in frames of the film.
    """

    number: int
    name: str
    position: str
    length: str
    prompt: Text
    film: tuple[tuple[str, Text], ...]
    notes: Text | None
    takes: tuple[TakeCard, ...]
    behind: tuple[TakeCard, ...]
    lacking: str
    frames: int


@dataclass(frozen=True, slots=True)
class Group:
    """Describe one sequence; the name is empty if the board has no sequences."""

    name: str
    length: str
    cards: tuple[Card, ...]


def groups(manifest: Manifest, links: LinksOf) -> list[Group]:
    """Return the board's sequences with their shots, in order, in the words of its language."""
    usual = usual_size(manifest)
    found = sequences(manifest)
    cards = _Cards(manifest.fps, usual, links, labels(manifest.lang))
    return [cards.group(each, alone=len(found) == 1) for each in found]


def usual_size(manifest: Manifest) -> tuple[int, int]:
    """Return the most frequent width and height of the board's frames, in pixels."""
    sizes = Counter(
        (frame.width, frame.height)
        for shot in manifest.shots
        for take in shot.renders
        for frame in take.frames
        if frame.width and frame.height and frame.width > 0 and frame.height > 0
    )
    return next(((w, h) for (w, h), _ in sizes.most_common(1)), _USUAL)


@dataclass(frozen=True, slots=True)
class _Cards:
    """Describe the shots of a board.

    Attributes:
        fps: Frames per second of the film.
        usual: Width and height of most frames.
        links: Function that returns the URLs of a frame.
        label: Words of the page's language.
    """

    fps: float
    usual: tuple[int, int]
    links: LinksOf
    label: Labels

    def group(self, group: Sequence, *, alone: bool) -> Group:
        """Return a sequence; ``alone`` if the board has no other."""
        name = one_line(group.name) or ("" if alone else self.label("Without sequence"))
        length = f"{counted(self.label, len(group.shots), 'shot')} · {timecode(group.frames, self.fps)}"
        return Group(name, length, tuple(map(self._card, group.shots)))

    def _card(self, placed: Placed) -> Card:
        shot = placed.shot
        notes = shot.shot.get("notes")
        front, behind = ([self._take(shot, take) for take in takes] for takes in arranged(shot))
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
            behind=tuple(behind),
            lacking=lacking(shot),
            frames=placed.frames,
        )

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
            seed="" if take.seed is None else str(take.seed),
            facts=tuple(dict.fromkeys(filter(None, map(self._facts, take.frames)))),
            made=self._made(take),
            details=tuple(self._details(take)),
            attempts=self._attempts(take),
            stills=tuple(_still(frame, alt, self.usual, self.links(frame)) for frame in take.frames),
            error=reason(take),
            marks=in_words(take.marks, self.label),
            shown=take is shot.shown,
        )

    def _made(self, take: TakeEntry) -> str:
        known = take.outcome in ("rendered", "joined") and take.seconds is not None
        return self._rendered(take) if known else self.label(take.outcome)

    def _rendered(self, take: TakeEntry) -> str:
        server = server_name(take.server) if take.server else ""
        if take.seconds is None:
            return self.label("on {server}", server=server) if server else ""
        time = spelled(self.label, take.seconds)
        return self.label("{time} on {server}", time=time, server=server) if server else time

    def _details(self, take: TakeEntry) -> Iterator[str]:
        if take.outcome == "cached" and (made := self._rendered(take)):
            yield self.label("rendered before: {how}", how=made)
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
        if frame.kind not in _PLAYED:
            return ""
        size = f"{frame.width}×{frame.height}" if frame.width and frame.height else ""
        duration = self.label("{count} s", count=f"{frame.duration:.1f}") if frame.duration else ""
        rate = self.label("{count} fps", count=number(frame.frame_rate)) if frame.frame_rate else ""
        return " · ".join(filter(None, (duration, size, rate)))


def _film(shot: ShotEntry) -> Iterator[tuple[str, Text]]:
    for kind, words in film_of(shot.shot)._asdict().items():
        if words and words != shot.prompt:
            yield kind, _text(words)


def _text(words: str) -> Text:
    cleaned = clean(words).strip()
    width = sum(1 if char.isascii() else 2 for char in cleaned)
    return Text(cleaned, language(cleaned), width > _LONG_PROMPT)


def _still(frame: Frame, alt: str, usual: tuple[int, int], links: FrameLinks) -> Still:
    thumbnail = frame.thumbnail if frame.thumbnail and is_picture(frame.thumbnail) else None
    src, href = for_page(links.src) or thumbnail, for_page(links.href)
    if not is_inert(frame.key):
        src, href = thumbnail, None
    kind = _kind(frame, src)
    sized = frame.width and frame.height and frame.width > 0 and frame.height > 0
    return Still(
        kind=kind,
        src=src,
        href=href if href and not is_picture(href) else None,
        alt=alt,
        width=(frame.width or 0) if sized else usual[0],
        height=(frame.height or 0) if sized else usual[1],
        poster=thumbnail,
        format=one_line(frame.media_type),
    )


def _kind(frame: Frame, src: str | None) -> Kind:
    if src is None:
        return "file"
    if frame.kind == "image":
        return "picture"
    if is_picture(src):
        return "clip"
    return _PLAYED.get(frame.kind, "file")
