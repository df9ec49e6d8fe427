"""Ask Prefect's server, and translate failures of requests to it."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import Final

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import PrefectClient, get_client
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from previs.daemon import running_server
from previs.errors import PrefectRefused, PrefectUnavailable

_UNAUTHORIZED: Final = 401
_TEMPORARY: Final = frozenset({408, 429})
_SERVER_ERROR: Final = 500
_LONGEST: Final = 500


def use_running_server() -> None:
    """Use the local server in this process if it runs and Prefect's settings name none."""
    settings = get_current_settings()
    if settings.api.url is None and (server := running_server(settings.home)):
        os.environ["PREFECT_API_URL"] = server.api
        refresh_global_settings_context()


@contextlib.contextmanager
def asking_prefect() -> Iterator[None]:
    """Translate errors of Prefect's client inside the context.

    Raises:
        PrefectUnavailable: The server is unreachable or in trouble.
        PrefectRefused: The server rejects the password.
        PrefectHTTPStatusError: The server rejects the request; the caller knows why.
    """
    server = get_current_settings().api.url or "this process"
    try:
        yield
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        if status == _UNAUTHORIZED:
            raise PrefectRefused(server, refusal(error)) from error
        if status not in _TEMPORARY and status < _SERVER_ERROR:
            raise
        raise PrefectUnavailable(server, refusal(error)) from error
    except httpx.HTTPError as error:
        reason = f"it cannot be reached ({str(error) or type(error).__name__}); is prefect server start running there?"
        raise PrefectUnavailable(server, reason) from error


@contextlib.asynccontextmanager
async def prefect_client() -> AsyncIterator[PrefectClient]:
    """Open Prefect's client, and translate its errors inside the context as :func:`asking_prefect` does.

    The client sends a request up to six times within a minute if the server answers 408, 429, 502 or 503, or a
    connection is lost. It does not repeat the first connection of a process: a wrong address fails at once.
    """
    with asking_prefect():
        async with get_client() as client:
            yield client


async def version_of(client: PrefectClient) -> str:
    """Return the version of Prefect's server, which proves that there is one.

    Raises:
        PrefectUnavailable: The server is unreachable, or the answer is not Prefect's.
        PrefectRefused: The server rejects the password.
    """
    if client.server_type is ServerType.CLOUD:
        # Prefect Cloud answers 404 to a request for its version, as Prefect's own client knows.
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
    """Return the server's answer, shortened to 500 characters."""
    return f"HTTP {error.response.status_code}: {error.response.text[:_LONGEST]}"
