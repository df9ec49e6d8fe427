"""A take finds its way through the farm: lost, out of memory, failed, refused, it goes where it can be rendered."""

import asyncio
import json
import sys
import uuid
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import (
    NodeFailed,
    OutOfMemory,
    PrevisError,
    PromptLost,
    PromptRefused,
    ServerUnavailable,
    StoreUnavailable,
)
from previs.planning.cache import Found, renewed
from previs.planning.plan import PlannedTake
from previs.records.takes import TakeRecord
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher
from previs.simulator import ALWAYS, Simulator
from previs.store import FolderStore, S3Settings, S3Store
from tests.conftest import Serve
from tests.previs.comfyui.graphs import graph
from tests.previs.rendering.contexts import QUICK, context_of, take, takes
from tests.previs.rendering.test_leases import Troubled
from tests.previs.store.fault_schedule import faulty_proxy


async def render(planned: PlannedTake, context: RunContext) -> TakeRecord:
    return await TakeDispatcher(planned, context).render()


async def render_all(planned: list[PlannedTake], context: RunContext) -> list[TakeRecord | BaseException]:
    return await asyncio.gather(*(render(one, context) for one in planned), return_exceptions=True)


async def happens(what: Callable[[], object], within: float = 15) -> None:
    async with asyncio.timeout(within):
        while not what():
            await asyncio.sleep(0.01)


def without(simulator: Simulator, checkpoint: str) -> None:
    """Take a checkpoint from a server."""
    loader = simulator.object_info["CheckpointLoaderSimple"]
    rules = loader["input"]["required"]
    names = [name for name in rules["ckpt_name"][0] if name != checkpoint]
    required = {**rules, "ckpt_name": [names, *rules["ckpt_name"][1:]]}
    changed = {**loader, "input": {**loader["input"], "required": required}}
    simulator.object_info = {**simulator.object_info, "CheckpointLoaderSimple": changed}


async def test_what_a_restart_took_is_rendered_again_at_once(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate(seconds=1.0)
    errors: list[PrevisError] = []
    async with context_of(folder_store, url) as context:
        rendering = [
            asyncio.create_task(TakeDispatcher(one, context).render(on_retry=errors.append)) for one in takes(2)
        ]
        await happens(lambda: simulator.queue.remaining == 2 and simulator.queue.running)
        lost = set(simulator.posted)
        simulator.restart()
        simulator.seconds = 0.05
        await asyncio.gather(*rendering)
    assert [type(error) for error in errors] == [PromptLost, PromptLost]
    assert set(simulator.posted[2:]) == lost


async def test_what_a_server_loses_again_and_again_is_given_up(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate(seconds=5)

    def crash(_: str, life: PromptState) -> None:
        if life.phase is Phase.RUNNING:
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


async def test_out_of_memory_once_more_sends_the_take_elsewhere(simulate: Serve, folder_store: FolderStore) -> None:
    small, small_url = await simulate()
    small.faults.out_of_memory_on = "夜"
    large, large_url = await simulate()
    async with context_of(folder_store, small_url, large_url) as context:
        record = await render(take(), context)
    assert record.server == large_url
    assert (small.freed, len(small.started), large.freed, len(large.started)) == (1, 2, 0, 1)


async def test_out_of_memory_everywhere_is_told_after_two_tries_each(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.out_of_memory_on = "夜"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        with pytest.raises(OutOfMemory):
            await render(take(), context)
    assert [(simulator.freed, len(simulator.started)) for simulator, _ in farm] == [(1, 2), (1, 2)]


async def test_a_node_that_fails_on_one_server_may_do_on_another(simulate: Serve, folder_store: FolderStore) -> None:
    broken, broken_url = await simulate()
    broken.faults.fail_on = "夜"
    _, sound_url = await simulate()
    async with context_of(folder_store, broken_url, sound_url) as context:
        record = await render(take(), context)
    assert record.server == sound_url
    assert len(broken.started) == 1


async def test_a_node_that_fails_in_the_same_way_on_two_servers_is_the_inputs_fault(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(3)]
    for simulator, _ in farm:
        simulator.faults.fail_on = "夜"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        with pytest.raises(NodeFailed):
            await render(take(), context)
    assert sorted(len(simulator.started) for simulator, _ in farm) == [0, 1, 1]


async def test_two_nodes_that_fail_are_no_verdict_yet(simulate: Serve, folder_store: FolderStore) -> None:
    farm = [await simulate() for _ in range(3)]
    for simulator, _ in farm[:2]:
        simulator.faults.fail_on = "夜"
    farm[1][0].faults.fail_at = "VAEDecode"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        record = await render(take(), context)
    assert record.server == farm[2][1]


async def test_a_server_that_fails_three_takes_in_a_row_is_set_aside_and_the_run_says_so(
    simulate: Serve, folder_store: FolderStore
) -> None:
    broken, broken_url = await simulate()
    broken.faults.fail_on = "夜"
    sound, sound_url = await simulate(seconds=0.2)
    async with context_of(folder_store, broken_url, sound_url) as context:
        ends = await render_all(takes(12), context)
        assert {end.server for end in ends if isinstance(end, TakeRecord)} == {sound_url}
        assert len(broken.started) <= 4
        assert len(sound.started) == 12
        [problem] = context.farm.problems
    assert problem.startswith(f"{broken_url} failed SH")
    assert "in a row" in problem
    assert problem.endswith("; it was set aside")


async def test_a_server_that_was_set_aside_comes_back_by_one_take(
    simulate: Serve, folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.farm.circuit_breaker._FIRST_PAUSE", 0.5)
    broken, broken_url = await simulate(seconds=0.1)
    broken.faults.fail_on = "夜"
    sound, sound_url = await simulate(seconds=0.3)
    async with context_of(folder_store, broken_url, sound_url) as context:
        rendering = asyncio.create_task(render_all(takes(30), context))
        await happens(lambda: context.farm.problems)
        broken.faults.heal()
        failed = len(broken.started)
        await rendering
    assert len(broken.started) > failed + 3
    assert len(broken.started) + len(sound.started) == 30 + failed


async def test_takes_that_fail_everywhere_set_no_server_aside(simulate: Serve, folder_store: FolderStore) -> None:
    farm = [await simulate() for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.fail_on = "夜"
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        ends = await render_all(takes(12), context)
        assert all(isinstance(end, NodeFailed) for end in ends)
        assert context.farm.problems == []
        assert [len(context.farm.others(TakeDispatcher(take(), context)._request))] == [2]
    assert [len(simulator.started) for simulator, _ in farm] == [12, 12]


async def test_a_take_goes_only_to_servers_that_have_its_model_and_the_run_says_which_lacks_it(
    simulate: Serve, folder_store: FolderStore
) -> None:
    poor, poor_url = await simulate()
    without(poor, "sd_xl_base_1.0.safetensors")
    rich, rich_url = await simulate()
    planned = takes(6)
    async with context_of(folder_store, poor_url, rich_url) as context:
        await context.farm.capabilities.expect(one.graph for one in planned)
        ends = await render_all(planned, context)
        lacked = "'sd_xl_base_1.0.safetensors' (CheckpointLoaderSimple.ckpt_name)"
        assert context.farm.problems == [f"{poor_url} lacks {lacked}: takes that need it go to other servers"]
    assert all(isinstance(end, TakeRecord) for end in ends)
    assert (poor.posted, len(rich.started)) == ([], 6)


async def test_a_model_that_went_missing_in_the_middle_of_a_run_is_noticed(
    simulate: Serve, folder_store: FolderStore
) -> None:
    poor, poor_url = await simulate()
    rich, rich_url = await simulate()
    planned = takes(8)
    async with context_of(folder_store, poor_url, rich_url) as context:
        await context.farm.capabilities.expect(one.graph for one in planned)
        assert context.farm.problems == []
        without(poor, "sd_xl_base_1.0.safetensors")
        ends = await render_all(planned, context)
        assert [problem.startswith(f"{poor_url} lacks") for problem in context.farm.problems] == [True]
    assert all(isinstance(end, TakeRecord) for end in ends)
    assert (poor.posted, len(rich.started)) == ([], 8)


async def test_what_two_servers_refuse_in_the_same_way_is_the_inputs_fault(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(4)]
    for simulator, _ in farm:
        without(simulator, "sd_xl_base_1.0.safetensors")
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        with pytest.raises(PromptRefused, match=r"sd_xl_base_1\.0\.safetensors"):
            await render(take(), context)
        assert context.farm.problems == []


async def test_what_waits_on_a_slow_server_is_moved_to_one_that_idles(
    simulate: Serve, folder_store: FolderStore
) -> None:
    slow, slow_url = await simulate(seconds=3)
    fast, fast_url = await simulate(seconds=0.1)
    async with context_of(folder_store, slow_url, fast_url) as context:
        began = asyncio.get_running_loop().time()
        ends = await render_all(takes(4), context)
        took = asyncio.get_running_loop().time() - began
    assert all(isinstance(end, TakeRecord) for end in ends)
    assert len(slow.started) == 1
    assert len(fast.started) == 3
    assert took < 2 * 3


async def test_what_waits_behind_other_peoples_prompts_is_moved_to_a_server_that_idles(
    simulate: Serve, folder_store: FolderStore
) -> None:
    shared, shared_url = await simulate(seconds=3)
    idle, idle_url = await simulate(seconds=0.3)
    async with context_of(folder_store, shared_url, idle_url) as context, Server(Address(shared_url)) as somebody:
        theirs = str(uuid.uuid4())
        first = [asyncio.create_task(render(one, context)) for one in takes(2)]
        await happens(lambda: shared.started and idle.started)
        await somebody.submit(graph(99), theirs)
        behind = asyncio.create_task(render(takes(3)[2], context))
        another = asyncio.create_task(render(takes(4)[3], context))
        ends = await asyncio.gather(*first, behind, another)
        assert len((await somebody.follow(theirs, QUICK)).files) == 1
    assert sorted(end.server for end in ends) == sorted([shared_url, idle_url, idle_url, idle_url])


async def test_a_server_that_wants_to_be_left_alone_gets_nothing_meanwhile(
    simulate: Serve, folder_store: FolderStore
) -> None:
    busy, busy_url = await simulate()
    free, free_url = await simulate()
    async with context_of(folder_store, busy_url, free_url) as context:
        busy.faults.only_paths, busy.faults.refuse, busy.faults.refuse_status = ("/prompt",), ALWAYS, 429
        busy.faults.retry_after = 60
        ends = await render_all(takes(6), context)
    assert all(isinstance(end, TakeRecord) for end in ends)
    assert (busy.posted, len(free.started)) == ([], 6)


async def test_a_server_that_is_gone_for_good_leaves_its_prompts_to_the_others(
    simulate: Serve, folder_store: FolderStore
) -> None:
    gone, gone_url = await simulate(seconds=5)
    other, other_url = await simulate(seconds=0.1)
    async with context_of(folder_store, gone_url, other_url, limits=Limits(unreachable=0.5)) as context:
        rendering = asyncio.create_task(render_all(takes(3), context))
        await happens(lambda: gone.started)
        gone.close_door(cut=True)
        ends = await rendering
    assert {end.server for end in ends if isinstance(end, TakeRecord)} == {other_url}
    assert len(other.started) == 3


async def test_trouble_with_the_only_server_is_told(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    async with context_of(folder_store, url, limits=QUICK) as context:
        simulator.faults.only_paths, simulator.faults.refuse = ("/prompt",), 1
        assignment = TakeDispatcher(take(), context)
        with pytest.raises(ServerUnavailable):
            await assignment.render()
        assert (await assignment.render()).server == url
    assert len(simulator.started) == 1


async def pair(simulate: Serve) -> tuple[list[Simulator], list[str]]:
    served = [await simulate(seconds=0.1) for _ in range(2)]
    return [simulator for simulator, _ in served], [url for _, url in served]


async def test_a_finished_render_whose_server_is_away_for_a_moment_is_not_thrown_away(
    simulate: Serve, folder_store: FolderStore
) -> None:
    both, urls = await pair(simulate)
    for each in both:
        each.faults.only_paths, each.faults.refuse = ("/view",), ALWAYS
    async with context_of(folder_store, *urls, limits=Limits(unreachable=5)) as context:
        rendering = asyncio.create_task(render(take(), context))
        await happens(lambda: any(each.queue.history for each in both))
        [down] = [each for each in both if each.queue.history]
        for each in both:
            each.faults.heal()
        down.faults.refuse = ALWAYS
        await asyncio.sleep(1)
        down.faults.heal()
        await rendering
    assert len(both[0].started + both[1].started) == 1


async def test_files_that_a_server_never_gives_are_rendered_again_elsewhere_after_some_patience(
    simulate: Serve, folder_store: FolderStore
) -> None:
    both, urls = await pair(simulate)
    both[0].faults.only_paths, both[0].faults.refuse = ("/view",), 1_000_000
    async with context_of(folder_store, *urls, limits=Limits(unreachable=1)) as context:
        ends = await render_all(takes(2), context)
    assert {end.server for end in ends if isinstance(end, TakeRecord)} == {urls[1]}
    assert 2 <= 1_000_000 - both[0].faults.refuse <= 8
    assert [len(each.started) for each in both] == [1, 2]


async def test_a_prompt_whose_answer_was_lost_in_an_outage_is_not_posted_elsewhere(
    simulate: Serve, folder_store: FolderStore
) -> None:
    both, urls = await pair(simulate)
    for each in both:
        each.faults.lose_prompt_answer = 1
    async with context_of(folder_store, *urls, limits=Limits(unreachable=5)) as context:
        rendering = asyncio.create_task(render(take(), context))
        async with asyncio.timeout(10):
            while not (down := [each for each in both if each.posted]):
                await asyncio.sleep(0)
        for each in both:
            each.faults.heal()
        down[0].faults.hang_up = ALWAYS
        await asyncio.sleep(1)
        down[0].faults.heal()
        await rendering
    assert len(both[0].started + both[1].started) == 1


# Several runs on one store


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> FolderStore | S3Store:
    made: FolderStore | S3Store = request.getfixturevalue(f"{request.param}_store")
    return made


def records_of(ends: list[TakeRecord | BaseException]) -> list[TakeRecord]:
    assert [end for end in ends if not isinstance(end, TakeRecord)] == []
    return [end for end in ends if isinstance(end, TakeRecord)]


async def test_two_runs_on_the_same_servers_render_each_take_once(
    simulate: Serve, store: FolderStore | S3Store
) -> None:
    served, urls = await pair(simulate)
    async with context_of(store, *urls) as first, context_of(store, *urls) as second:
        ends = await asyncio.gather(render_all(takes(12), first), render_all(takes(12), second))
        assert (first.farm.held, second.farm.held) == (0, 0)
    assert records_of(ends[0]) == records_of(ends[1])
    assert len({*served[0].posted, *served[1].posted}) == 12
    assert sum(len(each.posted) for each in served) == 12


async def test_two_runs_on_different_servers_render_each_take_once(
    simulate: Serve, store: FolderStore | S3Store
) -> None:
    served, urls = await pair(simulate)
    async with context_of(store, urls[0]) as first, context_of(store, urls[1]) as second:
        ends = await asyncio.gather(render_all(takes(12), first), render_all(takes(12)[::-1], second))
    assert records_of(ends[0]) == records_of(ends[1])[::-1]
    assert {record.server for record in records_of(ends[0])} == set(urls)
    assert sum(len(each.posted) for each in served) == 12


async def test_what_a_run_leaves_undone_the_other_run_renders(simulate: Serve, store: FolderStore | S3Store) -> None:
    served, urls = await pair(simulate)
    served[0].seconds = 30
    async with context_of(store, urls[1]) as second:
        async with context_of(store, urls[0]) as first:
            theirs = asyncio.create_task(render_all(takes(12), first))
            await happens(lambda: served[0].started)
            ours = asyncio.create_task(render_all(takes(12), second))
            await happens(lambda: second.leases._waiting == 2 and len(served[1].started) == 10)
            theirs.cancel()
            await asyncio.gather(theirs, return_exceptions=True)
        async with asyncio.timeout(30):
            ends = await ours
    assert {record.server for record in records_of(ends)} == {urls[1]}
    assert len(served[1].started) == 12


async def test_a_take_that_fails_in_one_run_is_tried_by_the_run_that_waited(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served, urls = await pair(simulate)
    served[0].faults.fail_on, served[0].seconds = "夜", 0.5
    async with context_of(folder_store, urls[0]) as first, context_of(folder_store, urls[1]) as second:
        theirs = asyncio.create_task(render_all([take()], first))
        await happens(lambda: served[0].started)
        waits = TakeDispatcher(take(), second)
        assert (await waits.render()).server == urls[1]
        assert isinstance((await theirs)[0], NodeFailed)
    assert not waits.from_another_run


async def test_a_take_that_another_run_renders_holds_no_place_meanwhile(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served, urls = await pair(simulate)
    served[0].seconds = 30
    async with context_of(folder_store, urls[0]) as first:
        theirs = asyncio.create_task(render(take(1), first))
        await happens(lambda: served[0].started)
        async with context_of(folder_store, urls[1], slots=1) as second:
            waiting = asyncio.create_task(render(take(1), second))
            await happens(lambda: second.leases._waiting)
            assert second.farm.held == 0
            assert (await render(take(2), second)).server == urls[1]
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert (second.farm.held, second.leases._waiting) == (0, 0)
        theirs.cancel()
        await asyncio.gather(theirs, return_exceptions=True)


async def test_runs_that_wait_for_each_others_takes_both_end(simulate: Serve, folder_store: FolderStore) -> None:
    """With one place each, both have claimed what the other asks for next."""
    served, urls = await pair(simulate)
    for each in served:
        each.seconds = 0.5
    async with (
        context_of(folder_store, urls[0], slots=1) as first,
        context_of(folder_store, urls[1], slots=1) as second,
    ):
        one = asyncio.create_task(render_all([take(1), take(2)], first))
        other = asyncio.create_task(render_all([take(2), take(1)], second))
        async with asyncio.timeout(30):
            ends = records_of(await one), records_of(await other)
    assert ends[0] == ends[1][::-1]
    assert [len(each.posted) for each in served] == [1, 1]


async def test_two_runs_that_both_want_it_anew_both_render_it(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    async with context_of(folder_store, url) as context:
        before = await render(take(), context)
    async with context_of(folder_store, url) as first, context_of(folder_store, url) as second:
        wanted = [
            TakeDispatcher(replace(take(), render_nonce=context.leases.run), context, seen=before)
            for context in (first, second)
        ]
        ends = await asyncio.gather(*(each.render() for each in wanted))
        assert [each.from_another_run for each in wanted] == [False, False]
    assert len({before.prompt_id, *(record.prompt_id for record in ends)}) == 3


async def test_two_runs_that_find_the_same_record_too_old_render_it_once(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served, urls = await pair(simulate)
    async with context_of(folder_store, urls[0]) as first, context_of(folder_store, urls[1]) as second:
        before = await render(take(), first)
        anew = renewed(take(), Found(before, "too old", outdated=True))
        ends = await asyncio.gather(*(TakeDispatcher(anew, each, seen=before).render() for each in (first, second)))
    assert ends[0] == ends[1] != before
    assert sum(len(each.posted) for each in served) == 2


async def test_what_another_run_recorded_since_this_one_looked_is_taken(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate()
    async with context_of(folder_store, url) as first, context_of(folder_store, url) as second:
        record = await render(take(), first)
        late = TakeDispatcher(take(), second)
        assert (await late.render(), late.from_another_run) == (record, True)
        again = TakeDispatcher(take(), second, seen=record)
        assert not again.from_another_run
    assert len(simulator.posted) == 1


async def test_a_record_that_was_found_wanting_is_not_taken_for_news(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate()
    async with context_of(folder_store, url) as first, context_of(folder_store, url) as second:
        record = await render(take(), first)
        simulator.queue.history.clear()
        mended = TakeDispatcher(take(), second, seen=record)
        assert (await mended.render()).finished > record.finished
        assert not mended.from_another_run
    assert len(simulator.posted) == 2


async def test_another_runs_record_does_not_pass_for_ones_own_new_one(
    simulate: Serve, folder_store: FolderStore
) -> None:
    """The other run recorded the take after this one had looked, and this one's first attempt failed."""
    simulator, url = await simulate()
    async with context_of(folder_store, url) as other, context_of(folder_store, url) as context:
        await render(take(), other)
        anew = TakeDispatcher(replace(take(), render_nonce=context.leases.run), context)
        simulator.faults.fail_on = "夜"
        with pytest.raises(NodeFailed):
            await anew.render()
        simulator.faults.heal()
        await anew.render()
        assert not anew.from_another_run
    assert len(simulator.posted) == 3


async def test_a_store_that_is_away_is_told_and_no_place_is_held(settings: S3Settings, simulate: Serve) -> None:
    _, url = await simulate()
    async with faulty_proxy(settings.endpoint_url or "", share=0) as proxy:
        away = settings.model_copy(update={"endpoint_url": proxy.url})
        async with S3Store(away, patience=0.1) as store, context_of(store, url) as context:
            await proxy.stop()
            assignment = TakeDispatcher(take(), context)
            with pytest.raises(StoreUnavailable):
                await assignment.render()
            assert context.farm.held == 0
            await proxy.start()
            assert (await assignment.render()).server == url


RUN = """
import asyncio, json, sys
from previs.rendering.dispatch import TakeDispatcher
from previs.store import FolderStore, S3Settings, S3Store
from tests.previs.rendering.contexts import context_of, takes

async def main():
    place, count, *urls = sys.argv[1:]
    store = S3Store(S3Settings.model_validate_json(place)) if place.startswith("{") else FolderStore(place)
    async with store, context_of(store, *urls) as context:
        work = [asyncio.create_task(TakeDispatcher(one, context).render()) for one in takes(int(count))]
        print("works", flush=True)
        print(json.dumps([record.prompt_id for record in await asyncio.gather(*work)]), flush=True)

asyncio.run(main())
"""


async def process(store: FolderStore | S3Store, count: int, *urls: str) -> asyncio.subprocess.Process:
    """Another process that renders so many takes."""
    slot = store.name
    if isinstance(store, S3Store):
        secrets = {
            name: getattr(store.settings, name).get_secret_value() for name in ("access_key_id", "secret_access_key")
        }
        slot = json.dumps(store.settings.model_dump(mode="json") | secrets)
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, slot, str(count), *urls, stdout=PIPE, cwd=Path(__file__).parents[3]
    )
    assert started.stdout is not None
    assert await started.stdout.readline() == b"works\n"
    return started


async def test_two_processes_on_different_servers_render_each_take_once(
    simulate: Serve, store: FolderStore | S3Store
) -> None:
    served, urls = await pair(simulate)
    both = await asyncio.gather(*(process(store, 12, url) for url in urls))
    async with asyncio.timeout(120):
        told = [json.loads((await each.communicate())[0]) for each in both]
    assert told[0] == told[1]
    assert sorted(served[0].posted + served[1].posted) == sorted(told[0])


@pytest.mark.skipif(sys.platform != "linux", reason="that a process was killed is known at once on Linux")
async def test_the_prompt_of_a_run_that_was_killed_is_joined(simulate: Serve, store: FolderStore | S3Store) -> None:
    simulator, url = await simulate(seconds=1.5)
    async with context_of(store, url) as context:
        killed = await process(store, 2, url)
        await happens(lambda: len(simulator.posted) == 2 and simulator.started)
        killed.kill()
        await killed.wait()
        async with asyncio.timeout(60):
            records_of(await render_all(takes(3), context))
    assert len(simulator.posted) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="that a process was killed is known at once on Linux")
async def test_what_waits_for_a_run_that_is_killed_goes_on_by_itself(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served, urls = await pair(simulate)
    served[0].seconds = 60
    async with context_of(folder_store, urls[1]) as context:
        killed = await process(folder_store, 2, urls[0])
        await happens(lambda: len(served[0].posted) == 2)
        waiting = asyncio.create_task(render_all(takes(4), context))
        await happens(lambda: context.leases._waiting == 2 and len(served[1].started) == 2)
        killed.kill()
        await killed.wait()
        async with asyncio.timeout(60):
            records_of(await waiting)
    assert len(served[1].posted) == 4


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", range(4))
async def test_wherever_a_take_is_cancelled_neither_place_nor_claim_stays(
    simulate: Serve,
    folder_store: FolderStore,
    call: int,
    late: bool,  # noqa: FBT001
) -> None:
    _, url = await simulate()
    store = Troubled(folder_store.name)
    store.wrong, store.late, store.cancels = call, late, True
    async with context_of(store, url) as context, context_of(folder_store, url) as other:
        context.leases.interval = 1e9
        rendering = asyncio.create_task(render(take(), context))
        await asyncio.gather(rendering, return_exceptions=True)
        assert rendering.cancelled()
        store.wrong = None
        assert context.farm.held == 0
        await context.leases._renew()
        async with asyncio.timeout(20):
            await render(take(), other)
