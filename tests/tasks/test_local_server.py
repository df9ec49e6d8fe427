"""The local server collects garbage between transactions, and answers at once at its own port."""

import asyncio
import gc
import socket
import weakref
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import QueuePool

from tasks.local_server import collect_if_idle, listen


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


async def test_answers_do_not_wait_for_more_to_send_and_a_port_that_is_taken_is_left_alone() -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted.put(writer)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        listening = listen(taken.getsockname()[1])
        assert listening.getsockname()[0] == "127.0.0.1"
        assert listening.getsockname() != taken.getsockname()
    async with await asyncio.start_server(accept, sock=listening):
        _, client = await asyncio.open_connection(*listening.getsockname())
        server = await accepted.get()
        assert server.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for each in (client, server):
            each.close()
            await each.wait_closed()
