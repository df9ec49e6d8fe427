"""Servers in a process of their own report their events, and end."""

import asyncio

import httpx
import pytest

from benchmarks.chaos import is_kept
from benchmarks.event_log import LoggedEvent
from benchmarks.servers import Plan, servers
from benchmarks.stage import short_takes, stage, takes, takes_of_one_picture
from previs.simulator import Cue
from tests.previs.simulator.sessions import http_client


def kinds(events: list[LoggedEvent], *wanted: str) -> list[str]:
    return [each.kind for each in events if each.kind in wanted]


def plan(**faults: float) -> Plan:
    return Plan([[Cue(after_seconds=0.0, set=faults)] if faults else []])


async def test_a_take_is_rendered_and_kept_and_the_process_ends_with_its_servers() -> None:
    [take] = takes(1)
    async with servers(plan()) as served, stage(served.urls) as on:
        assert not is_kept(take, on.folder)
        await on.render(take)
        assert is_kept(take, on.folder)
        next((on.folder / "frames").rglob("*.png")).write_bytes(b"other bytes")
        assert not is_kept(take, on.folder)
        [log] = await served.event_logs()
    assert kinds(log, "posted", "started", "ended", "damaged") == ["posted", "started", "ended"]
    async with http_client(served.urls[0]) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/queue")


async def test_short_takes_sample_nothing_and_takes_of_one_picture_only_once() -> None:
    async with servers(plan()) as served, stage(served.urls) as on:
        for take in (*short_takes(3), *takes_of_one_picture(3)):
            await on.render(take)
        [log] = await served.event_logs()
    assert len(kinds(log, "ended")) == 6
    assert len(kinds(log, "sampled")) == 1


async def test_files_that_are_sent_damaged_are_reported() -> None:
    async with servers(plan(garbage=1)) as served, stage(served.urls) as on:
        await on.render(takes(1)[0])
        [log] = await served.event_logs()
    assert kinds(log, "damaged") == ["damaged"]


async def test_a_forgotten_end_is_reported() -> None:
    async with servers(plan(history_limit=0)) as served, http_client(served.urls[0]) as client:
        [take] = short_takes(1)
        posted = (await client.post("/prompt", json={"prompt": take.graph})).json()["prompt_id"]
        async with asyncio.timeout(10):
            while not kinds((await served.event_logs())[0], "ended"):
                await asyncio.sleep(0.01)
        assert (await client.get(f"/history/{posted}")).json() == {}
        [log] = await served.event_logs()
    assert [(each.kind, each.prompt_id) for each in log][-1] == ("absent", posted)


async def test_a_killed_process_ends_at_once_and_its_port_can_be_served_again() -> None:
    async with servers(plan()) as served, http_client(served.urls[0]) as client:
        await served.kill()
        with pytest.raises(httpx.ConnectError):
            await client.get("/queue")
        port = client.base_url.port or 0
        async with servers(Plan([[]], port=port)) as again:
            assert again.urls == served.urls
            (await client.get("/queue")).raise_for_status()
