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
from previs.publishing.views.cards import FrameLinks, Group, LinksOf, Still, groups, usual_size
from previs.publishing.views.labels import counted, labels, spelled
from previs.publishing.views.sequences import sequences, totals
from previs.publishing.views.takes import lacking
from previs.publishing.views.timecode import exact_fps, number, timecode, whole_rate
from previs.publishing.views.wording import clean, language, moment, one_line, seconds_between
from previs.records.manifest import Manifest

__all__ = ["ASSETS", "FrameLinks", "page", "page_assets", "page_pieces"]

_STYLE, _SCRIPT = "board.css", "board.js"
_STYLES: Final = (_STYLE, "viewer.css")
_SCRIPTS: Final = (_SCRIPT, "viewer.js", "play.js")
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
    manifest: Manifest, *, links: LinksOf, note: str | None = None, assets: Mapping[str, str] | None = None
) -> str:
    """Return the ``index.html`` of a run; see :func:`page_pieces`."""
    return "".join(page_pieces(manifest, links=links, note=note, assets=assets))


def page_pieces(
    manifest: Manifest, *, links: LinksOf, note: str | None = None, assets: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Return the ``index.html`` of a run in pieces: frames in order with their slates, and problems.

    The pieces of a long list take several times the memory of the page, if they are kept.

    Args:
        manifest: Manifest of the run.
        links: Function that returns the URLs of a frame; called once for each frame.
        note: Sentence for the head of the page, such as until when its links work.
        assets: URLs of the files of :func:`page_assets` by their names, relative to the page or absolute, for hosts
            whose policy forbids inline style and script; None for one self-contained file.
    """
    shown, label = groups(manifest, links), labels(manifest.lang)
    inline = page_assets(manifest)
    title = one_line(manifest.title) or one_line(manifest.board)
    count = totals(manifest)
    cards = [card for group in shown for card in group.cards]
    return (
        _environment()
        .get_template("index.html")
        .generate(
            policy=_policy(inline, assets, _stills(shown)),
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
            bars=list(_bars(manifest)),
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


def _stills(shown: Iterable[Group]) -> Iterator[Still]:
    return (
        still
        for group in shown
        for card in group.cards
        for take in (*card.takes, *card.behind)
        for still in take.stills
    )


def _policy(inline: Mapping[str, str], assets: Mapping[str, str] | None, stills: Iterable[Still]) -> str:
    """Return a content security policy that allows this page's style, script and schemes of pictures."""
    used = {scheme(url) for still in stills for url in (still.src, still.href, still.poster) if url is not None}
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
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _origin(url: str) -> str:
    """Return the source expression for a file at a URL: its origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme else " ".join(_BESIDE)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
