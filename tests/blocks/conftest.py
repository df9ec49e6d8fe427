"""Keep Prefect from starting a server of its own, to which a block reports that it was loaded."""

import pytest


@pytest.fixture(autouse=True)
def no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    # The threads that send events would outlive the tests here, and draw random numbers while hypothesis watches.
    monkeypatch.setattr("prefect.blocks.core.emit_event", lambda **_: None)
