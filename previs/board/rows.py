"""The table of shots, for a Prefect table artifact."""

from collections.abc import Callable

from previs.board.addresses import markdown_link
from previs.board.wording import cell, server_name
from previs.manifest import Manifest, ShotEntry, TakeEntry
from previs.records import Frame

Row = dict[str, str | int | float]


def shot_rows(manifest: Manifest, *, link: Callable[[Frame], str | None]) -> list[Row]:
    """One row for each take, in the board's order, every row with the same columns.

    Seeds are text: a browser reads JSON numbers as doubles and would show another seed above 2^53.

    Args:
        manifest: of the run.
        link: the address where a person opens a frame, none if there is none.
    """
    return [_row(shot, take, link) for shot in manifest.shots for take in shot.takes or (None,)]


def _row(shot: ShotEntry, take: TakeEntry | None, link: Callable[[Frame], str | None]) -> Row:
    if take is None:
        return _columns(shot.shot_id, state="failed", error="no take was made")
    return _columns(
        shot.shot_id,
        take=take.take,
        state=take.outcome,
        seed="" if take.seed is None else str(take.seed),
        seconds="" if take.seconds is None else round(take.seconds, 1),
        server=cell(server_name(take.server or ""), 100),
        link=markdown_link("open", link(take.frames[0])) if take.frames else "",
        error=cell(take.error or "", 1000),
    )


def _columns(
    shot_id: int | str,
    *,
    take: int | str = "",
    state: str,
    seed: str = "",
    seconds: float | str = "",
    server: str = "",
    link: str = "",
    error: str = "",
) -> Row:
    shot = shot_id if isinstance(shot_id, int) else cell(shot_id, 100)
    return {
        "shot": shot,
        "take": take,
        "state": state,
        "seed": seed,
        "seconds": seconds,
        "server": server,
        "link": link,
        "error": error,
    }
