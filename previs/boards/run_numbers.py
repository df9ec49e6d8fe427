"""Number the runs of a board from 1; runs that start at once get different numbers."""

import json

from previs.store import Store, keys

# A number of hundreds of digits, which previs never writes, would leave no key for the next one.
_MOST_DIGITS = 9


async def next_number(store: Store, board: str, run: str) -> int:
    """Reserve and return the number after the highest; every call reserves another one.

    Args:
        store: Store of the board.
        board: Name of the board.
        run: Name of the run, which no other run has.
    """
    taken = await store.entries(keys.numbers_prefix(board))
    names = [key.rpartition("/")[2].removesuffix(".json") for key in taken]
    number = max((int(name) for name in names if name.isdecimal() and len(name) <= _MOST_DIGITS), default=0)
    content = json.dumps({"schema": "previs.number/1", "run": run}).encode()
    while True:
        number += 1
        if await store.create(keys.number_key(board, number), content, media_type="application/json"):
            return number
