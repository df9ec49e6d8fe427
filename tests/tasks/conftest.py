"""Keep Prefect from starting a server of its own for tests that need none."""

from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_SERVER_ALLOW_EPHEMERAL_MODE, temporary_settings


@pytest.fixture(scope="module", autouse=True)
def no_temporary_server() -> Iterator[None]:
    # Its threads would outlive the tests here, and draw random numbers while hypothesis watches.
    with temporary_settings({PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}):
        yield
