"""Asking Prefect's server: what it means that it does not answer."""

import contextlib
from collections.abc import Iterator
from typing import Final

import httpx
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from previs.errors import PrefectRefused, PrefectTrouble

_NO_ACCESS: Final = frozenset({401, 403})
_PASSING: Final = frozenset({408, 429})
_SERVER_FAULT: Final = 500
_LONGEST: Final = 500


@contextlib.contextmanager
def asking_prefect() -> Iterator[None]:
    """Tell a server that is away, or in trouble, from one that refuses what is asked.

    Raises:
        PrefectTrouble: it is away, or in trouble.
        PrefectRefused: it wants another password.
        PrefectHTTPStatusError: it refuses; the caller knows what that means.
    """
    server = get_current_settings().api.url or "this process"
    try:
        yield
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        if status in _NO_ACCESS:
            raise PrefectRefused(server, status) from error
        if status not in _PASSING and status < _SERVER_FAULT:
            raise
        raise PrefectTrouble(server, refusal(error)) from error
    except httpx.HTTPError as error:
        reason = f"it cannot be reached ({str(error) or type(error).__name__}); is prefect server start running there?"
        raise PrefectTrouble(server, reason) from error


def refusal(error: PrefectHTTPStatusError) -> str:
    """What the server answered, bounded."""
    return f"HTTP {error.response.status_code}: {error.response.text[:_LONGEST]}"
