"""Provide a clock that tests move."""

from types import SimpleNamespace

import pytest

from tests.previs.rendering.leasing import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("previs.rendering.leases.time", SimpleNamespace(monotonic=made.monotonic))
    return made
