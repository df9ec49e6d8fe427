"""The number of a run within its board, from 1: no two runs have the same, however many there are at once."""

import json

from previs.store import Store, keys


async def next_number(store: Store, board: str, run: str) -> int:
    """Take the number after the highest; whoever calls again gets another one.

    Args:
        store: where the board is.
        board: its name.
        run: the run's name, which no other run has.
    """
    there = await store.entries(keys.numbers_prefix(board))
    names = [key.rpartition("/")[2].removesuffix(".json") for key in there]
    number = max((int(name) for name in names if name.isdecimal()), default=0)
    content = json.dumps({"schema": "previs.number/1", "run": run}).encode()
    while True:
        number += 1
        if await store.create(keys.number_key(board, number), content, media_type="application/json"):
            return number
