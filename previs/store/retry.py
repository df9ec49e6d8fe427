"""How long a store is asked again before anybody hears of it."""

import asyncio
from typing import Final

import tenacity

from previs.errors import StoreUnavailable

# Restarts, failovers and throttled spells of an S3 are mostly over in a few minutes. A render costs as much again, so
# its frames wait that long for a place; what takes longer is for the run's own retries, or for a person.
PATIENCE_SECONDS: Final = 300.0
# Long enough for hiccups, short enough for a person who mistyped an endpoint.
CHECK_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0


def patiently(seconds: float) -> tenacity.AsyncRetrying:
    """Does again what ends in ``StoreUnavailable``, after pauses that grow and are drawn anew each time.

    Args:
        seconds: after so many, counted from the first attempt's start, no further one starts and the error is raised.
    """
    return tenacity.AsyncRetrying(
        sleep=asyncio.sleep,
        retry=tenacity.retry_if_exception_type(StoreUnavailable),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=tenacity.stop_before_delay(seconds),
        reraise=True,
    )
