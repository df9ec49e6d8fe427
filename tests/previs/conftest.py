"""Provide the temporary folder of a killed program, and a browser."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from previs.pictures.spill import remove_abandoned
from tests.previs.publishing.views.browser import Tab, chromium

WRITER = """
import sys
from previs.pictures.spill import SpillFolder
spill = SpillFolder()
print(spill.keep(b"a large frame").path.parent, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of its own for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def abandoned(temporary: Path) -> Path:
    """Return the temporary folder of a program that was killed."""
    with subprocess.Popen(  # noqa: S603 - this program
        (sys.executable, "-c", WRITER),
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        folder = Path(program.stdout.readline().strip())
        assert remove_abandoned() == []
        program.kill()
    assert [each.read_bytes() for each in folder.iterdir()] == [b"a large frame"]
    return folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """Yield a browser's tab; one start of Chromium for all tests of a process."""
    with chromium(tmp_path_factory.mktemp("chromium")) as shown:
        yield shown


@pytest.fixture
def tab(browser: Tab) -> Tab:
    """Return the browser's tab as if it were a new one."""
    browser.forget()
    return browser
