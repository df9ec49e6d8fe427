import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from previs.text.logs import mute_unread_handlers

LOGGER = logging.getLogger("tests.previs.text.unread")
LOGGER.propagate = False


@contextlib.contextmanager
def handler_of(stream: IO[str] | None) -> Iterator[logging.StreamHandler[IO[str]]]:
    handler = logging.StreamHandler(stream)
    LOGGER.addHandler(handler)
    try:
        yield handler
    finally:
        LOGGER.removeHandler(handler)


def test_handlers_of_the_null_device_are_muted_and_no_others(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        Path(os.devnull).open("w") as unread,
        (tmp_path / "log").open("w") as file,
        handler_of(unread) as muted,
        handler_of(file),
        handler_of(None),
    ):
        mute_unread_handlers()
        mute_unread_handlers()
        LOGGER.critical("three lines, of which one goes nowhere")
    assert muted.level > logging.CRITICAL
    assert (tmp_path / "log").read_text() == capfd.readouterr().err == "three lines, of which one goes nowhere\n"


def test_a_handler_whose_stream_is_closed_or_no_file_is_left_as_it_is() -> None:
    with Path(os.devnull).open("w") as closed:
        pass
    with handler_of(closed) as handler:
        LOGGER.addHandler(logging.NullHandler())
        mute_unread_handlers()
        assert handler.level == logging.NOTSET
