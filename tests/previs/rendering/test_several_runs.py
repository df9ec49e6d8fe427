"""Check that runs that share a store render each take once, and that no run loses a take to another."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path

import pytest

from previs.errors import NodeFailed, StoreUnavailable
from previs.planning.cache import Found, renewed
from previs.rendering.dispatch import TakeDispatcher
from previs.store import FolderStore, S3Settings, S3Store, Store
from tests.conftest import FOLDER_AND_S3, Serve
from tests.previs.rendering.contexts import (
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
from tests.previs.rendering.leasing import NEVER, FaultyFolder
from tests.previs.store.fault_schedule import faulty_proxy

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells at once that a process was killed")


@FOLDER_AND_S3
async def test_two_runs_on_the_same_servers_render_each_take_once(simulate: Serve, store: Store) -> None:
    served, urls = await two_servers(simulate)
    async with context_of(store, *urls) as first, context_of(store, *urls) as second:
        results = await asyncio.gather(render_all(takes(6), first), render_all(takes(6), second))
        assert (first.farm.held, second.farm.held) == (0, 0)
    assert records_of(results[0]) == records_of(results[1])
    # A prompt that waits may be posted again when it is moved to an idle server.
    assert len({*served[0].posted, *served[1].posted}) == 6
    assert sum(len(each.started) for each in served) == 6


async def test_two_runs_on_different_servers_render_each_take_once(simulate: Serve, store: Store) -> None:
    served, urls = await two_servers(simulate)
    async with context_of(store, urls[0]) as first, context_of(store, urls[1]) as second:
        results = await asyncio.gather(render_all(takes(6), first), render_all(takes(6)[::-1], second))
    assert records_of(results[0]) == records_of(results[1])[::-1]
    assert {record.server for record in records_of(results[0])} == set(urls)
    assert sum(len(each.posted) for each in served) == 6


async def test_a_run_renders_what_another_run_leaves(simulate: Serve, folder_store: FolderStore) -> None:
    served, urls = await two_servers(simulate)
    served[0].faults.stall_on = "夜"
    async with context_of(folder_store, urls[1]) as second:
        async with context_of(folder_store, urls[0]) as first:
            theirs = asyncio.create_task(render_all(takes(6), first))
            await wait_until(lambda: served[0].started)
            ours = asyncio.create_task(render_all(takes(6), second))
            await wait_until(lambda: second.leases._waiting == 2 and len(served[1].started) == 4)
            await cancel(theirs)
        async with asyncio.timeout(30):
            results = await ours
    assert {record.server for record in records_of(results)} == {urls[1]}
    assert len(served[1].started) == 6


async def test_a_waiting_run_renders_the_take_that_failed_in_another_run(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served, urls = await two_servers(simulate)
    served[0].faults.fail_on, served[0].seconds = "夜", 0.5
    async with context_of(folder_store, urls[0]) as first, context_of(folder_store, urls[1]) as second:
        theirs = asyncio.create_task(render_all([take()], first))
        await wait_until(lambda: served[0].started)
        waiting = TakeDispatcher(take(), second)
        assert (await waiting.render()).server == urls[1]
        assert isinstance((await theirs)[0], NodeFailed)
    assert not waiting.from_another_run


async def test_a_take_that_another_run_renders_holds_no_slot(simulate: Serve, folder_store: FolderStore) -> None:
    served, urls = await two_servers(simulate)
    served[0].faults.stall_on = "夜"
    async with context_of(folder_store, urls[0]) as first:
        theirs = asyncio.create_task(render(take(1), first))
        await wait_until(lambda: served[0].started)
        async with context_of(folder_store, urls[1], slots=1) as second:
            waiting = asyncio.create_task(render(take(1), second))
            await wait_until(lambda: second.leases._waiting)
            assert second.farm.held == 0
            assert (await render(take(2), second)).server == urls[1]
            await cancel(waiting)
            assert (second.farm.held, second.leases._waiting) == (0, 0)
        await cancel(theirs)


async def test_runs_that_wait_for_each_others_takes_both_end(simulate: Serve, folder_store: FolderStore) -> None:
    """Give each run one slot, so that both hold the lease that the other asks for next."""
    served, urls = await two_servers(simulate)
    for each in served:
        each.seconds = 0.3
    async with (
        context_of(folder_store, urls[0], slots=1) as first,
        context_of(folder_store, urls[1], slots=1) as second,
    ):
        one = asyncio.create_task(render_all([take(1), take(2)], first))
        other = asyncio.create_task(render_all([take(2), take(1)], second))
        async with asyncio.timeout(30):
            records = records_of(await one), records_of(await other)
    assert records[0] == records[1][::-1]
    assert [len(each.posted) for each in served] == [1, 1]


async def test_two_runs_that_both_refresh_a_take_both_render_it(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    async with context_of(folder_store, url) as context:
        before = await render(take(), context)
    async with context_of(folder_store, url) as first, context_of(folder_store, url) as second:
        refreshed = [
            TakeDispatcher(replace(take(), render_nonce=context.leases.run), context, seen=before)
            for context in (first, second)
        ]
        results = await asyncio.gather(*(each.render() for each in refreshed))
        assert [each.from_another_run for each in refreshed] == [False, False]
    assert len({before.prompt_id, *(record.prompt_id for record in results)}) == 3


async def test_two_runs_that_find_the_same_record_too_old_render_the_take_once(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served, urls = await two_servers(simulate)
    async with context_of(folder_store, urls[0]) as first, context_of(folder_store, urls[1]) as second:
        before = await render(take(), first)
        again = renewed(take(), Found(before, "too old", outdated=True))
        results = await asyncio.gather(*(TakeDispatcher(again, each, seen=before).render() for each in (first, second)))
    assert results[0] == results[1] != before
    assert sum(len(each.posted) for each in served) == 2


async def test_a_run_uses_a_record_that_another_run_wrote_since_it_looked(
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


async def test_a_run_renders_a_take_whose_record_it_found_unusable(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    async with context_of(folder_store, url) as first, context_of(folder_store, url) as second:
        record = await render(take(), first)
        simulator.queue.history.clear()
        dispatcher = TakeDispatcher(take(), second, seen=record)
        assert (await dispatcher.render()).finished > record.finished
        assert not dispatcher.from_another_run
    assert len(simulator.posted) == 2


async def test_a_refresh_does_not_use_the_record_of_another_run(simulate: Serve, folder_store: FolderStore) -> None:
    """Let the other run record the take after this one looked, and this one's first attempt fail."""
    simulator, url = await simulate()
    async with context_of(folder_store, url) as other, context_of(folder_store, url) as context:
        await render(take(), other)
        dispatcher = TakeDispatcher(replace(take(), render_nonce=context.leases.run), context)
        simulator.faults.fail_on = "夜"
        with pytest.raises(NodeFailed):
            await dispatcher.render()
        simulator.faults.heal()
        await dispatcher.render()
        assert not dispatcher.from_another_run
    assert len(simulator.posted) == 3


async def test_a_store_outage_is_raised_and_holds_no_slot(settings: S3Settings, simulate: Serve) -> None:
    _, url = await simulate()
    async with faulty_proxy(settings.endpoint_url or "", share=0) as proxy:
        proxied = settings.model_copy(update={"endpoint_url": proxy.url})
        async with S3Store(proxied, patience=0.1) as store, context_of(store, url) as context:
            await proxy.stop()
            dispatcher = TakeDispatcher(take(), context)
            with pytest.raises(StoreUnavailable):
                await dispatcher.render()
            assert context.farm.held == 0
            await proxy.start()
            assert (await dispatcher.render()).server == url


PROCESS = """
import asyncio, sys
from previs.store import FolderStore
from tests.previs.rendering.contexts import context_of, render_all, takes

async def main():
    folder, count, url = sys.argv[1:]
    async with context_of(FolderStore(folder), url) as context:
        print("started", flush=True)
        for record in await render_all(takes(int(count)), context):
            print(record.prompt_id, flush=True)

asyncio.run(main())
"""


async def start_process(store: FolderStore, count: int, url: str) -> asyncio.subprocess.Process:
    """Start another process that renders so many takes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, store.name, str(count), url, stdout=PIPE, cwd=Path(__file__).parents[3]
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"started\n"
    return process


async def test_two_processes_on_different_servers_render_each_take_once(
    simulate: Serve, folder_store: FolderStore
) -> None:
    served, urls = await two_servers(simulate)
    async with context_of(folder_store, urls[0]) as context:
        process = await start_process(folder_store, 6, urls[1])
        async with asyncio.timeout(120):
            records = records_of(await render_all(takes(6)[::-1], context))[::-1]
            printed, _ = await process.communicate()
    assert printed.decode().split() == [record.prompt_id for record in records]
    assert {record.server for record in records} == set(urls)
    assert sorted(served[0].posted + served[1].posted) == sorted(record.prompt_id for record in records)


@on_linux
async def test_a_run_joins_the_prompts_of_a_killed_run(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate(seconds=0.5)
    async with context_of(folder_store, url) as context:
        process = await start_process(folder_store, 2, url)
        await wait_until(lambda: len(simulator.posted) == 2 and simulator.started)
        process.kill()
        await process.wait()
        async with asyncio.timeout(60):
            records = records_of(await render_all(takes(3), context))
    assert len(simulator.posted) == 3
    assert sorted(record.joined for record in records) == [False, True, True]


@on_linux
async def test_takes_that_wait_for_a_killed_run_are_rendered(simulate: Serve, folder_store: FolderStore) -> None:
    served, urls = await two_servers(simulate)
    served[0].faults.stall_on = "夜"
    async with context_of(folder_store, urls[1]) as context:
        process = await start_process(folder_store, 2, urls[0])
        await wait_until(lambda: len(served[0].posted) == 2)
        waiting = asyncio.create_task(render_all(takes(4), context))
        await wait_until(lambda: context.leases._waiting == 2 and len(served[1].started) == 2)
        process.kill()
        await process.wait()
        async with asyncio.timeout(60):
            records_of(await waiting)
    assert len(served[1].posted) == 4


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", range(4))
async def test_a_cancelled_take_keeps_neither_slot_nor_lease(
    simulate: Serve,
    folder_store: FolderStore,
    call: int,
    late: bool,  # noqa: FBT001
) -> None:
    _, url = await simulate()
    store = FaultyFolder(folder_store.name)
    store.faulty_call, store.late, store.error = call, late, asyncio.CancelledError
    async with context_of(store, url) as context, context_of(folder_store, url) as other:
        context.leases.interval = NEVER
        rendering = asyncio.create_task(render(take(), context))
        await asyncio.gather(rendering, return_exceptions=True)
        assert rendering.cancelled()
        store.faulty_call = None
        assert context.farm.held == 0
        await context.leases._renew()
        async with asyncio.timeout(20):
            await render(take(), other)
