"""The local server collects garbage between transactions."""

import gc
import weakref
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import QueuePool

from tasks.local_server import collect_if_idle


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_collected_only_while_no_connection_is_in_use(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=QueuePool)
    gc.disable()
    try:
        garbage = weakref.ref(Cycle())
        with engine.connect():
            collect_if_idle(engine.pool)
            assert garbage() is not None
        collect_if_idle(engine.pool)
        assert garbage() is None
    finally:
        gc.enable()
        engine.dispose()
