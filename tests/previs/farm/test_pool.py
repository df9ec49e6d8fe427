"""Check that the farm gives each take a slot on the server that suits it best, and on none that is down."""

import asyncio
import uuid

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.models import ModelFile
from previs.errors import NoServer
from previs.farm import pool
from previs.farm.circuit_breaker import FarmChange
from previs.farm.placement import PlacementRequest, Slot
from previs.farm.pool import Farm
from previs.simulator import Faults
from tests.conftest import Serve
from tests.ports import free_port
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE, graph
from tests.previs.rendering.contexts import wait_until


async def all_up(farm: Farm, count: int) -> None:
    await wait_until(lambda: len(farm.up) >= count)


def waits(task: asyncio.Task[Slot]) -> bool:
    return not task.done()


async def test_each_server_has_two_slots_and_the_least_loaded_comes_first(simulate: Serve) -> None:
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


async def test_of_equals_the_last_user_of_the_checkpoint_is_chosen(simulate: Serve) -> None:
    urls = [(await simulate())[1] for _ in range(2)]
    async with Farm(Address(url) for url in urls) as farm:
        await all_up(farm, 2)
        first, second = (
            await farm.acquire_slot(PlacementRequest("sdxl")),
            await farm.acquire_slot(PlacementRequest("flux")),
        )
        first.release()
        second.release()
        assert (await farm.acquire_slot(PlacementRequest("flux"))).server.name == urls[1]
        assert (await farm.acquire_slot(PlacementRequest("sdxl"))).server.name == urls[0]


async def test_an_avoided_server_is_chosen_only_if_it_is_the_only_one(simulate: Serve) -> None:
    urls = [(await simulate())[1] for _ in range(2)]
    async with Farm(Address(url) for url in urls) as farm:
        await all_up(farm, 2)
        held = [await farm.acquire_slot(PlacementRequest(avoid=frozenset(urls[:1]))) for _ in range(2)]
        assert {slot.server.name for slot in held} == {urls[1]}
    async with Farm([Address(urls[0])]) as alone:
        await all_up(alone, 1)
        assert (await alone.acquire_slot(PlacementRequest(avoid=frozenset(urls[:1])))).server.name == urls[0]


class Counted(PlacementRequest):
    """Count how often requests are looked up."""

    looked_up = 0

    def __hash__(self) -> int:
        Counted.looked_up += 1
        return super().__hash__()


async def test_waiting_takes_are_not_all_searched_for_a_free_server_that_none_may_use(simulate: Serve) -> None:
    urls = [(await simulate())[1] for _ in range(2)]
    async with Farm(Address(url) for url in urls) as farm:
        await all_up(farm, 2)
        request, takes = Counted(avoid=frozenset(urls[:1])), 300
        held = [await farm.acquire_slot(request) for _ in range(2)]
        before = Counted.looked_up
        waiting = [asyncio.create_task(farm.acquire_slot(request)) for _ in range(takes)]
        await asyncio.sleep(0)
        assert all(map(waits, waiting))
        assert Counted.looked_up - before < 20 * takes
        held[0].release()
        assert (await waiting[0]).server.name == urls[1]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_requests_are_served_in_order_and_a_cancelled_one_takes_no_slot(simulate: Serve) -> None:
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


async def test_prompts_of_other_clients_count_as_load(simulate: Serve) -> None:
    _, busy = await simulate(seconds=3)
    _, free = await simulate()
    async with Farm([Address(busy), Address(free)]) as farm, Server(Address(busy)) as other_client:
        await all_up(farm, 2)
        await farm.servers[0]._tracker.socket.opened(5)
        await other_client.submit(TEXT_TO_IMAGE, "00000000-0000-5000-8000-000000000000")
        await wait_until(lambda: farm.servers[0].queue_remaining)
        assert (await farm.acquire_slot()).server.name == free


async def test_an_unreachable_server_is_reported_and_returns(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.hang_up = float("inf")
    warnings: list[str] = []
    async with Farm([Address(url)], warn=warnings.append) as farm:
        waiting = asyncio.create_task(farm.acquire_slot())
        await wait_until(lambda: farm.problems)
        assert waits(waiting)
        simulator.faults.heal()
        assert (await waiting).server.name == url
    assert "set aside" in warnings[0]
    assert warnings[-1] == f"{url} is back"


async def test_without_any_server_the_farm_warns_and_gives_up_after_its_patience() -> None:
    warnings: list[str] = []
    async with Farm([Address("http://127.0.0.1:1")], patience=0.2, warn=warnings.append) as farm:
        with pytest.raises(NoServer, match=r"no server could be reached for 0\.2 s: http://127\.0\.0\.1:1"):
            await farm.acquire_slot()
    assert any("waiting up to 0.2 s for one" in sentence for sentence in warnings)


async def test_no_slot_is_given_before_every_server_was_probed_once(simulate: Serve) -> None:
    slow, slow_url = await simulate()
    _, quick_url = await simulate()
    slow.faults.answer_after = 0.2
    async with Farm([Address(slow_url), Address(quick_url)]) as farm:
        await all_up(farm, 1)
        waiting = asyncio.create_task(farm.acquire_slot())
        await asyncio.sleep(0)
        assert waits(waiting)
        await waiting
        assert len(farm.up) == 2


async def test_after_an_outage_no_slot_is_given_before_every_server_was_probed_again(
    simulate: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.farm.pool._LONGEST_PAUSE", 0.5)
    served = [await simulate() for _ in range(3)]
    async with Farm([Address(url) for _, url in served]) as farm, asyncio.timeout(60):
        await all_up(farm, 3)
        for simulator, _ in served:
            simulator.faults.hang_up = float("inf")
        await wait_until(lambda: not farm.up)
        waiting = asyncio.create_task(farm.acquire_slot())
        await wait_until(lambda: farm._none_up_since is not None)
        assert waits(waiting)
        served[2][0].faults.answer_after = 0.2
        for simulator, _ in served:
            simulator.faults.heal("hang_up")
        await waiting
        assert len(farm.up) == 3


RAIN = ModelFile("loras", "rain.safetensors")
OLD, NEW = "ab" * 32, "cd" * 32


async def test_model_hashes_are_returned_by_file_and_server(simulate: Serve) -> None:
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


async def test_a_hash_is_asked_for_once_per_run(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    async with Farm([Address(url)]) as farm:
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: OLD}}
        simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": NEW}
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: OLD}}
    async with Farm([Address(url)]) as farm:
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: NEW}}


async def test_a_server_that_is_slow_with_hashes_is_left_out_and_asked_again(
    simulate: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.farm.pool._HASHES_ASK", 0.5)
    (slow, slow_url), (quick, quick_url) = await simulate(), await simulate()
    for simulator in (slow, quick):
        simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    async with Farm([Address(slow_url), Address(quick_url)]) as farm, asyncio.timeout(30):
        await all_up(farm, 2)
        slow.faults.answer_after = 60
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {quick_url: OLD}}
        slow.faults.heal()
        monkeypatch.setattr("previs.farm.pool._HASHES_ASK", 10)
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {slow_url: OLD, quick_url: OLD}}


async def test_a_server_that_has_not_answered_yet_is_left_out(simulate: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("previs.farm.pool._HASHES_LOOK", 0.5)
    (silent, silent_url), (quick, quick_url) = await simulate(), await simulate()
    quick.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    silent.faults.answer_after = 60
    async with Farm([Address(silent_url), Address(quick_url)]) as farm, asyncio.timeout(30):
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {quick_url: OLD}}


async def test_hashes_of_no_files_wait_for_no_server() -> None:
    async with Farm([Address("http://127.0.0.1:1")]) as farm:
        assert await farm.model_hashes([]) == {}
        assert not farm._all_looked_at.is_set()


async def test_servers_that_refuse_hashes_or_are_down_raise_no_error(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OLD}
    simulator.faults.only_paths, simulator.faults.refuse = ("/view_metadata",), 1
    async with Farm([Address(url), Address("http://127.0.0.1:1")]) as farm, asyncio.timeout(30):
        assert await farm.model_hashes([RAIN]) == {}
        assert await farm.model_hashes([RAIN]) == {str(RAIN): {url: OLD}}


async def test_the_farm_reports_when_a_server_becomes_unhealthy_and_healthy_again(simulate: Serve) -> None:
    changes: list[FarmChange] = []
    (simulator, url), (_, other) = await simulate(), await simulate()
    async with Farm([Address(url), Address(other)], on_change=changes.append) as farm:
        await all_up(farm, 2)
        server = next(each for each in farm.servers if each.name == url)
        for number in range(3):
            farm.failed(server, f"take {number}", "it is broken")
        [change] = changes
        assert (change.server, change.fit, change.fit_servers, change.servers) == (url, False, 1, 2)
        assert "take 0, take 1, take 2" in change.reason
        farm.succeeded(server)
        assert [(each.fit, each.fit_servers) for each in changes] == [(False, 1), (True, 2)]
    assert not simulator.started


async def test_a_server_that_was_not_probed_yet_does_not_count_as_unhealthy(simulate: Serve) -> None:
    changes: list[FarmChange] = []
    _, url = await simulate()
    gone = f"http://127.0.0.1:{free_port()}"
    async with Farm([Address(gone), Address(url)], on_change=changes.append) as farm:
        await all_up(farm, 1)
        await wait_until(lambda: changes)
    assert [(each.server, each.fit, each.fit_servers) for each in changes] == [(gone, False, 1)]


async def test_a_server_that_obeys_an_interrupt_late_is_reported_once_and_again_when_it_has(
    simulate: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_OBEYED_WITHIN", 0.0)
    simulator, url = await simulate(seconds=0, faults=Faults(silent_for=600))
    told: list[str] = []
    async with Farm([Address(url)], patience=5, warn=told.append) as farm:
        (await farm.acquire_slot()).release()
        [server], prompt = farm.servers, str(uuid.uuid4())
        await server.submit(graph(), prompt)
        await wait_until(lambda: simulator.execution is not None and simulator.execution.silent)
        cancelling = asyncio.create_task(server.cancel_prompt(prompt))
        await wait_until(lambda: told)
        waiting = asyncio.create_task(farm.acquire_slot())
        simulator.end_silence()
        assert await cancelling
        (await waiting).release()
        await wait_until(lambda: len(told) > 1)
        assert told == [
            f"{url} is still at work on an interrupted prompt: no takes go there meanwhile",
            f"{url} has ended what was interrupted there, and gets takes again",
        ]
        assert farm.problems == told[:1]
