"""Provide stores of both kinds, and a clock that tests move."""

from types import SimpleNamespace

import pytest

from previs.store import Store
from tests.previs.rendering.leasing import Clock


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("previs.rendering.leases.time", SimpleNamespace(monotonic=made.monotonic))
    return made
