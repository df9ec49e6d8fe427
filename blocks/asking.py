"""Asking Prefect's server: what it means that it does not answer."""

import contextlib
from collections.abc import Iterator
from typing import Final

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from previs.errors import PrefectRefused, PrefectUnavailable

_NO_ACCESS: Final = 401
_PASSING: Final = frozenset({408, 429})
_SERVER_FAULT: Final = 500
_LONGEST: Final = 500


@contextlib.contextmanager
def asking_prefect() -> Iterator[None]:
    """Tell a server that is away, or in trouble, from one that refuses what is asked.

    Raises:
        PrefectUnavailable: it is away, or in trouble.
        PrefectRefused: it wants another password.
        PrefectHTTPStatusError: it refuses; the caller knows what that means.
    """
    server = get_current_settings().api.url or "this process"
    try:
        yield
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        if status == _NO_ACCESS:
            raise PrefectRefused(server, refusal(error)) from error
        if status not in _PASSING and status < _SERVER_FAULT:
            raise
        raise PrefectUnavailable(server, refusal(error)) from error
    except httpx.HTTPError as error:
        reason = f"it cannot be reached ({str(error) or type(error).__name__}); is prefect server start running there?"
        raise PrefectUnavailable(server, reason) from error


async def version_of(client: PrefectClient) -> str:
    """The version of Prefect's server, which makes sure that there is one.

    Raises:
        PrefectUnavailable: it is away, or what answers is none.
        PrefectRefused: it wants another password.
    """
    if client.server_type is ServerType.CLOUD:
        # It has no version, and answers 404 to who asks for it (as Prefect's own client knows).
        return "Cloud"
    server = get_current_settings().api.url or "this process"
    try:
        with asking_prefect():
            return await client.api_version()
    except (PrefectHTTPStatusError, ValueError) as error:
        answer = refusal(error) if isinstance(error, PrefectHTTPStatusError) else "no JSON"
        raise PrefectUnavailable(
            server, f"no API of Prefect answers there ({answer}); does the address end in /api?"
        ) from error


def refusal(error: PrefectHTTPStatusError) -> str:
    """What the server answered, bounded."""
    return f"HTTP {error.response.status_code}: {error.response.text[:_LONGEST]}"
