"""Check that a take reaches a server that can render it, whatever its prompts meet on the way."""

import asyncio
import uuid

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import NodeFailed, OutOfMemory, PrevisError, PromptLost, PromptRefused, ServerUnavailable
from previs.rendering.dispatch import TakeDispatcher
from previs.simulator import ALWAYS, Simulator
from previs.store import FolderStore
from tests.conftest import Serve
from tests.previs.comfyui.graphs import graph
from tests.previs.rendering.contexts import (
    QUICK,
    cancel,
    context_of,
    records_of,
    render,
    render_all,
    take,
    takes,
    two_servers,
    wait_until,
)

MANY = 1_000_000


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("previs.comfyui.client.server._UNLOAD_SECONDS", 0)
    monkeypatch.setattr("previs.rendering.render._BEFORE_REFETCH", 0.05)


def remove_checkpoint(simulator: Simulator, checkpoint: str) -> None:
    loader = simulator.object_info["CheckpointLoaderSimple"]
    rules = loader["input"]["required"]
    names = [name for name in rules["ckpt_name"][0] if name != checkpoint]
    required = {**rules, "ckpt_name": [names, *rules["ckpt_name"][1:]]}
    changed = {**loader, "input": {**loader["input"], "required": required}}
    simulator.object_info = {**simulator.object_info, "CheckpointLoaderSimple": changed}


async def test_prompts_lost_in_a_restart_are_rendered_again_at_once(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate(seconds=1.0)
    errors: list[PrevisError] = []
    async with context_of(folder_store, url) as context:
        rendering = [
            asyncio.create_task(TakeDispatcher(one, context).render(on_retry=errors.append)) for one in takes(2)
        ]
        await wait_until(lambda: simulator.queue.remaining == 2 and simulator.queue.running)
        lost = set(simulator.posted)
        simulator.restart()
        simulator.seconds = 0.05
        await asyncio.gather(*rendering)
    assert [type(error) for error in errors] == [PromptLost, PromptLost]
    assert set(simulator.posted[2:]) == lost


async def test_a_prompt_that_is_lost_five_times_fails(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate(seconds=5)

    def crash(_: str, state: PromptState) -> None:
        if state.phase is Phase.RUNNING:
            simulator.restart()

    async with context_of(folder_store, url) as context:
        with pytest.raises(PromptLost):
            await TakeDispatcher(take(), context).render(crash)
        assert context.farm.held == 0
    assert len(simulator.started) == 5


async def test_a_server_out_of_memory_is_freed_and_tried_again(simulate: Serve, folder_store: FolderStore) -> None:
    full, full_url = await simulate()
    full.faults.memory_full = True
    other, other_url = await simulate()
    other.faults.slowness = 100
    async with context_of(folder_store, full_url, other_url) as context:
        record = await render(take(), context)
    assert record.server == full_url
    assert (full.freed, len(full.started), other.started) == (1, 2, [])


async def test_a_second_out_of_memory_sends_the_take_to_another_server(
    simulate: Serve, folder_store: FolderStore
) -> None:
    small, small_url = await simulate()
    small.faults.out_of_memory_on = "夜"
    large, large_url = await simulate()
    async with context_of(folder_store, small_url, large_url) as context:
        record = await render(take(), context)
    assert record.server == large_url
    assert (small.freed, len(small.started), large.freed, len(large.started)) == (1, 2, 0, 1)


async def test_a_take_that_runs_out_of_memory_twice_on_each_server_fails(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.out_of_memory_on = "夜"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        with pytest.raises(OutOfMemory):
            await render(take(), context)
    assert [(simulator.freed, len(simulator.started)) for simulator, _ in farm] == [(1, 2), (1, 2)]


async def test_a_take_whose_node_fails_goes_to_another_server(simulate: Serve, folder_store: FolderStore) -> None:
    broken, broken_url = await simulate()
    broken.faults.fail_on = "夜"
    _, sound_url = await simulate()
    async with context_of(folder_store, broken_url, sound_url) as context:
        record = await render(take(), context)
    assert record.server == sound_url
    assert len(broken.started) == 1


async def test_a_node_that_fails_the_same_way_on_two_servers_fails_the_take(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(3)]
    for simulator, _ in farm:
        simulator.faults.fail_on = "夜"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        with pytest.raises(NodeFailed):
            await render(take(), context)
    assert sorted(len(simulator.started) for simulator, _ in farm) == [0, 1, 1]


async def test_two_different_node_failures_send_the_take_to_a_third_server(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(3)]
    for simulator, _ in farm[:2]:
        simulator.faults.fail_on = "夜"
    farm[1][0].faults.fail_at = "VAEDecode"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        record = await render(take(), context)
    assert record.server == farm[2][1]


async def test_a_server_that_fails_three_takes_in_a_row_is_tripped_and_reported(
    simulate: Serve, folder_store: FolderStore
) -> None:
    broken, broken_url = await simulate()
    broken.faults.fail_on = "夜"
    sound, sound_url = await simulate(seconds=0.1)
    async with context_of(folder_store, broken_url, sound_url) as context:
        results = await render_all(takes(8), context)
        assert {result.server for result in records_of(results)} == {sound_url}
        assert 3 <= len(broken.started) <= 4
        assert len(sound.started) == 8
        [problem] = context.farm.problems
    assert problem.startswith(f"{broken_url} failed SH")
    assert "in a row" in problem
    assert problem.endswith("; it was set aside")


async def test_a_tripped_server_returns_after_one_take_that_succeeds(
    simulate: Serve, folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.farm.circuit_breaker._FIRST_PAUSE", 0.1)
    broken, broken_url = await simulate(seconds=0.05)
    broken.faults.fail_on = "夜"
    sound, sound_url = await simulate(seconds=0.2)
    async with context_of(folder_store, broken_url, sound_url, patience=0.1) as context:
        rendering = asyncio.create_task(render_all(takes(20), context))
        await wait_until(lambda: context.farm.problems)
        broken.faults.heal()
        failed = len(broken.started)
        await rendering
    assert len(broken.started) > failed + 3
    assert len(broken.started) + len(sound.started) == 20 + failed


async def test_takes_that_fail_on_all_servers_trip_none(simulate: Serve, folder_store: FolderStore) -> None:
    farm = [await simulate() for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.fail_on = "夜"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        results = await render_all(takes(8), context)
        assert all(isinstance(result, NodeFailed) for result in results)
        assert context.farm.problems == []
        assert [len(context.farm.others(TakeDispatcher(take(), context)._request))] == [2]
    assert [len(simulator.started) for simulator, _ in farm] == [8, 8]


async def test_a_server_that_lacks_the_model_gets_no_take_and_is_reported(
    simulate: Serve, folder_store: FolderStore
) -> None:
    poor, poor_url = await simulate()
    remove_checkpoint(poor, "sd_xl_base_1.0.safetensors")
    rich, rich_url = await simulate()
    planned = takes(6)
    async with context_of(folder_store, poor_url, rich_url) as context:
        await context.farm.capabilities.expect(one.graph for one in planned)
        results = await render_all(planned, context)
        lacked = "'sd_xl_base_1.0.safetensors' (CheckpointLoaderSimple.ckpt_name)"
        assert context.farm.problems == [f"{poor_url} lacks {lacked}: takes that need it go to other servers"]
    records_of(results)
    assert (poor.posted, len(rich.started)) == ([], 6)


async def test_a_server_that_loses_a_model_during_the_run_gets_no_take_and_is_reported(
    simulate: Serve, folder_store: FolderStore
) -> None:
    poor, poor_url = await simulate()
    rich, rich_url = await simulate()
    planned = takes(8)
    async with context_of(folder_store, poor_url, rich_url) as context:
        await context.farm.capabilities.expect(one.graph for one in planned)
        assert context.farm.problems == []
        remove_checkpoint(poor, "sd_xl_base_1.0.safetensors")
        results = await render_all(planned, context)
        assert [problem.startswith(f"{poor_url} lacks") for problem in context.farm.problems] == [True]
    records_of(results)
    assert (poor.posted, len(rich.started)) == ([], 8)


async def test_a_prompt_that_two_servers_refuse_the_same_way_fails_the_take(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(4)]
    for simulator, _ in farm:
        remove_checkpoint(simulator, "sd_xl_base_1.0.safetensors")
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        with pytest.raises(PromptRefused, match=r"sd_xl_base_1\.0\.safetensors"):
            await render(take(), context)
        assert context.farm.problems == []


async def test_a_prompt_that_waits_on_a_slow_server_moves_to_an_idle_one(
    simulate: Serve, folder_store: FolderStore
) -> None:
    slow, slow_url = await simulate()
    slow.faults.stall_on = "夜"
    fast, fast_url = await simulate()
    async with context_of(folder_store, slow_url, fast_url) as context:
        rendering = [asyncio.create_task(render(one, context)) for one in takes(4)]
        await wait_until(lambda: sum(task.done() for task in rendering) == 3)
        assert {task.result().server for task in rendering if task.done()} == {fast_url}
        assert (len(slow.started), len(fast.started)) == (1, 3)
        await cancel(*rendering)


async def test_a_prompt_that_waits_behind_other_clients_moves_to_an_idle_server(
    simulate: Serve, folder_store: FolderStore
) -> None:
    shared, shared_url = await simulate()
    shared.faults.stall_on = "夜"
    idle, idle_url = await simulate(seconds=0.3)
    async with context_of(folder_store, shared_url, idle_url) as context, Server(Address(shared_url)) as other_client:
        theirs = str(uuid.uuid4())
        rendering = [asyncio.create_task(render(one, context)) for one in takes(2)]
        await wait_until(lambda: shared.started and idle.started)
        await other_client.submit(graph(99, "雨"), theirs)
        rendering += [asyncio.create_task(render(one, context)) for one in takes(4)[2:]]
        await wait_until(lambda: sum(task.done() for task in rendering) == 3)
        assert {task.result().server for task in rendering if task.done()} == {idle_url}
        await cancel(*rendering)
        assert len((await other_client.follow(theirs, QUICK)).files) == 1
    assert len(shared.started) == 2


async def test_a_server_that_asks_for_a_pause_gets_no_take_during_it(
    simulate: Serve, folder_store: FolderStore
) -> None:
    busy, busy_url = await simulate()
    free, free_url = await simulate()
    async with context_of(folder_store, busy_url, free_url) as context:
        busy.faults.only_paths, busy.faults.refuse, busy.faults.refuse_status = ("/prompt",), ALWAYS, 429
        busy.faults.retry_after = 60
        results = await render_all(takes(6), context)
    records_of(results)
    assert (busy.posted, len(free.started)) == ([], 6)


async def test_prompts_of_a_server_that_does_not_return_go_to_other_servers(
    simulate: Serve, folder_store: FolderStore
) -> None:
    gone, gone_url = await simulate(seconds=5)
    other, other_url = await simulate(seconds=0.1)
    async with context_of(folder_store, gone_url, other_url, limits=Limits(unreachable=0.2)) as context:
        rendering = asyncio.create_task(render_all(takes(3), context))
        await wait_until(lambda: gone.started)
        gone.close_door(cut=True)
        results = await rendering
    assert {result.server for result in records_of(results)} == {other_url}
    assert len(other.started) == 3


async def test_the_only_server_is_tried_again_after_a_pause(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    async with context_of(folder_store, url, limits=QUICK) as context:
        simulator.faults.only_paths, simulator.faults.refuse = ("/prompt",), 1
        dispatcher = TakeDispatcher(take(), context)
        with pytest.raises(ServerUnavailable):
            await dispatcher.render()
        assert (await dispatcher.render()).server == url
    assert len(simulator.started) == 1


async def test_a_finished_render_survives_a_short_outage_of_its_server(
    simulate: Serve, folder_store: FolderStore
) -> None:
    both, urls = await two_servers(simulate)
    for each in both:
        each.faults.only_paths, each.faults.refuse = ("/view",), ALWAYS
    async with context_of(folder_store, *urls, limits=Limits(unreachable=5)) as context:
        rendering = asyncio.create_task(render(take(), context))
        await wait_until(lambda: any(each.queue.history for each in both))
        [down] = [each for each in both if each.queue.history]
        for each in both:
            each.faults.heal()
        down.faults.refuse = MANY
        await wait_until(lambda: MANY - down.faults.refuse >= 3)
        down.faults.heal()
        await rendering
    assert len(both[0].started + both[1].started) == 1


async def test_a_take_whose_files_a_server_keeps_refusing_is_rendered_on_another(
    simulate: Serve, folder_store: FolderStore
) -> None:
    both, urls = await two_servers(simulate)
    both[0].faults.only_paths, both[0].faults.refuse = ("/view",), MANY
    async with context_of(folder_store, *urls, limits=Limits(unreachable=0.3)) as context:
        results = await render_all(takes(2), context)
    assert {result.server for result in records_of(results)} == {urls[1]}
    assert 2 <= MANY - both[0].faults.refuse <= 8
    assert [len(each.started) for each in both] == [1, 2]


async def test_a_prompt_whose_answer_is_lost_in_an_outage_is_not_posted_elsewhere(
    simulate: Serve, folder_store: FolderStore
) -> None:
    both, urls = await two_servers(simulate)
    for each in both:
        each.faults.lose_prompt_answer = 1
    async with context_of(folder_store, *urls, limits=Limits(unreachable=5)) as context:
        rendering = asyncio.create_task(render(take(), context))
        async with asyncio.timeout(10):
            while not (down := [each for each in both if each.posted]):
                await asyncio.sleep(0)
        for each in both:
            each.faults.heal()
        down[0].faults.hang_up = MANY
        await wait_until(lambda: MANY - down[0].faults.hang_up >= 3)
        down[0].faults.heal()
        await rendering
    assert len(both[0].started + both[1].started) == 1


async def test_equal_servers_share_the_work_from_the_first_prompt_on(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served = [await simulate(seconds=0) for _ in range(3)]

    def shares() -> list[int]:
        return sorted(len(simulator.posted) for simulator, _ in served)

    async with context_of(folder_store, *(url for _, url in served)) as context:
        for one in takes(4):
            await render(one, context)
        assert shares() == [1, 1, 2]
        for simulator, _ in served:
            simulator.faults.stall_on = "雨"
        stalled = asyncio.create_task(render_all(takes(4, "雨"), context))
        await wait_until(lambda: sum(shares()) == 8)
        assert shares() == [2, 3, 3]
        await cancel(stalled)
