"""Print what people said of the shots of a board."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from previs.boards.picks import picks
from previs.boards.runs import load_manifest, name_of
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_json, write_line
from previs.publishing.views.wording import moment, one_line
from previs.review.events import ReviewEvents
from previs.review.standing import Comment, ShotStanding, answer_of, standings

SCHEMA: Final = "previs.review-of-board/1"


@dataclass(frozen=True, slots=True)
class ReviewOrder:
    """Hold the options of ``previs review``; see its help."""

    store: str | None
    board: str
    as_json: bool = False
    resolved: bool = False


async def show_review(order: ReviewOrder) -> int:
    """Print the review and return the exit code: 1 if a shot waits for something.

    Raises:
        NotInStore: The store has no such board.
        RecordUnreadable: The board's latest manifest cannot be used.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    async with await option_store(order.store) as store:
        board = await name_of(store, order.board)
        manifest, _ = await load_manifest(store, board)
        chosen = await picks(store, board, warn=write_error)
        events = await ReviewEvents(store).of_board(board)
    circled = {shot: pick.take for shot, pick in chosen.items() if pick.take is not None}
    found = standings(manifest, circled, events)
    if order.as_json:
        answer = asdict(answer_of(manifest, found))
        head = {"schema": SCHEMA, "board": board, "run": manifest.run, "answer": answer}
        write_json(head | {"shots": [_as_json(shot) for shot in found]})
    else:
        _print(found, resolved=order.resolved)
    return 1 if any(map(_waits, found)) else 0


def _print(found: list[ShotStanding], *, resolved: bool) -> None:
    shown = [shot for shot in found if shot.decision or shot.comments or shot.circled is not None]
    if not shown:
        write_line("nobody has said anything of this board")
        return
    table = Table("shot", "take", "decision", "comments", box=None, pad_edge=False)
    for shot in shown:
        said = [_comment(each) for each in shot.comments if resolved or not each.resolved]
        take = "" if shot.circled is None else str(shot.circled)
        name = one_line(shot.shot_id) + ("" if shot.on_board else " (no longer on the board)")
        table.add_row(*map(Text, (name, take, _decision(shot), "\n".join(said))))
    console().print(table)
    count = Counter(_state(shot) for shot in found if shot.on_board)
    write_line(", ".join(f"{count[state]} {state}" for state in ("approved", "stale", "again", "undecided")))


def _state(shot: ShotStanding) -> str:
    if shot.decision is None:
        return "undecided"
    if shot.decision.stale:
        return "stale"
    return "approved" if shot.decision.kind == "approve" else "again"


def _decision(shot: ShotStanding) -> str:
    decision = shot.decision
    if decision is None:
        return ""
    what = "approved" if decision.kind == "approve" else "again"
    stale = ", stale: the picture has changed" if decision.stale and decision.kind == "approve" else ""
    stale = stale or (", done: there is a new picture" if decision.stale else "")
    text = f": {one_line(decision.text)}" if decision.text else ""
    return f"{what} by {one_line(decision.by)}, {moment(decision.at)}{stale}{text}"


def _comment(comment: Comment) -> str:
    marks = [f"resolved by {one_line(comment.resolved)}"] if comment.resolved else []
    marks += ["on an earlier picture"] if comment.stale else []
    tail = f" ({', '.join(marks)})" if marks else ""
    return f"{one_line(comment.by)}: {one_line(comment.text)}{tail}"


def _waits(shot: ShotStanding) -> bool:
    return shot.on_board and (bool(shot.open_comments) or _state(shot) in {"stale", "again"})


def _as_json(shot: ShotStanding) -> dict[str, Any]:
    def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return value.isoformat() if hasattr(value, "isoformat") else value

    return {name: each for name, each in plain(asdict(shot)).items() if name != "last"}
