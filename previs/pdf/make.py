"""Make the PDF of a board: fetch each frame, shrink it to its panel, and write page after page."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from previs.errors import Fault, ShotListFaults
from previs.pdf.layout import Head, Page, PlacedPanel, head_of, lay_out, words_instead
from previs.pdf.letters import Letters, is_embeddable
from previs.pdf.panels import Panel, Takes, panels_of, usual_aspect
from previs.pdf.paper import PanelCount, PaperName, sheet_of
from previs.pdf.pictures import Shown, logo, pictures, pixels
from previs.pdf.writer import PdfWriter
from previs.pictures.spill import SpillFolder
from previs.publishing.fonts import Face, find_fonts
from previs.publishing.views.labels import Labels, labels
from previs.publishing.views.wording import plural
from previs.records.manifest import Manifest
from previs.store import Store
from previs.text.listing import first_of

_NAMED: Final = 10
# Scripts of Unicode's Brahmic family that previs's users may write.
_SHAPED: Final = (
    "DEVANAGARI",
    "BENGALI",
    "TAMIL",
    "TELUGU",
    "THAI",
    "KHMER",
    "MYANMAR",
    "SINHALA",
    "GUJARATI",
    "KANNADA",
)
_NO_PICTURE: Final = "The picture cannot be read"

Report = Callable[[int, int], None]
"""Receives the number of finished panels and the number of all panels."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold how a PDF is made.

    Attributes:
        panels: Panels of a page.
        paper: Name of the paper.
        landscape: Whether pages lie on their long side; None: as suits the pictures.
        takes: Whether each shot has a panel, or each of its takes and passes.
        logo: Picture at the top of each page.
        font: File of a font that is used first.
    """

    panels: PanelCount = 6
    paper: PaperName = "A4"
    landscape: bool | None = None
    takes: Takes = "chosen"
    logo: Path | None = None
    font: Path | None = None


@dataclass(slots=True)
class Made:
    """Hold what was made.

    Attributes:
        content: The PDF.
        pages, panels: Numbers of them.
        without: Number of panels that have no picture, since none was made.
        notices: Sentences on what is not as the board says.
        faults: Sentences on frames that could not be used.
    """

    content: bytes = b""
    pages: int = 0
    panels: int = 0
    without: int = 0
    notices: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


async def make(
    store: Store,
    manifest: Manifest,
    picks: Mapping[str, int],
    settings: Settings = Settings(),
    report: Report = lambda *_: None,
) -> Made:
    """Return the PDF of a board.

    A frame that cannot be fetched or decoded becomes its thumbnail, or words that say so.

    Args:
        store: Store with the board's frames.
        manifest: Manifest of the run.
        picks: Numbers of the picked takes, by shot_id as text.
        settings: How it is made.
        report: Callback for progress.

    Raises:
        ShotListFaults: The settings name what is no picture or font.
        SourceUnavailable: The temporary folder cannot be written to.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    label = labels(manifest.lang)
    panels, head = panels_of(manifest, picks, settings.takes), head_of(manifest, label)
    letters = await asyncio.to_thread(_letters, panels, head, label, settings.font)
    sheet = sheet_of(settings.panels, settings.paper, usual_aspect(panels), landscape=settings.landscape)
    made = Made(panels=len(panels), without=sum(panel.frame is None for panel in panels))
    with SpillFolder() as spill:
        on_top = await logo(settings.logo, spill) if settings.logo else None
        aspect = on_top.size[0] / on_top.size[1] if on_top else None
        pages = await asyncio.to_thread(lambda: list(lay_out(panels, head, sheet, letters.width, label, logo=aspect)))
        shown = pictures(store, panels, pixels(sheet, len(panels)), spill, made.faults)
        with closing(PdfWriter(manifest, head.title, sheet, letters, spill.new().path.parent)) as writer:
            async with aclosing(shown):
                await _write(writer, pages, shown, letters, label(_NO_PICTURE), on_top, report)
            made.content = await asyncio.to_thread(writer.finish)
    made.pages = len(pages)
    made.notices = list(_notices(pages, panels, letters))
    return made


async def _write(
    writer: PdfWriter,
    pages: list[Page],
    shown: AsyncGenerator[Shown | None, None],
    letters: Letters,
    unreadable: str,
    on_top: Shown | None,
    report: Report,
) -> None:
    """Write pages, one picture at a time."""
    every, done = sum(len(page.panels) for page in pages), 0
    for page in pages:
        await asyncio.to_thread(writer.begin, page, on_top)
        for placed in page.panels:
            words = placed.panel.instead if placed.panel.frame is None else unreadable
            await asyncio.to_thread(_show, writer, placed, await anext(shown), words, letters)
            done += 1
            report(done, every)


def _letters(panels: Iterable[Panel], head: Head, label: Labels, font: Path | None) -> Letters:
    """Return fonts for all texts of a document.

    Raises:
        ShotListFaults: The named file is no font that may be embedded.
    """
    texts = [
        label("page {number} of {pages}"),
        label(_NO_PICTURE),
        "0123456789…?",
        head.title,
        head.contents,
        head.version,
    ]
    for panel in panels:
        texts += [panel.shot, panel.take, panel.duration, panel.instead]
        texts += [f"{each.label} {each.text}" for each in panel.fields]
    found = find_fonts(texts, font, is_embeddable)
    if font is not None and not is_embeddable(Face(str(font))):
        remedy = "give a font in TrueType or OpenType whose licence allows to embed it"
        raise ShotListFaults("the font", (Fault("--font", "", str(font), remedy),))
    return Letters(found)


def _show(writer: PdfWriter, placed: PlacedPanel, shown: Shown | None, words: str, letters: Letters) -> None:
    box = placed.room.picture
    if shown is not None:
        writer.picture(shown, box)
    else:
        writer.empty(box, words_instead(words, box, placed.size, letters.width))


def _notices(pages: list[Page], panels: list[Panel], letters: Letters) -> Iterator[str]:
    """Yield sentences on what a document does not show as it is."""
    short = [placed.panel.shot for page in pages for placed in page.panels if placed.short]
    if short:
        listed = first_of(short, _NAMED)
        yield f"texts of {plural(len(short), 'panel')} are shortened: {listed}; fewer panels on a page have more room"
    if several := sum(panel.more > 0 for panel in panels):
        yield f"{plural(several, 'panel')} of takes with several pictures: each shows the first"
    if notice := replace(letters.fonts, missing=frozenset(letters.missing)).notice:
        yield notice
    if joined := sorted(filter(_is_joined, letters.seen)):
        yield f"letters are not joined or reordered, as {joined[0]} (U+{ord(joined[0]):04X}) needs it in its script"


def _is_joined(character: str) -> bool:
    """Return whether a character belongs to a script whose letters a shaper joins or reorders."""
    return unicodedata.bidirectional(character) in ("R", "AL") or unicodedata.name(character, "").startswith(_SHAPED)
