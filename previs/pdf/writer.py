"""Write laid-out pages as PDF, with fpdf2."""

import io
import logging
from pathlib import Path
from typing import Final

from fpdf import FPDF
from fpdf.fonts import TTFFont

from previs.pdf.layout import Page, Text
from previs.pdf.letters import Letters, font_file, is_embeddable
from previs.pdf.paper import MM, Box, Sheet, contain
from previs.pdf.pictures import Shown
from previs.records.manifest import Manifest

_BACKGROUND: Final = 240
_BORDER: Final = 150
_HAIRLINE: Final = 0.2  # millimetres

# It logs each table of a font that it leaves out.
logging.getLogger("fontTools.subset").setLevel(logging.ERROR)


class PdfWriter:
    """Write pages one after another; what they hold stays in memory, pictures as JPEG."""

    def __init__(self, manifest: Manifest, title: str, sheet: Sheet, letters: Letters, folder: Path) -> None:
        """Begin a document.

        Args:
            manifest: Board of the document.
            title: Title of the document.
            sheet: Size of a page.
            letters: Fonts.
            folder: Folder for temporary files, which is needed until the end.
        """
        self._letters = letters
        self._pdf = FPDF(unit="mm", format=(sheet.width, sheet.height))
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        # A text of a shot may hold fpdf2's own sign for the number of pages.
        self._pdf.alias_nb_pages("")
        self._pdf.set_title(title)
        self._pdf.set_lang(manifest.lang)
        self._pdf.set_creator("previs")
        self._pdf.set_creation_date(manifest.finished)
        self._pdf.set_line_width(_HAIRLINE)
        self._pdf.set_draw_color(_BORDER)
        self._pdf.set_fill_color(_BACKGROUND)
        for number, face in enumerate(letters.fonts.faces):
            if is_embeddable(face):
                self._pdf.add_font(_family(number), fname=font_file(face, folder), collection_font_number=face.index)

    def begin(self, page: Page, logo: Shown | None) -> None:
        """Begin a page with its texts and the logo."""
        self._pdf.add_page()
        if logo and page.logo:
            self._image(logo, page.logo)
        for name in page.sequences:
            self._pdf.start_section(name)
        for text in page.texts:
            self.write(text)
        for panel in page.panels:
            for text in panel.texts:
                self.write(text)

    def write(self, text: Text) -> None:
        """Write a text at its place."""
        self._pdf.set_text_color(text.grey)
        x = text.x
        for face, run in self._letters.runs(text.text):
            self._pdf.set_font(_family(face), size=text.size)
            self._pdf.text(x, text.y, run)
            x += self._letters.width(run) * text.size * MM

    def picture(self, shown: Shown, box: Box) -> None:
        """Show a picture in its own aspect in the middle of a box, on grey where it does not fill it."""
        place = contain(box, shown.size[0] / shown.size[1])
        self._pdf.rect(box.x, box.y, box.width, box.height, "F")
        self._image(shown, place)
        self._pdf.rect(box.x, box.y, box.width, box.height)

    def empty(self, box: Box, words: list[Text]) -> None:
        """Show words in place of a picture."""
        self._pdf.rect(box.x, box.y, box.width, box.height, "DF")
        for text in words:
            self.write(text)

    def finish(self) -> bytes:
        """Return the document; nothing can be written to it afterwards."""
        return bytes(self._pdf.output())

    def close(self) -> None:
        """Close the files of the fonts, which fpdf2 leaves open."""
        for font in self._pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def _image(self, shown: Shown, box: Box) -> None:
        self._pdf.image(io.BytesIO(shown.jpeg), box.x, box.y, box.width, box.height)


def _family(number: int) -> str:
    return f"font{number}"
