"""The time to read a file grows with its size, whatever is in it, and not with the square of its size."""

import functools
import time
from contextlib import suppress

import pytest

from benchmarks.lists import FILES, Read
from previs.errors import PrevisError
from previs.shots import read_shot_list

SIZE, LARGER = 5_000, 50_000
PLAIN = ("shot_id,prompt,duration\n" + "".join(f"{number},p,1\n" for number in range(SIZE // 20))).encode()


def _seconds(read: Read, content: bytes) -> float:
    start = time.process_time()
    with suppress(PrevisError):
        read(content)
    return time.process_time() - start


@functools.cache
def _floor() -> float:
    """Return what a plain sheet takes: less is not told from noise."""
    return min(_seconds(lambda content: read_shot_list(content, name="plain.csv"), PLAIN) for _ in range(3))


@pytest.mark.parametrize("kind", FILES)
def test_eight_times_the_size_takes_less_than_eighteen_times_the_time(kind: str) -> None:
    read, make = FILES[kind]
    small = make(SIZE)
    first = _seconds(read, small)
    # Of files that are read fast, only larger ones show how the time grows.
    content, larger = (small, make(8 * SIZE)) if first > _floor() / 4 else (make(LARGER), make(8 * LARGER))
    again = first if content is small else _seconds(read, content)
    once = max(min(_seconds(read, content), again), _floor())
    # A busy machine may make one reading slow, and not both.
    assert any(_seconds(read, larger) < 18 * once for _ in range(2))
