"""Make all log records of a process visible, whichever logger writes them, and write none that nobody can read."""

import contextlib
import logging
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from previs.text.visible import visible

_NEVER = logging.CRITICAL + 1


class VisibleRecord(logging.LogRecord):
    """Represent a log record whose message and traceback hold no character that controls a terminal."""

    def getMessage(self) -> str:  # noqa: N802 - the base class's name
        """Return the message, which may have several lines."""
        return visible(super().getMessage(), lines=True)

    @property
    def exc_text(self) -> str | None:
        """Return the formatted traceback, which formatters set."""
        return self.__dict__.get("exc_text")

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self.__dict__["exc_text"] = None if text is None else visible(text, lines=True)


def show_logs_visibly(*explained: type[BaseException]) -> None:
    """Make every later log record, and the traceback of an error that ends the process, visible; safe to repeat.

    Records of other classes than logging's own, which another record factory made, stay as they are.

    Args:
        explained: Errors whose text says what to do: a record shows it in place of a traceback. The first call counts.
    """
    make = logging.getLogRecordFactory()
    if getattr(make, "makes_visible", False):
        return

    def factory(*values: Any, **named: Any) -> logging.LogRecord:  # noqa: ANN401 - passed on to another factory
        record = make(*values, **named)
        if type(record) is logging.LogRecord:
            record.__class__ = VisibleRecord
            if record.exc_info and isinstance(error := record.exc_info[1], explained):
                record.msg, record.args, record.exc_info = str(error), (), None
        return record

    factory.makes_visible = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)
    sys.excepthook = _print_visibly


def mute_unread_handlers() -> None:
    """Stop handlers that write to the null device from writing; safe to repeat.

    A worker whose ``stream_output`` is false gives a run's process that device, and Prefect formats each line for it.
    """
    null = Path(os.devnull).stat().st_rdev
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for handler in {handler for logger in loggers for handler in getattr(logger, "handlers", ())}:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            if null and os.fstat(handler.stream.fileno()).st_rdev == null:
                handler.setLevel(_NEVER)


def _print_visibly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace)), lines=True))
