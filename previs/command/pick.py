"""Choose which take of a shot its board shows."""

from dataclasses import dataclass

from previs.boards.picks import pick, unpick
from previs.boards.runs import only_board
from previs.command.farm_and_store import option_store
from previs.command.output import write_line


@dataclass(frozen=True, slots=True)
class PickOrder:
    """Hold the options of ``previs pick``; see its help.

    Attributes:
        take: Number of the take; None clears the choice.
        board: Name of the board; None for the only board of the store.
    """

    store: str | None
    shot: str
    take: int | None
    board: str | None = None


async def pick_take(order: PickOrder) -> int:
    """Record the choice, print it and return the exit code.

    Raises:
        NotInStore: The store has no such board, shot or take.
        RecordUnreadable: The board's latest manifest cannot be used.
        StoreRefused, StoreUnavailable: The store cannot be read or written to.
    """
    async with await option_store(order.store) as store:
        board = order.board if order.board is not None else await only_board(store)
        if order.take is None:
            choice, change = await unpick(store, board, order.shot), "is no longer picked"
        else:
            choice, change = await pick(store, board, order.shot, order.take), "is picked"
    write_line(f"take {choice.take} of {choice.shot_id} {change}: the next run of {board} shows this")
    return 0
