"""The time to read a file grows with its size, whatever is in it, and not with the square of its size."""

import time
from contextlib import suppress

import pytest

from benchmarks.lists import FILES, Read
from previs.errors import PrevisError
from previs.shots import read_shot_list

SIZE, LARGER = 20_000, 400_000
PLAIN = ("shot_id,prompt,duration\n" + "".join(f"{number},p,1\n" for number in range(SIZE // 10))).encode()


def _seconds(read: Read, content: bytes) -> float:
    taken = []
    for _ in range(2):
        start = time.process_time()
        with suppress(PrevisError):
            read(content)
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize("kind", FILES)
def test_four_times_the_size_takes_less_than_ten_times_the_time(kind: str) -> None:
    read, make = FILES[kind]
    floor = _seconds(lambda content: read_shot_list(content, name="plain.csv"), PLAIN)
    # Of files that are read fast, only larger ones show how the time grows.
    size = SIZE if _seconds(read, make(SIZE)) > floor / 4 else LARGER
    once = max(_seconds(read, make(size)), floor)
    assert _seconds(read, make(4 * size)) < 10 * once
