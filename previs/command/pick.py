"""Circle a take: choose which take of a shot its board shows."""

import sys
from dataclasses import dataclass

from previs.boards.picks import pick, unpick
from previs.boards.runs import only_board
from previs.command.output import printable
from previs.command.places import store_of


@dataclass(frozen=True, slots=True)
class PickOrder:
    """What a person asked for; see the command's help.

    Attributes:
        take: none takes the choice back.
        board: none is the store's only one.
    """

    store: str | None
    shot: str
    take: int | None
    board: str | None = None


async def pick_take(order: PickOrder) -> int:
    """Write the choice down, and say what it changes; what the command exits with.

    Raises:
        NotInStore: there is no such board, shot or take.
        RecordUnreadable: the board's latest manifest cannot be used.
        StoreRefused, StoreTrouble: the store cannot be read or written to.
    """
    async with await store_of(order.store) as store:
        board = order.board if order.board is not None else await only_board(store)
        if order.take is None:
            before = await unpick(store, board, order.shot)
            told = f"take {before.take} of {before.shot_id} is no longer picked"
        else:
            chosen = await pick(store, board, order.shot, order.take)
            told = f"take {chosen.take} of {chosen.shot_id} is picked"
    sys.stdout.write(printable(f"{told}: the next run of {board} shows it so") + "\n")
    return 0
