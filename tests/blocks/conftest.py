"""Keep Prefect from starting a server of its own for the events of tests that need none."""

import pytest
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker


@pytest.fixture(autouse=True)
def no_temporary_server(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its threads would outlive the tests here, and draw random numbers while hypothesis watches.
    monkeypatch.setattr(EventsWorker, "_client_override", (NullEventsClient, ()))
