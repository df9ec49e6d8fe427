"""Make the table of shots for a Prefect table artifact."""

import json
from collections.abc import Callable, Iterator, Sequence

from previs.pictures.media import is_inert
from previs.publishing.views.addresses import markdown_link
from previs.publishing.views.marks import in_words
from previs.publishing.views.takes import PICKED_MARK, reason
from previs.publishing.views.wording import cell, server_name
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame

Row = dict[str, str | int | float]
_COLUMNS = ("shot", "take", "pass", "picked", "state", "error", "qc", "seconds", "server", "seed", "frame")
_MOST_ROWS = 500
_MOST_BYTES = 400_000


def shot_rows(manifest: Manifest, *, link: Callable[[Frame], str | None]) -> list[Row]:
    """Return one row for each take and pass, in the board's order, all with the same columns.

    A separate column marks the picked take, so that takes stay numbers. Columns of passes and of frame QC are left out
    if they are empty. Seeds are text: browsers read JSON numbers as doubles and would show a wrong seed above 2^53.

    Args:
        manifest: Manifest of the run.
        link: Function that returns the http(s) URL where a person opens a frame, or its absolute path, or None.
    """
    rows = [_row(shot, take, link) for shot in manifest.shots for take in shot.renders or (None,)]
    unused = {name for name in ("pass", "qc") if not any(row[name] for row in rows)}
    return [{name: value for name, value in row.items() if name not in unused} for row in rows]


def _row(shot: ShotEntry, take: TakeEntry | None, link: Callable[[Frame], str | None]) -> Row:
    name = shot.shot_id if isinstance(shot.shot_id, int) else cell(shot.shot_id, 100)
    row: Row = dict.fromkeys(_COLUMNS, "")
    row["shot"] = name
    if take is None:
        return row | {"state": "failed", "error": "no take was made"}
    return row | {
        "take": take.take,
        "pass": cell(take.pass_name, 100),
        "picked": PICKED_MARK if take.take == shot.picked and not take.pass_name else "",
        "state": take.outcome,
        "seed": "" if take.seed is None else str(take.seed),
        "seconds": "" if take.seconds is None else round(take.seconds, 1),
        "server": cell(server_name(take.server or ""), 100),
        "error": cell(reason(take), 1000),
        "qc": cell(", ".join(in_words(take.marks)), 400),
        "frame": _where(link(take.frames[0])) if take.frames and is_inert(take.frames[0].key) else "",
    }


def _where(address: str | None) -> str:
    """Return a link, or a path as text."""
    return cell(address, 1000) if address and address.startswith("/") else markdown_link("open", address)


def row_pages(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows in pages of at most 500 and of at most 400,000 bytes as Prefect stores them."""
    page: list[Row] = []
    room = _MOST_BYTES
    for row in rows:
        size = len(json.dumps(row)) + len(", ")
        if page and (size > room or len(page) == _MOST_ROWS):
            yield page
            page, room = [], _MOST_BYTES
        page.append(row)
        room -= size
    yield page
