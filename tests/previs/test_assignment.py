"""A take finds its way through the farm: lost, out of memory, failed, refused, it goes where it can be rendered."""

import asyncio
import uuid
from collections.abc import Callable

import pytest

from previs.assignment import Assignment
from previs.comfyui.address import Address
from previs.comfyui.deadlines import Limits
from previs.comfyui.life import Life, Phase
from previs.comfyui.server import Server
from previs.errors import NodeFailed, OutOfMemory, PrevisError, PromptLost, PromptRefused, ServerTrouble
from previs.plan import PlannedTake
from previs.records import TakeRecord
from previs.simulator import ALWAYS, Simulator
from previs.store import FolderStore
from previs.studio import Studio
from tests.conftest import Serve
from tests.previs.comfyui.graphs import graph
from tests.previs.studios import QUICK, studio_of, take, takes


async def render(planned: PlannedTake, studio: Studio) -> TakeRecord:
    return await Assignment(planned, studio).render()


async def render_all(planned: list[PlannedTake], studio: Studio) -> list[TakeRecord | BaseException]:
    return await asyncio.gather(*(render(one, studio) for one in planned), return_exceptions=True)


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
    async with studio_of(folder_store, url) as studio:
        rendering = [asyncio.create_task(Assignment(one, studio).render(on_error=errors.append)) for one in takes(2)]
        await happens(lambda: simulator.queue.remaining == 2 and simulator.queue.running)
        lost = set(simulator.posted)
        simulator.restart()
        simulator.seconds = 0.05
        await asyncio.gather(*rendering)
    assert [type(error) for error in errors] == [PromptLost, PromptLost]
    assert set(simulator.posted[2:]) == lost


async def test_what_a_server_loses_again_and_again_is_given_up(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate(seconds=5)

    def crash(_: str, life: Life) -> None:
        if life.phase is Phase.RUNNING:
            simulator.restart()

    async with studio_of(folder_store, url) as studio:
        with pytest.raises(PromptLost):
            await Assignment(take(), studio).render(crash)
        assert studio.farm.held == 0
    assert len(simulator.started) == 5


async def test_a_server_out_of_memory_is_freed_and_tried_again(simulate: Serve, folder_store: FolderStore) -> None:
    full, full_url = await simulate()
    full.faults.memory_full = True
    other, other_url = await simulate()
    other.faults.slowness = 100
    async with studio_of(folder_store, full_url, other_url) as studio:
        record = await render(take(), studio)
    assert record.server == full_url
    assert (full.freed, len(full.started), other.started) == (1, 2, [])


async def test_out_of_memory_once_more_sends_the_take_elsewhere(simulate: Serve, folder_store: FolderStore) -> None:
    small, small_url = await simulate()
    small.faults.out_of_memory_on = "夜"
    large, large_url = await simulate()
    async with studio_of(folder_store, small_url, large_url) as studio:
        record = await render(take(), studio)
    assert record.server == large_url
    assert (small.freed, len(small.started), large.freed, len(large.started)) == (1, 2, 0, 1)


async def test_out_of_memory_everywhere_is_told_after_two_tries_each(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.out_of_memory_on = "夜"
    async with studio_of(folder_store, *(url for _, url in farm)) as studio:
        with pytest.raises(OutOfMemory):
            await render(take(), studio)
    assert [(simulator.freed, len(simulator.started)) for simulator, _ in farm] == [(1, 2), (1, 2)]


async def test_a_node_that_fails_on_one_server_may_do_on_another(simulate: Serve, folder_store: FolderStore) -> None:
    broken, broken_url = await simulate()
    broken.faults.fail_on = "夜"
    _, sound_url = await simulate()
    async with studio_of(folder_store, broken_url, sound_url) as studio:
        record = await render(take(), studio)
    assert record.server == sound_url
    assert len(broken.started) == 1


async def test_a_node_that_fails_in_the_same_way_on_two_servers_is_the_inputs_fault(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(3)]
    for simulator, _ in farm:
        simulator.faults.fail_on = "夜"
    async with studio_of(folder_store, *(url for _, url in farm)) as studio:
        with pytest.raises(NodeFailed):
            await render(take(), studio)
    assert sorted(len(simulator.started) for simulator, _ in farm) == [0, 1, 1]


async def test_two_nodes_that_fail_are_no_verdict_yet(simulate: Serve, folder_store: FolderStore) -> None:
    farm = [await simulate() for _ in range(3)]
    for simulator, _ in farm[:2]:
        simulator.faults.fail_on = "夜"
    farm[1][0].faults.fail_at = "VAEDecode"
    async with studio_of(folder_store, *(url for _, url in farm)) as studio:
        record = await render(take(), studio)
    assert record.server == farm[2][1]


async def test_a_server_that_fails_three_takes_in_a_row_is_set_aside_and_the_run_says_so(
    simulate: Serve, folder_store: FolderStore
) -> None:
    broken, broken_url = await simulate()
    broken.faults.fail_on = "夜"
    sound, sound_url = await simulate(seconds=0.2)
    async with studio_of(folder_store, broken_url, sound_url) as studio:
        ends = await render_all(takes(12), studio)
        assert {end.server for end in ends if isinstance(end, TakeRecord)} == {sound_url}
        assert len(broken.started) <= 4
        assert len(sound.started) == 12
        [problem] = studio.farm.problems
    assert problem.startswith(f"{broken_url} failed SH")
    assert "in a row" in problem
    assert problem.endswith("; it was set aside")


async def test_a_server_that_was_set_aside_comes_back_by_one_take(
    simulate: Serve, folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.reputation._FIRST_PAUSE", 0.5)
    broken, broken_url = await simulate(seconds=0.1)
    broken.faults.fail_on = "夜"
    sound, sound_url = await simulate(seconds=0.3)
    async with studio_of(folder_store, broken_url, sound_url) as studio:
        rendering = asyncio.create_task(render_all(takes(30), studio))
        await happens(lambda: studio.farm.problems)
        broken.faults.heal()
        failed = len(broken.started)
        await rendering
    assert len(broken.started) > failed + 3
    assert len(broken.started) + len(sound.started) == 30 + failed


async def test_takes_that_fail_everywhere_set_no_server_aside(simulate: Serve, folder_store: FolderStore) -> None:
    farm = [await simulate() for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.fail_on = "夜"
    async with studio_of(folder_store, *(url for _, url in farm)) as studio:
        ends = await render_all(takes(12), studio)
        assert all(isinstance(end, NodeFailed) for end in ends)
        assert studio.farm.problems == []
        assert [len(studio.farm.others(Assignment(take(), studio)._wish))] == [2]
    assert [len(simulator.started) for simulator, _ in farm] == [12, 12]


async def test_a_take_goes_only_to_servers_that_have_its_model_and_the_run_says_which_lacks_it(
    simulate: Serve, folder_store: FolderStore
) -> None:
    poor, poor_url = await simulate()
    without(poor, "sd_xl_base_1.0.safetensors")
    rich, rich_url = await simulate()
    planned = takes(6)
    async with studio_of(folder_store, poor_url, rich_url) as studio:
        await studio.farm.stock.expect(one.graph for one in planned)
        ends = await render_all(planned, studio)
        lacked = "'sd_xl_base_1.0.safetensors' (CheckpointLoaderSimple.ckpt_name)"
        assert studio.farm.problems == [f"{poor_url} lacks {lacked}: takes that need it go to other servers"]
    assert all(isinstance(end, TakeRecord) for end in ends)
    assert (poor.posted, len(rich.started)) == ([], 6)


async def test_a_model_that_went_missing_in_the_middle_of_a_run_is_noticed(
    simulate: Serve, folder_store: FolderStore
) -> None:
    poor, poor_url = await simulate()
    rich, rich_url = await simulate()
    planned = takes(8)
    async with studio_of(folder_store, poor_url, rich_url) as studio:
        await studio.farm.stock.expect(one.graph for one in planned)
        assert studio.farm.problems == []
        without(poor, "sd_xl_base_1.0.safetensors")
        ends = await render_all(planned, studio)
        assert [problem.startswith(f"{poor_url} lacks") for problem in studio.farm.problems] == [True]
    assert all(isinstance(end, TakeRecord) for end in ends)
    assert (poor.posted, len(rich.started)) == ([], 8)


async def test_what_two_servers_refuse_in_the_same_way_is_the_inputs_fault(
    simulate: Serve, folder_store: FolderStore
) -> None:
    farm = [await simulate() for _ in range(4)]
    for simulator, _ in farm:
        without(simulator, "sd_xl_base_1.0.safetensors")
    async with studio_of(folder_store, *(url for _, url in farm)) as studio:
        with pytest.raises(PromptRefused, match=r"sd_xl_base_1\.0\.safetensors"):
            await render(take(), studio)
        assert studio.farm.problems == []


async def test_what_waits_on_a_slow_server_is_moved_to_one_that_idles(
    simulate: Serve, folder_store: FolderStore
) -> None:
    slow, slow_url = await simulate(seconds=3)
    fast, fast_url = await simulate(seconds=0.1)
    async with studio_of(folder_store, slow_url, fast_url) as studio:
        began = asyncio.get_running_loop().time()
        ends = await render_all(takes(4), studio)
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
    async with studio_of(folder_store, shared_url, idle_url) as studio, Server(Address(shared_url)) as somebody:
        theirs = str(uuid.uuid4())
        first = [asyncio.create_task(render(one, studio)) for one in takes(2)]
        await happens(lambda: shared.started and idle.started)
        await somebody.submit(graph(99), theirs)
        behind = asyncio.create_task(render(takes(3)[2], studio))
        another = asyncio.create_task(render(takes(4)[3], studio))
        ends = await asyncio.gather(*first, behind, another)
        assert len((await somebody.follow(theirs, QUICK)).files) == 1
    assert sorted(end.server for end in ends) == sorted([shared_url, idle_url, idle_url, idle_url])


async def test_a_server_that_wants_to_be_left_alone_gets_nothing_meanwhile(
    simulate: Serve, folder_store: FolderStore
) -> None:
    busy, busy_url = await simulate()
    free, free_url = await simulate()
    async with studio_of(folder_store, busy_url, free_url) as studio:
        busy.faults.only_paths, busy.faults.refuse, busy.faults.refuse_status = ("/prompt",), ALWAYS, 429
        busy.faults.retry_after = 60
        ends = await render_all(takes(6), studio)
    assert all(isinstance(end, TakeRecord) for end in ends)
    assert (busy.posted, len(free.started)) == ([], 6)


async def test_a_server_that_is_gone_for_good_leaves_its_prompts_to_the_others(
    simulate: Serve, folder_store: FolderStore
) -> None:
    gone, gone_url = await simulate(seconds=5)
    other, other_url = await simulate(seconds=0.1)
    async with studio_of(folder_store, gone_url, other_url, limits=Limits(unreachable=0.5)) as studio:
        rendering = asyncio.create_task(render_all(takes(3), studio))
        await happens(lambda: gone.started)
        gone.close_door(cut=True)
        ends = await rendering
    assert {end.server for end in ends if isinstance(end, TakeRecord)} == {other_url}
    assert len(other.started) == 3


async def test_trouble_with_the_only_server_is_told(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    async with studio_of(folder_store, url, limits=QUICK) as studio:
        simulator.faults.only_paths, simulator.faults.refuse = ("/prompt",), 1
        assignment = Assignment(take(), studio)
        with pytest.raises(ServerTrouble):
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
    async with studio_of(folder_store, *urls, limits=Limits(unreachable=5)) as studio:
        rendering = asyncio.create_task(render(take(), studio))
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
    async with studio_of(folder_store, *urls, limits=Limits(unreachable=1)) as studio:
        ends = await render_all(takes(2), studio)
    assert {end.server for end in ends if isinstance(end, TakeRecord)} == {urls[1]}
    assert 2 <= 1_000_000 - both[0].faults.refuse <= 8
    assert [len(each.started) for each in both] == [1, 2]


async def test_a_prompt_whose_answer_was_lost_in_an_outage_is_not_posted_elsewhere(
    simulate: Serve, folder_store: FolderStore
) -> None:
    both, urls = await pair(simulate)
    for each in both:
        each.faults.lose_prompt_answer = 1
    async with studio_of(folder_store, *urls, limits=Limits(unreachable=5)) as studio:
        rendering = asyncio.create_task(render(take(), studio))
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
