"""Cues come at their time, once each, and end at their time."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import httpx
import websockets
from hypothesis import given
from hypothesis import strategies as st

from previs.simulator import ALWAYS, Cue, Simulator, serve
from previs.simulator.performance import Performance
from tests.previs.simulator.sessions import http_client, text_to_image, visit


def scripted(*script: Cue) -> Simulator:
    return Simulator(seconds=0, draw=False, previews=False, script=script)


async def until_answered(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(10):
        while (await client.get("/queue")).status_code != status:
            pass


async def until_let_in(client: httpx.AsyncClient, *, wanted: bool) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await client.get("/queue", headers={"Connection": "close"})
            except httpx.TransportError:
                if not wanted:
                    return
            else:
                if wanted:
                    return


async def test_a_cue_comes_after_a_number_of_requests() -> None:
    simulator = scripted(Cue(after_requests=2, set={"refuse": 1, "refuse_status": 502}))
    async with serve(simulator) as url, http_client(url) as client:
        assert [(await client.get("/queue")).status_code for _ in range(5)] == [200, 200, 502, 200, 200]


async def test_a_cue_affects_the_last_of_its_prompts() -> None:
    simulator = scripted(Cue(after_prompts=2, set={"memory_full": True}))
    async with visit(simulator) as visitor:
        entries = [await visitor.render(text_to_image(seed=seed)) for seed in (1, 2, 3)]
    assert [entry["status"]["completed"] for entry in entries] == [True, False, False]


async def test_a_server_restarts_after_a_number_of_frames() -> None:
    simulator = scripted(Cue(after_frames=6, restart=True))
    simulator.faults.stall_on = "city"
    async with visit(simulator) as visitor:
        await visitor.submit(text_to_image())
        with contextlib.suppress(websockets.ConnectionClosed):
            await visitor.hear("never")
        assert len(visitor.heard) >= 6
        assert (await visitor.http.get("/queue")).json() == {"queue_running": [], "queue_pending": []}
    assert [event.kind for event in simulator.journal].count("restarted") == 1


async def test_connections_are_cut_and_the_queue_stays() -> None:
    simulator = scripted(Cue(after_prompts=1, cut=True))
    async with visit(simulator) as visitor:
        with contextlib.suppress(httpx.TransportError):
            await visitor.submit(text_to_image(), prompt_id="kept")
        await asyncio.wait_for(visitor.socket.wait_closed(), 5)
        async with asyncio.timeout(10):
            while not (await visitor.http.get("/history/kept")).json():
                pass
    assert simulator.started == ["kept"]


async def test_a_fault_comes_and_goes_by_time() -> None:
    simulator = scripted(Cue(after_seconds=0.1, set={"refuse": ALWAYS}, for_seconds=0.5))
    began = time.monotonic()
    async with serve(simulator) as url, http_client(url) as client:
        await until_answered(client, 503)
        assert time.monotonic() - began >= 0.1
        await until_answered(client, 200)
        assert time.monotonic() - began >= 0.6
    assert simulator.faults.refuse == 0


async def test_a_server_is_killed_and_is_back_after_a_while() -> None:
    simulator = scripted(Cue(after_prompts=1, restart=True, door="closed", for_seconds=0.5))
    simulator.faults.stall_on = "city"
    async with serve(simulator) as url, http_client(url) as client:
        began = time.monotonic()
        with contextlib.suppress(httpx.TransportError):
            await client.post("/prompt", json={"prompt": text_to_image()})
        await until_let_in(client, wanted=False)
        await until_let_in(client, wanted=True)
        assert time.monotonic() - began >= 0.5
        assert (await client.get("/prompt")).json() == {"exec_info": {"queue_remaining": 0}}
    kinds = [event.kind for event in simulator.journal]
    assert (kinds[:2], kinds[-1], "ended" in kinds) == (["posted", "started"], "restarted", False)


async def test_a_door_closes_at_once_and_opens_by_another_cue() -> None:
    simulator = scripted(Cue(after_seconds=0, door="closed"), Cue(after_seconds=0.5, door="open"))
    async with http_client() as client, serve(simulator) as url:
        client.base_url = url
        await until_let_in(client, wanted=False)
        await until_let_in(client, wanted=True)


async def test_a_script_continues_when_serving_continues_and_repeats_nothing() -> None:
    simulator = scripted(Cue(after_seconds=0, restart=True), Cue(after_seconds=0.1, set={"refuse": ALWAYS}))
    for _ in range(2):
        async with serve(simulator) as url, http_client(url) as client:
            async with asyncio.timeout(5):
                while not simulator.journal:
                    await asyncio.sleep(0)
            await until_let_in(client, wanted=True)
    async with serve(simulator) as url, http_client(url) as client:
        await until_answered(client, 503)
    assert len(simulator.journal) == 1


@given(st.lists(st.integers(1, 6), max_size=8), st.integers(0, 8))
def test_after_a_number_of_frames_their_cues_and_no_others_have_come_in_order(
    places: Sequence[int], frames: int
) -> None:
    simulator = Simulator(
        script=[Cue(after_frames=place, set={"fail_on": str(number)}) for number, place in enumerate(places)]
    )
    performance = Performance(simulator)
    for _ in range(frames):
        performance.count("after_frames")
    come = sorted((place, number) for number, place in enumerate(places) if place <= frames)
    assert simulator.faults.fail_on == (str(come[-1][1]) if come else "")
