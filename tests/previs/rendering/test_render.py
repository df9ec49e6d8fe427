"""Check that a take is rendered once, stored and recorded, and that its slot and server are free after any failure."""

import asyncio
import contextlib
import hashlib
import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import (
    FileNotPassed,
    FrameDamaged,
    NodeFailed,
    NothingMade,
    OutOfMemory,
    PrevisError,
    PromptInterrupted,
    PromptLost,
    PromptRefused,
    RenderTimedOut,
    ServerUnreachable,
    StoreUnavailable,
)
from previs.farm.failure_policy import may_succeed_later
from previs.farm.placement import PlacementRequest, Slot
from previs.pictures.spill import SpillFolder
from previs.planning.cache import Found, usable
from previs.planning.fingerprint import prompt_id
from previs.planning.plan import PlannedTake, ReferenceImage
from previs.records.takes import TakeRecord
from previs.rendering.cache_lookup import recorded_takes
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.render import render
from previs.simulator import ALWAYS, Faults, Simulator
from previs.store import FolderStore, S3Store, keys
from tests.conftest import Serve
from tests.copies import copied
from tests.previs.comfyui.client.forwarder import forwarder
from tests.previs.comfyui.client.http_server import response
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE, graph
from tests.previs.rendering.contexts import QUICK, context_of, take, take_of, wait_until
from tests.previs.workflow.detection.test_saves import case

PREVIEW = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}


def with_nodes(**nodes: Any) -> Graph:
    """Return the graph for text to image with nodes replaced or added; ``n9`` is node 9."""
    return copied(TEXT_TO_IMAGE) | {name.removeprefix("n"): node for name, node in nodes.items()}


def picture(colour: str = "red") -> ReferenceImage:
    packed = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(packed, "PNG")
    return ReferenceImage(SpillFolder().keep(packed.getvalue()), ".png", hashlib.sha256(packed.getvalue()).hexdigest())


def from_picture(start: ReferenceImage, seed: int = 5) -> PlannedTake:
    made = graph(seed)
    made["10"] = {"class_type": "LoadImage", "inputs": {"image": start.name}}
    made["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    return take_of(made, start)


async def rendered(planned: PlannedTake, context: RunContext, **how: Any) -> TakeRecord:
    record = await render(planned, await context.farm.acquire_slot(), context, **how)
    assert record is not None
    return record


def until(phase: Phase) -> tuple[asyncio.Event, Callable[[str, PromptState], None]]:
    """Return an event, and a listener that sets it when a prompt reaches a phase."""
    reached = asyncio.Event()
    return reached, lambda _, state: reached.set() if state.phase is phase else None


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("previs.rendering.render._BEFORE_REFETCH", 0.05)


def posted_graph(simulator: Simulator, prompt: str) -> Graph:
    sent: Graph = simulator.queue.history[prompt]["prompt"][2]
    return sent


@pytest.mark.smoke
async def test_a_take_is_rendered_stored_and_recorded(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    seen: list[tuple[str, Phase]] = []
    planned = take()
    async with context_of(folder_store, url) as context:
        record = await rendered(planned, context, on_change=lambda server, state: seen.append((server, state.phase)))
    assert (record.fingerprint, record.server, record.seed) == (planned.fingerprint, url, 5)
    assert record.prompt_id == prompt_id(planned.fingerprint, 0)
    assert 0 < record.seconds < 5
    [frame] = record.frames
    content = await folder_store.get(frame.key) or b""
    assert (frame.sha256, frame.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert frame.key == keys.frame_key(frame.sha256, ".png")
    assert (frame.media_type, frame.width, frame.height) == ("image/png", 4, 4)
    assert (frame.thumbnail or "").startswith("data:image/")
    assert await recorded_takes(folder_store, [planned.fingerprint]) == {planned.fingerprint: Found(record)}
    assert (url, Phase.RUNNING) in seen


@pytest.mark.smoke
async def test_a_frame_in_s3_has_its_media_type_and_file_name(simulate: Serve, s3_store: S3Store) -> None:
    _, url = await simulate()
    async with context_of(s3_store, url) as context:
        [frame] = (await rendered(take(), context)).frames
    where = {"Bucket": s3_store.settings.bucket, "Key": f"{s3_store.settings.prefix}/{frame.key}"}
    head = await s3_store._connection.run(lambda client: client.head_object(**where))
    assert head["ContentType"] == "image/png"
    assert "SH01_t01.png" in head["ContentDisposition"]


async def test_files_of_every_kind_are_stored_and_previews_are_not(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    webp = {
        "filename_prefix": "a",
        "images": ["8", 0],
        "fps": 6.0,
        "lossless": True,
        "quality": 80,
        "method": "default",
    }
    made = with_nodes(
        n5={"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 3}},
        n10=PREVIEW,
        n11={"class_type": "SaveAnimatedWEBP", "inputs": webp},
        n12={"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 24.0}},
        n13={
            "class_type": "SaveVideo",
            "inputs": {"video": ["12", 0], "filename_prefix": "video/b", "format": "mp4", "codec": "h264"},
        },
    )
    async with context_of(folder_store, url) as context:
        record = await rendered(take_of(made), context)
    assert [frame.media_type for frame in record.frames] == ["video/mp4", *["image/png"] * 3, "image/webp"]
    assert [frame.key.rpartition(".")[2] for frame in record.frames] == ["mp4", "png", "png", "png", "webp"]
    assert [frame.kind for frame in record.frames] == ["video", *["image"] * 4]
    video = record.frames[0]
    assert video.thumbnail is not None
    assert video.duration is not None
    assert video.duration > 0
    assert (video.frame_rate, video.width) == (24, record.frames[1].width)
    assert [frame.node for frame in record.frames] == ["13", "9", "9", "9", "11"]
    kept = await folder_store.entries("frames")
    assert {key: entry.size for key, entry in kept.items()} == {frame.key: frame.size for frame in record.frames}
    assert len(record.frames) == 5
    assert len(simulator.disk.files["temp"]) == 3


async def test_each_prompt_has_its_own_names_of_output_files(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    async with context_of(folder_store, url) as context:
        records = [await rendered(take(seed), context) for seed in (1, 2)]
    assert sorted(simulator.disk.files["output"]) == sorted(f"previs/{each.prompt_id}_00001_.png" for each in records)


async def test_the_final_picture_of_two_that_are_saved_stands_for_the_shot(
    simulate: Serve, folder_store: FolderStore
) -> None:
    _, url = await simulate(draw=True)
    made = case("hires_two_saves")
    async with context_of(folder_store, url) as context:
        record = await rendered(take_of(made), context)
    assert [(frame.width, frame.height) for frame in record.frames] == [(1024, 1024), (512, 512)]
    assert record.picture == record.frames[0]


async def test_a_title_added_later_reorders_a_stored_take(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    made = case("hires_two_saves")
    async with context_of(folder_store, url) as context:
        record = await rendered(take_of(made), context)
    made["9"]["_meta"] = {"title": "shot.output"}
    stored = usable(take_of(made), await recorded_takes(folder_store, [record.fingerprint]))
    assert stored is not None
    assert [frame.node for frame in record.frames] == ["12", "9"]
    assert [frame.node for frame in stored.frames] == ["9", "12"]


async def test_a_graph_with_only_previews_makes_nothing(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    planned = take_of(with_nodes(n9=PREVIEW))
    async with context_of(folder_store, url) as context:
        with pytest.raises(NothingMade, match="PreviewImage keeps nothing"):
            await rendered(planned, context)
        assert context.farm.held == 0
    assert await folder_store.entries("") == {}


class FailingStore(FolderStore):
    """Represent a folder that rejects so many writes of keys with a prefix.

    Attributes:
        failures: Number of writes to reject.
        fails_at: Prefix of their keys.
        slot: Slot to look at during each write.
        held_meanwhile: Whether the slot was held during the last write.
    """

    failures = 0
    fails_at = ""
    slot: Slot | None = None
    held_meanwhile: bool | None = None

    def _fail(self, key: str) -> None:
        if self.slot is not None:
            self.held_meanwhile = self.slot.held
        if key.startswith(self.fails_at) and self.failures:
            self.failures -= 1
            raise StoreUnavailable(self.name, "no space left")

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        self._fail(key)
        await super().put(key, data, media_type=media_type)

    async def put_file(self, key: str, path: Path, **how: Any) -> None:
        self._fail(key)
        await super().put_file(key, path, **how)


@pytest.mark.parametrize("fails_at", [keys.FRAMES, keys.TAKES])
async def test_a_store_failure_after_the_render_costs_no_second_render(
    simulate: Serve, tmp_path: Path, fails_at: str
) -> None:
    simulator, url = await simulate()
    store = FailingStore(tmp_path)
    store.failures, store.fails_at = 2, fails_at
    async with context_of(store, url) as context:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await rendered(take(), context)
            assert context.farm.held == 0
            assert await recorded_takes(store, [take().fingerprint]) == {}
        record = await rendered(take(), context)
    assert simulator.posted == [record.prompt_id]
    assert len(await recorded_takes(store, [take().fingerprint])) == 1


async def test_the_slot_is_free_before_the_frames_are_fetched(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    store = FailingStore(tmp_path)
    async with context_of(store, url) as context:
        store.slot = await context.farm.acquire_slot()
        await render(take(), store.slot, context)
    assert store.held_meanwhile is False


@pytest.mark.parametrize("fault", ["cut_downloads", "garbage"])
async def test_a_file_that_arrives_damaged_is_fetched_again(
    simulate: Serve, folder_store: FolderStore, fault: str
) -> None:
    simulator, url = await simulate()
    setattr(simulator.faults, fault, 1)
    async with context_of(folder_store, url) as context:
        record = await rendered(take(), context)
    assert len(simulator.posted) == 1
    [frame] = record.frames
    assert hashlib.sha256(await folder_store.get(frame.key) or b"").hexdigest() == frame.sha256
    assert len(await folder_store.entries("frames")) == 1


@pytest.mark.parametrize("fault", ["cut_downloads", "garbage"])
async def test_a_file_that_arrives_damaged_twice_is_rendered_again_under_another_id(
    simulate: Serve, folder_store: FolderStore, fault: str
) -> None:
    simulator, url = await simulate()
    setattr(simulator.faults, fault, 2)
    async with context_of(folder_store, url) as context:
        with pytest.raises(FrameDamaged):
            await rendered(take(), context)
        assert await folder_store.entries("") == {}
        record = await rendered(take(), context)
    ids = [prompt_id(take().fingerprint, generation) for generation in range(2)]
    assert simulator.posted == ids
    assert record.prompt_id == ids[1]


async def test_a_file_that_the_server_no_longer_has_is_rendered_again(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate()
    async with context_of(folder_store, url) as context:
        await rendered(take(), context)
        simulator.disk.files["output"].clear()
        with pytest.raises(FrameDamaged, match="no longer has it"):
            await rendered(take(), context)
        await rendered(take(), context)
    assert len(simulator.posted) == 2


async def test_a_take_that_another_client_submitted_is_joined_on_its_server(
    simulate: Serve, folder_store: FolderStore
) -> None:
    busy, busy_url = await simulate(seconds=0.6)
    idle, idle_url = await simulate()
    planned, avoiding = take(), PlacementRequest(avoid=frozenset({busy_url}))
    running, on_change = until(Phase.RUNNING)
    async with (
        context_of(folder_store, busy_url, idle_url, slots=1) as context,
        Server(Address(busy_url)) as other_client,
    ):
        await other_client.submit(planned.graph, prompt_id(planned.fingerprint, 0))
        slot = await context.farm.acquire_slot(avoiding)
        assert slot.server.name == idle_url
        rendering = asyncio.create_task(render(planned, slot, context, on_change))
        await running.wait()
        assert not slot.held
        async with asyncio.timeout(5):
            assert (await context.farm.acquire_slot(avoiding)).server.name == idle_url
        record = await rendering
    assert (record.server, record.joined) == (busy_url, True)
    assert (len(busy.posted), idle.posted) == (1, [])


async def test_a_render_counts_from_its_start_where_no_history_states_it(
    simulate: Serve, folder_store: FolderStore
) -> None:
    _, url = await simulate(seconds=0.4, faults=Faults(history_limit=0))
    began = time.monotonic()
    async with context_of(folder_store, url) as context:
        first, second = await asyncio.gather(rendered(take(1), context), rendered(take(2), context))
    elapsed = time.monotonic() - began
    assert max(first.waiting or 0, second.waiting or 0) > 0.2
    assert all((each.waiting or 0) + each.seconds <= elapsed for each in (first, second))


async def test_a_take_that_a_server_has_finished_is_only_fetched(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    records = []
    for folder in ("first", "second"):
        async with context_of(FolderStore(tmp_path / folder), url) as context:
            records.append(await rendered(take(), context))
    assert len(simulator.posted) == 1
    assert records[0].frames == records[1].frames
    assert records[0].seconds == records[1].seconds


async def test_each_refresh_renders_a_take_once(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    for render_nonce in ("", "run 1", "run 2", "run 2"):
        async with context_of(folder_store, url) as context:
            await rendered(replace(take(), render_nonce=render_nonce), context)
    assert len(set(simulator.posted)) == len(simulator.posted) == 3
    assert simulator.sampled == simulator.posted


async def test_a_failed_prompt_is_rendered_again_under_another_id(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "夜"
    async with context_of(folder_store, url) as context:
        for _ in range(2):
            with pytest.raises(NodeFailed):
                await rendered(take(), context)
        simulator.faults.heal()
        record = await rendered(take(), context)
    assert simulator.posted == [prompt_id(take().fingerprint, generation) for generation in range(3)]
    assert record.prompt_id == simulator.posted[-1]


async def test_a_picture_is_uploaded_once_to_each_server(simulate: Serve, folder_store: FolderStore) -> None:
    farm = [await simulate() for _ in range(2)]
    red = picture()
    async with context_of(folder_store, *(url for _, url in farm)) as context:
        for number, (_, url) in enumerate([*farm, *farm]):
            other = frozenset(each for _, each in farm if each != url)
            slot = await context.farm.acquire_slot(PlacementRequest(avoid=other))
            record = await render(from_picture(red, seed=number), slot, context)
            assert record.server == url
    assert [simulator.uploads for simulator, _ in farm] == [[red.file_name]] * 2


async def test_the_posted_graph_names_a_picture_as_its_server_does(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    red = picture()
    blue = picture("blue")
    simulator.disk.write("input", red.name, blue.file.path.read_bytes())
    planned = from_picture(red)
    async with context_of(folder_store, url) as context:
        record = await rendered(planned, context)
    [name] = simulator.uploads
    assert name != red.file_name
    assert posted_graph(simulator, record.prompt_id)["10"]["inputs"]["image"] == f"previs/{name}"
    assert planned.graph["10"]["inputs"]["image"] == red.name


async def test_a_reinstalled_server_gets_its_pictures_again(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    red = picture()
    async with context_of(folder_store, url) as context:
        await rendered(from_picture(red, seed=1), context)
        simulator.disk.files["input"].clear()
        # The server may refuse the prompt that finds the pictures missing.
        with contextlib.suppress(PromptRefused):
            await rendered(from_picture(red, seed=2), context)
        assert context.farm.held == 0
        await rendered(from_picture(red, seed=2), context)
    assert simulator.uploads == [red.file_name] * 2
    assert len(await folder_store.entries("takes")) == 2


async def test_a_server_that_loses_prompt_and_pictures_renders_at_the_next_attempt(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate(seconds=0.3)
    red = picture()
    running, on_change = until(Phase.RUNNING)
    async with context_of(folder_store, url) as context:
        rendering = asyncio.create_task(rendered(from_picture(red), context, on_change=on_change))
        await running.wait()
        simulator.restart()
        simulator.disk.files["input"].clear()
        with pytest.raises(PromptLost):
            await rendering
        assert context.farm.held == 0
        await rendered(from_picture(red), context)
    assert simulator.uploads == [red.file_name] * 2


async def test_a_cancelled_render_interrupts_its_own_prompt_alone(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    simulator.faults.stall_on = "坏"
    theirs = "00000000-0000-5000-8000-000000000000"
    running, on_change = until(Phase.RUNNING)
    async with context_of(folder_store, url) as context, Server(Address(url)) as other_client:
        rendering = asyncio.create_task(rendered(take(text="坏"), context, on_change=on_change))
        await running.wait()
        await other_client.submit(graph(), theirs)
        rendering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rendering
        assert context.farm.held == 0
        await other_client.follow(theirs, QUICK)
    assert simulator.interrupted == [prompt_id(take(text="坏").fingerprint, 0)]
    assert simulator.deleted == []


async def test_a_render_cancelled_in_the_queue_deletes_its_own_prompt_alone(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate()
    simulator.faults.stall_on = "坏"
    theirs = "00000000-0000-5000-8000-000000000000"
    async with context_of(folder_store, url) as context, Server(Address(url)) as other_client:
        await other_client.submit(graph(text="坏"), theirs)
        rendering = asyncio.create_task(rendered(take(), context))
        await wait_until(lambda: len(simulator.posted) == 2)
        rendering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rendering
        assert context.farm.held == 0
        assert simulator.deleted == [prompt_id(take().fingerprint, 0)]
        assert simulator.interrupted == []
        assert simulator.queue.remaining == 1


async def test_a_render_cancelled_repeatedly_frees_its_server(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    simulator.faults.stall_on = "夜"
    running, on_change = until(Phase.RUNNING)
    async with context_of(folder_store, url) as context:
        rendering = asyncio.create_task(rendered(take(), context, on_change=on_change))
        await running.wait()
        while not rendering.done():
            rendering.cancel()
            await asyncio.sleep(0)
        assert rendering.cancelled()
        assert context.farm.held == 0
    assert simulator.interrupted == [prompt_id(take().fingerprint, 0)]


@pytest.mark.parametrize(
    ("faults", "limits", "expected"),
    [
        ({"fail_on": "夜"}, QUICK, NodeFailed),
        ({"out_of_memory_on": "夜"}, QUICK, OutOfMemory),
        ({"stall_on": "夜"}, Limits(render=0.3), RenderTimedOut),
        ({"garbage": ALWAYS}, QUICK, FrameDamaged),
        ({"cut_downloads": ALWAYS}, QUICK, FrameDamaged),
        ({"hang_up": ALWAYS, "only_paths": ("/view",)}, Limits(unreachable=0.2), ServerUnreachable),
        ({"hang_up": ALWAYS, "only_paths": ("/prompt",)}, QUICK, ServerUnreachable),
    ],
)
async def test_a_failure_frees_slot_and_server_and_records_nothing(
    simulate: Serve,
    folder_store: FolderStore,
    faults: dict[str, Any],
    limits: Limits,
    expected: type[PrevisError],
) -> None:
    simulator, url = await simulate()
    for name, value in faults.items():
        setattr(simulator.faults, name, value)
    async with context_of(folder_store, url, limits=limits) as context:
        with pytest.raises(expected):
            await rendered(take(), context)
        assert context.farm.held == 0
        await wait_until(lambda: not simulator.queue.remaining)
    assert await folder_store.entries("takes") == {}


async def test_a_refused_graph_frees_its_slot(simulate: Serve, folder_store: FolderStore) -> None:
    simulator, url = await simulate()
    refused = with_nodes(n4={"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "none.safetensors"}})
    async with context_of(folder_store, url) as context:
        with pytest.raises(PromptRefused, match=r"none\.safetensors"):
            await rendered(take_of(refused), context)
        assert context.farm.held == 0
    assert simulator.posted == []


async def test_a_prompt_that_another_client_interrupts_ends_the_render(
    simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate()
    simulator.faults.stall_on = "夜"
    running, on_change = until(Phase.RUNNING)
    async with context_of(folder_store, url) as context:
        rendering = asyncio.create_task(rendered(take(), context, on_change=on_change))
        await running.wait()
        await context.farm.servers[0].api.interrupt(prompt_id(take().fingerprint, 0))
        with pytest.raises(PromptInterrupted):
            await rendering
        assert context.farm.held == 0
        simulator.faults.heal()
        assert (await rendered(take(), context)).prompt_id == prompt_id(take().fingerprint, 1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (response(200, b"<html/>", "text/html"), r"a page \(text/html\) came in its place, as from a login"),
        (response(404, b""), "does not have it in its output folder: the node saves elsewhere"),
    ],
)
async def test_a_frame_that_a_server_never_sends_costs_one_render(
    answer: bytes, expected: str, simulate: Serve, folder_store: FolderStore
) -> None:
    simulator, url = await simulate()
    async with forwarder(url, instead=("/view", answer)) as proxied, context_of(folder_store, proxied) as context:
        with pytest.raises(FileNotPassed, match=expected) as caught:
            await TakeDispatcher(take(), context).render()
    assert not may_succeed_later(caught.value)
    assert len(simulator.posted) == 1


BATCH = with_nodes(n5={"class_type": "EmptyLatentImage", "inputs": {"width": 16, "height": 16, "batch_size": 3}})


async def test_a_take_of_too_many_files_says_so_and_fetches_none(
    simulate: Serve, folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.rendering.render._MOST_FILES", 2)
    _, url = await simulate()
    async with context_of(folder_store, url) as context:
        with pytest.raises(FileNotPassed, match="left 3 files, and a take has at most 2: save a video, or fewer"):
            await rendered(take_of(BATCH), context)
    assert await folder_store.entries("frames/") == {}


async def test_the_files_of_a_take_share_the_limit_of_its_server(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    async with context_of(folder_store, url) as context:
        sizes = [frame.size for frame in (await rendered(take_of(BATCH), context)).frames]
    assert len(sizes) == 3
    limited = Address(url, largest_file=sum(sizes) - 1)
    async with context_of(folder_store, limited) as context:
        with pytest.raises(FileNotPassed, match="with the take's other files, it has more than"):
            await rendered(take_of(BATCH), context)
