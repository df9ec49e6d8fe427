"""Show a board to people: its page, and the contact sheet, table of shots and progress for Prefect's artifacts.

Everything here makes text from a manifest, without network or disk. Prompts, names, errors and URLs in a manifest are
untrusted: all text is escaped, and only URLs of known harmless kinds become links.
"""

from previs.publishing.views.compared import Since, since
from previs.publishing.views.overview import overview
from previs.publishing.views.page import ASSETS, FrameLinks, page, page_assets, page_pieces
from previs.publishing.views.progress import Progress, RunningTake, progress_sheet, status_line
from previs.publishing.views.rows import row_pages, shot_rows
from previs.publishing.views.sheet import FOR_FORM, contact_sheet, contact_sheets

__all__ = [
    "ASSETS",
    "FOR_FORM",
    "FrameLinks",
    "Progress",
    "RunningTake",
    "Since",
    "contact_sheet",
    "contact_sheets",
    "overview",
    "page",
    "page_assets",
    "page_pieces",
    "progress_sheet",
    "row_pages",
    "shot_rows",
    "since",
    "status_line",
]
