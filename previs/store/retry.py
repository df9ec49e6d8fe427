"""Define the retry policy for store requests."""

import asyncio
from typing import Final

import tenacity

from previs.errors import StoreUnavailable

# Most restarts, failovers and throttled spells of an S3 are over in a few minutes, which is what a render costs. Longer
# outages are left to the run's own retries, or to a person.
PATIENCE_SECONDS: Final = 300.0
# Covers a brief failure, and soon reports a mistyped endpoint.
CHECK_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0


def retrying(seconds: float) -> tenacity.AsyncRetrying:
    """Retry what raises ``StoreUnavailable``, after random pauses that grow.

    Args:
        seconds: Time from the start of the first attempt after which no other starts and the error is raised.
    """
    return tenacity.AsyncRetrying(
        sleep=asyncio.sleep,
        retry=tenacity.retry_if_exception_type(StoreUnavailable),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=tenacity.stop_before_delay(seconds),
        reraise=True,
    )
