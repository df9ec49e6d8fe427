"""A simulator's port listens, refuses connections, and listens again."""

import asyncio
import socket

import httpx
import pytest
import websockets

from previs.simulator import Simulator, serve
from tests.previs.simulator.sessions import http_client, text_to_image, visit, visited


def quick() -> Simulator:
    return Simulator(seconds=0, draw=False, previews=False)


async def test_a_closed_door_refuses_connections_and_an_opened_one_accepts_them() -> None:
    simulator = quick()
    async with serve(simulator) as url, http_client() as client:
        for _ in range(2):
            simulator.close_door()
            simulator.close_door()
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{url}/queue")
            with pytest.raises(ConnectionRefusedError):
                await websockets.connect(f"ws{url.removeprefix('http')}/ws")
            await simulator.open_door()
            await simulator.open_door()
            async with visited(url) as visitor:
                await visitor.hear("status")


async def test_a_closed_door_serves_open_connections() -> None:
    simulator = quick()
    async with visit(simulator) as visitor:
        await visitor.http.get("/queue")
        simulator.close_door()
        assert (await visitor.render(text_to_image()))["status"]["completed"]


async def test_closing_the_door_can_cut_open_connections() -> None:
    simulator = quick()
    async with visit(simulator) as visitor:
        await visitor.hear("status")
        simulator.close_door(cut=True)
        await asyncio.wait_for(visitor.socket.wait_closed(), 5)
        assert visitor.socket.close_code == 1006
        with pytest.raises(httpx.ConnectError):
            await visitor.http.get("/queue")


async def test_the_port_behind_a_closed_door_stays_taken() -> None:
    simulator = quick()
    async with serve(simulator) as url:
        simulator.close_door()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", int(url.rpartition(":")[2])))


async def test_serving_ends_behind_a_closed_door_and_begins_with_an_open_one() -> None:
    simulator, before = quick(), asyncio.all_tasks()
    async with serve(simulator) as url:
        simulator.close_door()
    assert asyncio.all_tasks() == before
    async with serve(simulator, port=int(url.rpartition(":")[2])) as again, visited(again) as visitor:
        assert (await visitor.render(text_to_image()))["status"]["completed"]


async def test_a_simulator_that_is_not_served_has_no_door() -> None:
    simulator = quick()
    async with serve(simulator):
        pass
    with pytest.raises(RuntimeError, match="no door"):
        simulator.close_door()
    with pytest.raises(RuntimeError, match="no door"):
        await simulator.open_door()
