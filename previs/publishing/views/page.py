"""Make the board's page, which works from a folder and from S3, with and without scripts.

It is one HTML file, or on request an HTML file with its style and script beside it.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from previs.errors import ShotListFaults
from previs.publishing.views.addresses import scheme
from previs.publishing.views.cards import Card, groups
from previs.publishing.views.compared import Since
from previs.publishing.views.labels import counted, labels, spelled
from previs.publishing.views.sequences import sequences, totals
from previs.publishing.views.stills import FrameLinks, LinksOf, usual_size
from previs.publishing.views.takes import lacking
from previs.publishing.views.timecode import exact_fps, number, timecode, whole_rate
from previs.publishing.views.wording import clean, language, moment, one_line, seconds_between
from previs.records.manifest import Manifest

__all__ = ["ASSETS", "FrameLinks", "page", "page_assets", "page_pieces"]

_STYLE, _SCRIPT = "board.css", "board.js"
_STYLES: Final = (_STYLE, "viewer.css")
_SCRIPTS: Final = ("folding.js", _SCRIPT, "viewer.js", "play.js")
_MOST_NAMED: Final = 40
_ROW: Final = 3
"""Takes of a board that are printed larger, in one row."""
ASSETS: Final = {_STYLE: "text/css; charset=utf-8", _SCRIPT: "text/javascript; charset=utf-8"}
"""Media types of the files beside a page without inline style and script, by file name."""
# A relative path on a page in a folder is file:, which some browsers do not count as 'self'.
_BESIDE: Final = ("'self'", "file:")


def page_assets(manifest: Manifest) -> dict[str, str]:
    """Return the files beside a page without inline style and script, by the names in :data:`ASSETS`."""
    width, height = usual_size(manifest)
    style = f":root {{ --across: {width}; --down: {height}; }}\n{_joined(_STYLES)}"
    return {_STYLE: style, _SCRIPT: f"(() => {{\n{_joined(_SCRIPTS)}}})();\n"}


def page(
    manifest: Manifest,
    *,
    links: LinksOf,
    note: str | None = None,
    assets: Mapping[str, str] | None = None,
    since: Since | None = None,
) -> str:
    """Return the ``index.html`` of a run; see :func:`page_pieces`."""
    return "".join(page_pieces(manifest, links=links, note=note, assets=assets, since=since))


def page_pieces(
    manifest: Manifest,
    *,
    links: LinksOf,
    note: str | None = None,
    assets: Mapping[str, str] | None = None,
    rules: Mapping[str, str] | None = None,
    since: Since | None = None,
) -> Iterator[str]:
    """Return the ``index.html`` of a run in pieces: frames in order with their slates, changes, and problems.

    The pieces of a long list take several times the memory of the page, if they are kept.

    Args:
        manifest: Manifest of the run.
        links: Function that returns the URLs of a frame; called once for each frame, also of the last run.
        note: Sentence for the head of the page, such as until when its links work.
        assets: URLs of the files of :func:`page_assets` by their names, relative to the page or absolute, for hosts
            whose policy forbids inline style and script; None for one self-contained file.
        rules: Rules of the content security policy in place of the page's own, or beside them, by directive.
        since: What changed since the last run; None if this is the board's first.
    """
    label = labels(manifest.lang)
    shown = groups(manifest, links, since) if since else groups(manifest, links)
    inline = page_assets(manifest)
    title = one_line(manifest.title) or one_line(manifest.board)
    count = totals(manifest)
    cards = [card for group in shown for card in group.cards]
    return (
        _environment()
        .get_template("index.html")
        .generate(
            policy=_policy(inline, assets, cards, rules or {}),
            css=Markup(inline[_STYLE]),  # noqa: S704 - our own file and two whole numbers
            script=Markup(inline[_SCRIPT]),  # noqa: S704 - our own file
            style_url=assets[_STYLE] if assets else None,
            script_url=assets[_SCRIPT] if assets else None,
            label=label,
            lang=manifest.lang,
            title=title,
            title_lang=language(title),
            board=one_line(manifest.board),
            run=one_line(manifest.run),
            finished=manifest.finished,
            count=count,
            total=timecode(count.frames, manifest.fps),
            length=spelled(label, manifest.duration),
            fps=number(manifest.fps),
            fps_exact=_fps_exact(manifest.fps),
            whole_rate=whole_rate(manifest.fps),
            counted=counted,
            note=clean(note) if note else None,
            problems=[clean(problem) for problem in manifest.problems],
            failed=[card for card in cards if card.lacking == "failed"],
            skipped=[card for card in cards if card.lacking == "skipped"],
            since=since,
            changes=_changes(cards, since) if since else (),
            bars=list(_bars(manifest)),
            few=sum(max(len(card.takes), 1) for card in cards) <= _ROW,
            groups=shown,
            ends=label("Made in {time}.", time=spelled(label, seconds_between(manifest.started, manifest.finished))),
        )
    )


@dataclass(frozen=True, slots=True)
class _Bar:
    """Place a shot on the strip that shows the rhythm of the board, in frames.

    Attributes:
        lacking: ``failed`` or ``skipped`` if frames are missing, else empty.
    """

    number: int
    name: str
    start: int
    width: float
    lacking: str


@dataclass(frozen=True, slots=True)
class _Change:
    """Name the shots that changed in one way since the last run.

    Attributes:
        kind: ``new``, ``changed`` or ``omitted``.
        shots: Number on the board, or None if omitted, and name of the first shots.
        more: Number of the others.
    """

    kind: str
    count: int
    shots: tuple[tuple[int | None, str], ...]
    more: int


def _changes(cards: Iterable[Card], since: Since) -> tuple[_Change, ...]:
    named: dict[str, list[tuple[int | None, str]]] = {"new": [], "changed": []}
    for card in cards:
        if card.change:
            named[card.change].append((card.number, card.name))
    named["omitted"] = [(None, one_line(name)) for name in since.omitted]
    return tuple(
        _Change(kind, len(shots), tuple(shots[:_MOST_NAMED]), max(len(shots) - _MOST_NAMED, 0))
        for kind, shots in named.items()
        if shots
    )


def _bars(manifest: Manifest) -> Iterator[_Bar]:
    gap = totals(manifest).frames / 800
    for group in sequences(manifest):
        for placed in group.shots:
            width = round(max(placed.frames - gap, placed.frames / 2), 2)
            yield _Bar(placed.number, one_line(str(placed.shot.shot_id)), placed.start, width, lacking(placed.shot))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("previs.publishing.views", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    return environment


@cache
def _joined(names: tuple[str, ...]) -> str:
    folder = files("previs.publishing.views") / "template"
    return "".join((folder / name).read_text(encoding="utf-8") for name in names)


def _fps_exact(fps: float) -> str:
    """Return the frame rate as a ratio of whole numbers; empty if no film has it."""
    try:
        return str(exact_fps(fps))
    except ShotListFaults:
        return ""


def _used(cards: Iterable[Card]) -> Iterator[str | None]:
    """Yield the URLs that a page shows, plays or links to."""
    for card in cards:
        yield card.before
        for take in card.shown:
            for still in take.stills:
                yield from (still.src, still.href, still.poster)


def _policy(
    inline: Mapping[str, str], assets: Mapping[str, str] | None, cards: Iterable[Card], more: Mapping[str, str]
) -> str:
    """Return a content security policy that allows this page's style, script and schemes of pictures."""
    used = {scheme(url) for url in _used(cards) if url is not None}
    origins = sorted(f"{name}:" for name in used - {""}) + (list(_BESIDE) if "" in used else [])
    sources = " ".join(dict.fromkeys(origins)) or "'none'"
    rules = {
        "default-src": "'none'",
        "img-src": sources,
        "media-src": sources,
        "style-src": _origin(assets[_STYLE]) if assets else _hash(inline[_STYLE]),
        "script-src": _origin(assets[_SCRIPT]) if assets else _hash(inline[_SCRIPT]),
        "base-uri": "'none'",
        "form-action": "'none'",
        **more,
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _origin(url: str) -> str:
    """Return the source expression for a file at a URL: its origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme else " ".join(_BESIDE)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
