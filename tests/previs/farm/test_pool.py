"""The farm gives each prompt the server that suits it best, and none that is away."""

import asyncio

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.models import ModelFile
from previs.errors import NoServer
from previs.farm.circuit_breaker import FarmChange
from previs.farm.placement import PlacementRequest, Slot
from previs.farm.pool import Farm
from tests.conftest import Serve, free_port
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE


async def all_up(farm: Farm, count: int) -> None:
    while len(farm.up) < count:
        await asyncio.sleep(0.01)


def waits(task: asyncio.Task[Slot]) -> bool:
    return not task.done()


async def test_each_server_holds_two_and_the_least_loaded_comes_first(simulate: Serve) -> None:
    urls = [(await simulate())[1] for _ in range(2)]
    async with Farm(Address(url) for url in urls) as farm:
        await all_up(farm, 2)
        slots = [await farm.acquire_slot() for _ in range(4)]
        assert [slot.server.name for slot in slots] == [*urls, *urls]
        fifth = asyncio.create_task(farm.acquire_slot())
        await asyncio.sleep(0)
        assert waits(fifth)
        slots[2].release()
        slots[2].release()
        assert (await fifth).server.name == urls[0]
        sixth = asyncio.create_task(farm.acquire_slot())
        await asyncio.sleep(0)
        assert waits(sixth)
        sixth.cancel()


async def test_of_equals_the_server_that_last_used_the_checkpoint_is_taken(simulate: Serve) -> None:
    urls = [(await simulate())[1] for _ in range(2)]
    async with Farm(Address(url) for url in urls) as farm:
        await all_up(farm, 2)
        first, second = await farm.acquire_slot(PlacementRequest("sdxl")), await farm.acquire_slot(PlacementRequest("flux"))
        first.release()
        second.release()
        assert (await farm.acquire_slot(PlacementRequest("flux"))).server.name == urls[1]
        assert (await farm.acquire_slot(PlacementRequest("sdxl"))).server.name == urls[0]


async def test_another_server_is_taken_where_the_last_attempt_went_wrong_if_there_is_one(simulate: Serve) -> None:
    urls = [(await simulate())[1] for _ in range(2)]
    async with Farm(Address(url) for url in urls) as farm:
        await all_up(farm, 2)
        held = [await farm.acquire_slot(PlacementRequest(avoid=frozenset(urls[:1]))) for _ in range(2)]
        assert {slot.server.name for slot in held} == {urls[1]}
    async with Farm([Address(urls[0])]) as alone:
        await all_up(alone, 1)
        assert (await alone.acquire_slot(PlacementRequest(avoid=frozenset(urls[:1])))).server.name == urls[0]


async def test_those_who_wait_are_served_in_their_order_and_one_who_leaves_takes_no_place(simulate: Serve) -> None:
    _, url = await simulate()
    async with Farm([Address(url)], slots=1) as farm:
        await all_up(farm, 1)
        held = await farm.acquire_slot()
        waiting = [asyncio.create_task(farm.acquire_slot()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        held.release()
        await waiting[1]
        assert waits(waiting[2])
        waiting[2].cancel()


async def test_other_peoples_prompts_count_as_load(simulate: Serve) -> None:
    _, busy = await simulate(seconds=3)
    _, free = await simulate()
    async with Farm([Address(busy), Address(free)]) as farm, Server(Address(busy)) as somebody:
        await all_up(farm, 2)
        await farm.servers[0]._tracker.socket.opened(5)
        await somebody.submit(TEXT_TO_IMAGE, "00000000-0000-5000-8000-000000000000")
        while not farm.servers[0].queue_remaining:
            await asyncio.sleep(0.01)
        assert (await farm.acquire_slot()).server.name == free


async def test_a_server_that_is_away_is_set_aside_and_comes_back(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.hang_up = float("inf")
    said: list[str] = []
    async with Farm([Address(url)], warn=said.append) as farm:
        waiting = asyncio.create_task(farm.acquire_slot())
        while not farm.problems:
            await asyncio.sleep(0.01)
        assert waits(waiting)
        simulator.faults.heal()
        assert (await waiting).server.name == url
    assert "set aside" in said[0]
    assert said[-1] == f"{url} is back"


async def test_with_no_server_at_all_the_wait_is_told_and_ends() -> None:
    said: list[str] = []
    async with Farm([Address("http://127.0.0.1:1")], patience=0.5, warn=said.append) as farm:
        with pytest.raises(NoServer, match=r"no server could be reached for 0\.5 s: http://127\.0\.0\.1:1"):
            await farm.acquire_slot()
    assert any("waiting up to 0.5 s for one" in sentence for sentence in said)


async def test_nobody_gets_a_place_before_every_server_was_looked_at_once(simulate: Serve) -> None:
    slow, slow_url = await simulate()
    _, quick_url = await simulate()
    slow.faults.answer_after = 0.5
    async with Farm([Address(slow_url), Address(quick_url)]) as farm:
        await all_up(farm, 1)
        waiting = asyncio.create_task(farm.acquire_slot())
        await asyncio.sleep(0)
        assert waits(waiting)
        await waiting
        assert len(farm.up) == 2


RAIN = ModelFile("loras", "rain.safetensors")
OLD, NEW = "ab" * 32, "cd" * 32


async def test_what_each_server_tells_of_a_model_file_is_told_by_file_and_server(simulate: Serve) -> None:
    same = ModelFile("vae", RAIN.name)
    served = [await simulate() for _ in range(3)]
    (first, one), (second, other), (bare, _) = served
    first.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    second.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": NEW}
    second.metadata[same.folder, same.name] = {"modelspec.hash_sha256": f"0x{OLD}"}
    bare.metadata[RAIN.folder, RAIN.name] = {"format": "pt"}
    async with Farm(Address(url) for _, url in served) as farm:
        assert await farm.model_hashes({RAIN, same, ModelFile("vae", "gone.safetensors")}) == {
            "loras/rain.safetensors": {one: OLD, other: NEW},
            "vae/rain.safetensors": {other: OLD},
        }


async def test_a_hash_is_asked_for_once_in_a_run(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    async with Farm([Address(url)]) as farm:
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: OLD}}
        simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": NEW}
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: OLD}}
    async with Farm([Address(url)]) as farm:
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: NEW}}


async def test_a_server_that_is_slow_to_tell_holds_nobody_up_and_is_asked_again(simulate: Serve) -> None:
    (slow, slow_url), (quick, quick_url) = await simulate(), await simulate()
    for simulator in (slow, quick):
        simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    async with Farm([Address(slow_url), Address(quick_url)]) as farm, asyncio.timeout(30):
        await all_up(farm, 2)
        slow.faults.answer_after = 60
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {quick_url: OLD}}
        slow.faults.heal()
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {slow_url: OLD, quick_url: OLD}}


async def test_a_server_that_has_not_answered_yet_holds_nobody_up_either(simulate: Serve) -> None:
    (silent, silent_url), (quick, quick_url) = await simulate(), await simulate()
    quick.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    silent.faults.answer_after = 60
    async with Farm([Address(silent_url), Address(quick_url)]) as farm, asyncio.timeout(30):
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {quick_url: OLD}}


async def test_where_nothing_is_asked_nobody_is_waited_for() -> None:
    async with Farm([Address("http://127.0.0.1:1")]) as farm:
        assert await farm.model_hashes([]) == {}
        assert not farm._all_looked_at.is_set()


async def test_servers_that_refuse_to_tell_or_are_away_are_no_error(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    simulator.faults.only_paths, simulator.faults.refuse = ("/view_metadata",), 1
    async with Farm([Address(url), Address("http://127.0.0.1:1")]) as farm, asyncio.timeout(30):
        assert await farm.model_hashes([RAIN]) == {}
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: OLD}}


async def test_a_farm_tells_when_a_server_is_no_longer_fit_and_when_it_is_again(simulate: Serve) -> None:
    told: list[FarmChange] = []
    (simulator, url), (_, other) = await simulate(), await simulate()
    async with Farm([Address(url), Address(other)], on_change=told.append) as farm:
        await all_up(farm, 2)
        server = next(each for each in farm.servers if each.name == url)
        for number in range(3):
            farm.failed(server, f"take {number}", "it is broken")
        [change] = told
        assert (change.server, change.fit, change.fit_servers, change.servers) == (url, False, 1, 2)
        assert "take 0, take 1, take 2" in change.reason
        farm.succeeded(server)
        assert [(each.fit, each.fit_servers) for each in told] == [(False, 1), (True, 2)]
    assert not simulator.started


async def test_a_server_that_was_not_looked_at_yet_is_not_told_to_be_unfit(simulate: Serve) -> None:
    told: list[FarmChange] = []
    _, url = await simulate()
    gone = f"http://127.0.0.1:{free_port()}"
    async with Farm([Address(gone), Address(url)], on_change=told.append) as farm:
        await all_up(farm, 1)
        while not told:
            await asyncio.sleep(0.01)
    assert [(each.server, each.fit, each.fit_servers) for each in told] == [(gone, False, 1)]
