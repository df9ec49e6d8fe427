"""The board: what a person looks at when a run is over, and while it runs.

Everything here makes text from a manifest and touches neither network nor disk: the page, the contact sheet and the
table of shots for Prefect's artifacts, the progress sheet. Prompts, names, errors and addresses in a manifest are
untrusted; what leaves here is escaped, and no address but of a known harmless kind becomes a link.
"""

from previs.publishing.views.overview import overview
from previs.publishing.views.page import FrameLinks, page
from previs.publishing.views.progress import Progress, RunningTake, progress_sheet
from previs.publishing.views.rows import shot_rows
from previs.publishing.views.sheet import FOR_FORM, contact_sheet

__all__ = [
    "FOR_FORM",
    "FrameLinks",
    "Progress",
    "RunningTake",
    "contact_sheet",
    "overview",
    "page",
    "progress_sheet",
    "shot_rows",
]
