"""Check that a prompt that was cancelled while a node is at work is neither joined nor repeated before it has ended."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from previs.comfyui.client import cancellation
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.history import Interruption
from previs.errors import NodeFailed, RenderTimedOut, StoreUnavailable
from previs.farm import pool
from previs.planning.fingerprint import prompt_id
from previs.rendering import cancelled
from previs.rendering.cancelled import CancelMarks, is_marked_cancelled
from previs.rendering.context import RunContext
from previs.simulator import Faults, Simulator
from previs.simulator.versions import VERSIONS, VersionName
from previs.store import FolderStore, keys
from previs.store.bounds import RECORD_BYTES
from tests.conftest import Serve
from tests.previs.comfyui.client.playback import playback
from tests.previs.rendering.contexts import cancel, context_of, render, take, wait_until

BRIEF = Limits(render=0.3, unreachable=1)
FIRST, SECOND = (prompt_id(take().fingerprint, generation) for generation in range(2))
OTHER = take(6, "雨")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "_POLL_PAUSE", 0.02)
    monkeypatch.setattr(cancellation, "_CANCEL_TIMEOUT", 0.4)
    monkeypatch.setattr(pool, "_LONGEST_PAUSE", 0.2)


async def silent(simulate: Serve) -> tuple[Simulator, str]:
    """Start a server where a node is silent and obeys no interrupt, for prompts with 夜, until it is told to end."""
    return await simulate(seconds=0, faults=Faults(silent_for=600, silent_on="夜"))


async def timed_out(context: RunContext) -> None:
    """Let a render time out; its prompt is interrupted and goes on."""
    with pytest.raises(RenderTimedOut):
        await render(take(), replace(context, limits=BRIEF))


async def settled(rendering: asyncio.Task[object]) -> bool:
    """Return whether a render ends within a few polls of all servers."""
    return bool((await asyncio.wait([rendering], timeout=0.5))[0])


class Unmarked(FolderStore):
    """Represent a store that cannot say which prompts are marked."""

    async def get(self, key: str, *, limit: int = RECORD_BYTES) -> bytes | None:
        if key in {keys.cancelled_key(FIRST), keys.cancelled_key(SECOND)}:
            raise StoreUnavailable(self.name, "gone")
        return await super().get(key, limit=limit)


async def test_marks_are_read_only_for_takes_that_were_attempted(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate(seconds=0)
    simulator.faults.fail_on = "夜"
    async with context_of(Unmarked(tmp_path), url) as context:
        with pytest.raises(NodeFailed):
            await render(take(), context)
        simulator.faults.heal()
        with pytest.raises(StoreUnavailable):
            await render(take(), context)
        assert simulator.started == [FIRST]


async def test_a_retry_on_the_same_server_waits_until_the_prompt_has_ended(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await silent(simulate)
    async with context_of(folder_store, url, patience=0.2) as context:
        await timed_out(context)
        [server] = context.farm.servers
        assert server.cancelling == {FIRST}
        again = asyncio.create_task(render(take(), context))
        assert not await settled(again)
        assert (simulator.posted, context.farm.held) == ([FIRST], 0)
        simulator.faults.heal()
        simulator.end_silence()
        assert (await again).prompt_id == SECOND
        assert server.cancelling == frozenset()
    assert simulator.started == [FIRST, SECOND]
    assert set(simulator.interrupted) == {FIRST}


async def test_a_retry_elsewhere_waits_too_and_other_takes_use_the_other_server(
    simulate: Serve, folder_store: FolderStore
) -> None:
    (busy, busy_url), (idle, idle_url) = await silent(simulate), await simulate(seconds=0)
    async with context_of(folder_store, busy_url, idle_url, patience=0.2) as context:
        await timed_out(context)
        again = asyncio.create_task(render(take(), context))
        assert (await render(OTHER, context)).server == idle_url
        assert not await settled(again)
        assert (busy.posted, len(idle.posted), context.farm.held) == ([FIRST], 1, 0)
        busy.faults.heal()
        busy.end_silence()
        assert (await again).prompt_id == SECOND
    assert sorted([*busy.posted, *idle.posted]) == sorted([FIRST, SECOND, idle.posted[0]])


async def test_a_prompt_that_never_ends_fails_the_retry_after_the_time_of_a_render(
    simulate: Serve, folder_store: FolderStore
) -> None:
    (busy, busy_url), (idle, idle_url) = await silent(simulate), await simulate(seconds=0)
    async with context_of(folder_store, busy_url, idle_url, limits=BRIEF) as context:
        await timed_out(context)
        with pytest.raises(RenderTimedOut, match=busy_url):
            await render(take(), context)
    assert (busy.posted, idle.posted) == ([FIRST], [])


async def test_a_retry_does_not_wait_for_a_server_that_is_gone(simulate: Serve, folder_store: FolderStore) -> None:
    (gone, gone_url), (_, idle_url) = await silent(simulate), await simulate(seconds=0)
    async with context_of(folder_store, gone_url, idle_url, patience=0.2) as context:
        await timed_out(context)
        gone.close_door()
        gone.cut_all()
        record = await render(take(), context)
    assert (record.server, record.prompt_id) == (idle_url, SECOND)


async def given_up(simulator: Simulator, url: str, store: FolderStore) -> None:
    """Let a run cancel its take, whose prompt goes on."""
    async with context_of(store, url) as context:
        theirs = asyncio.create_task(render(take(), context))
        await wait_until(lambda: simulator.execution is not None and simulator.execution.silent)
        await cancel(theirs)
    assert await is_marked_cancelled(store, FIRST)


async def test_another_run_neither_joins_nor_repeats_the_prompt_before_it_has_ended(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await silent(simulate)
    await given_up(simulator, url, folder_store)
    async with context_of(folder_store, url, patience=0.2) as context:
        ours = asyncio.create_task(render(take(), context))
        await wait_until(lambda: context.farm.servers[0].cancelling == {FIRST})
        assert not await settled(ours)
        assert (simulator.posted, context.farm.held) == ([FIRST], 0)
        simulator.faults.heal()
        simulator.end_silence()
        assert (await ours).prompt_id == SECOND
    assert simulator.started == [FIRST, SECOND]
    assert await folder_store.entries("claims/cancelled") == {}


async def test_the_id_of_a_cancelled_prompt_that_a_restart_took_is_not_used_again(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await silent(simulate)
    await given_up(simulator, url, folder_store)
    simulator.restart()
    simulator.faults.heal()
    async with context_of(folder_store, url) as context:
        assert (await render(take(), context)).prompt_id == SECOND


class OrderedStore(FolderStore):
    """Record when marks are written and removed, and which prompts were interrupted by then."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        super().__init__(folder)
        self.simulator = simulator
        self.order: list[tuple[str, list[str]]] = []

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        await super().put(key, data, media_type=media_type)
        self._note("marked", key)

    async def delete(self, keys: Iterable[str]) -> None:
        self._note("unmarked", *(gone := tuple(keys)))
        await super().delete(gone)

    def _note(self, what: str, *names: str) -> None:
        if any(name.startswith("claims/cancelled/") for name in names):
            self.order.append((what, list(self.simulator.interrupted)))


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_prompt_is_marked_before_it_is_interrupted_and_until_it_has_ended(
    simulate: Serve, tmp_path: Path, version: VersionName
) -> None:
    simulator, url = await simulate(seconds=0, faults=Faults(silent_for=600, silent_on="夜"), version=version)
    store = OrderedStore(tmp_path, simulator)
    async with context_of(store, url) as context:
        await timed_out(context)
        assert (store.order, set(simulator.interrupted)) == ([("marked", [])], {FIRST})
        simulator.end_silence()
        await wait_until(lambda: not context.farm.servers[0].cancelling)
    assert [what for what, _ in store.order] == ["marked", "unmarked"]
    assert await store.entries("claims/cancelled") == {}


async def test_a_store_that_is_away_delays_no_interrupt_for_long(
    simulate: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class HangingStore(FolderStore):
        async def put(self, key: str, data: bytes, *, media_type: str) -> None:
            if key.startswith("claims/cancelled/"):
                await asyncio.sleep(600)
            await super().put(key, data, media_type=media_type)

    monkeypatch.setattr(cancelled, "_SECONDS", 0.1)
    simulator, url = await simulate(faults=Faults(stall_on="夜"))
    async with context_of(HangingStore(tmp_path), url) as context:
        rendering = asyncio.create_task(render(take(), context))
        await wait_until(lambda: simulator.sampled)
        await cancel(rendering)
    assert simulator.interrupted == [FIRST]


async def test_a_prompt_that_obeys_at_once_keeps_no_mark(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate(faults=Faults(stall_on="夜"))
    async with context_of(folder_store, url) as context:
        rendering = asyncio.create_task(render(take(), context))
        await wait_until(lambda: simulator.sampled)
        await cancel(rendering)
        assert context.farm.servers[0].cancelling == frozenset()
    assert simulator.interrupted == [FIRST]
    assert await folder_store.entries("claims/cancelled") == {}


async def test_a_prompt_that_ended_well_in_spite_of_its_mark_is_used(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate(seconds=0)
    async with context_of(folder_store, url) as context:
        made = await render(take(), context)
    assert await CancelMarks(folder_store).mark(FIRST, url)
    await folder_store.delete([f"takes/{take().fingerprint}.json"])
    async with context_of(folder_store, url) as context:
        assert (await render(take(), context)).frames == made.frames
    assert simulator.posted == [FIRST]


async def test_the_recorded_server_that_obeys_late_is_busy_meanwhile_and_its_prompt_is_never_joined(
    folder_store: FolderStore,
) -> None:
    # The recorded session has one prompt at a time.
    async with (
        playback("0.33.0/interrupt_silent_node") as (played, url),
        context_of(folder_store, url, slots=1) as context,
    ):
        [server] = context.farm.servers
        await timed_out(context)
        assert (played.posted, set(played.interrupted), server.cancelling) == ([FIRST], {FIRST}, {FIRST})
        assert (await server.api.queue()).place_of(FIRST) == "running"
        again, other = (asyncio.create_task(render(each, context)) for each in (take(), OTHER))
        assert not await settled(again)
        assert not await settled(other)
        assert (played.posted, context.farm.held) == ([FIRST], 0)
        await played.obey()
        await wait_until(lambda: len(played.posted) == 2)
        assert server.cancelling == frozenset()
        assert isinstance(await server.status(FIRST), Interruption)
        assert FIRST not in played.posted[1:]
        for rendering in (again, other):
            rendering.cancel()
        await wait_until(lambda: played.posted[1] in played.interrupted)
        await played.obey()
        await asyncio.gather(again, other, return_exceptions=True)
