"""Test that files are uploaded once, and again if lost, and that graphs get the server's names."""

import asyncio
import contextlib
import copy
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.server import Server
from previs.comfyui.client.uploads import Upload, Uploads
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.graph import Graph
from previs.errors import PromptRefused, ServerUnavailable, ServerUnreachable
from previs.pictures.spill import SpillFolder
from previs.simulator import Simulator
from tests.conftest import Serve
from tests.previs.comfyui.client.clients import api_of
from tests.previs.comfyui.graphs import graph
from tests.previs.simulator.sessions import picture_of

FOLDER = "previs"
SPILL = SpillFolder()


def upload(name: str, content: bytes = b"", file_name: str = "") -> Upload:
    return Upload(name, file_name or f"{name}.png", FOLDER, _path(content or name.encode()))


def _path(content: bytes) -> Path:
    return SPILL.keep(content).path


@contextlib.asynccontextmanager
async def uploads_to(url: str) -> AsyncIterator[Uploads]:
    async with api_of(url) as api:
        yield Uploads(api)


def stored(simulator: Simulator) -> dict[str, bytes]:
    return {path: file.content for path, file in simulator.disk.files["input"].items()}


async def test_an_uploaded_file_has_the_name_that_the_server_chose(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with uploads_to(url) as uploads:
        await uploads.put([upload("景", b"red"), upload("hero", b"blue")])
        assert uploads.names == {"景": "previs/景.png", "hero": "previs/hero.png"}
    assert stored(simulator) == {"previs/景.png": b"red", "previs/hero.png": b"blue"}


async def test_concurrent_calls_upload_each_file_once(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.answer_after = 0.05
    async with uploads_to(url) as uploads:
        wanted = [[upload("a"), upload("b")], [upload("b"), upload("c")], [upload("c"), upload("a")]]
        await asyncio.gather(*(uploads.put(files) for files in wanted * 5))
    assert sorted(simulator.uploads) == ["a.png", "b.png", "c.png"]


async def test_each_concurrent_call_returns_when_all_its_files_are_uploaded(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.answer_after = 0.05
    async with uploads_to(url) as uploads:

        async def put(name: str) -> bool:
            await uploads.put([upload("shared"), upload(name)])
            return {"previs/shared.png", f"previs/{name}.png"} <= stored(simulator).keys()

        assert all(await asyncio.gather(*(put(name) for name in "abcd")))


async def test_the_server_renames_a_file_whose_name_is_taken(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with uploads_to(url) as uploads:
        await uploads.put([upload("one", b"1", "ref.png"), upload("two", b"2", "ref.png")])
        assert uploads.names == {"one": "previs/ref.png", "two": "previs/ref (1).png"}
    assert stored(simulator) == {"previs/ref.png": b"1", "previs/ref (1).png": b"2"}


@pytest.mark.parametrize(
    ("fault", "error"), [("refuse", ServerUnavailable), ("hang_up", ServerUnreachable)], ids=["refused", "cut"]
)
async def test_after_a_failure_only_what_is_missing_is_sent(
    simulate: Serve, fault: str, error: type[Exception]
) -> None:
    simulator, url = await simulate()
    async with uploads_to(url) as uploads:
        await uploads.put([upload("a")])
        setattr(simulator.faults, fault, 1)
        with pytest.raises(error):
            await uploads.put([upload("a"), upload("b"), upload("c")])
        assert uploads.has([upload("a")])
        assert not uploads.has([upload("b"), upload("c")])
        await uploads.put([upload("a"), upload("b"), upload("c")])
    assert simulator.uploads == ["a.png", "b.png", "c.png"]


async def test_after_a_failed_upload_the_next_call_uploads(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.refuse = 1
    async with uploads_to(url) as uploads:
        results = await asyncio.gather(*(uploads.put([upload("a")]) for _ in range(4)), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [ServerUnavailable]
    assert simulator.uploads == ["a.png"]


async def test_cancelling_one_call_does_not_affect_the_others(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.answer_after = 0.1
    async with uploads_to(url) as uploads:
        tasks = [asyncio.create_task(uploads.put([upload("a")])) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(*tasks[1:])
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert uploads.names == {"a": "previs/a.png"}
    assert set(stored(simulator)) == {"previs/a.png"}


async def test_forgotten_files_are_uploaded_again(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with uploads_to(url) as uploads:
        files = [upload("a"), upload("b")]
        assert not uploads.has(files)
        await uploads.put(files[:1])
        assert uploads.has(files)
        uploads.forget()
        assert not uploads.has(files)
        await uploads.put(files)
    assert simulator.uploads == ["a.png", "a.png", "b.png"]


inputs = st.dictionaries(
    st.text(max_size=3),
    st.sampled_from(["a", "b", "c", "previs/a.png", ""])
    | st.integers()
    | st.lists(st.sampled_from(["a", 0]), max_size=2),
    max_size=4,
)
graphs = st.dictionaries(
    st.text(max_size=2), st.fixed_dictionaries({"class_type": st.just("a"), "inputs": inputs}), max_size=3
)


@given(graphs, st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["previs/a.png", "b (1).png"])))
def test_only_whole_texts_of_inputs_are_renamed_and_the_given_graph_stays_as_it_is(
    made: Graph, names: dict[str, str]
) -> None:
    uploads = Uploads(Api(Address("http://render-01:8188")))
    uploads.names |= names
    before = copy.deepcopy(made)
    named = uploads.named(made)
    assert made == before
    assert {node_id: {**node, "inputs": {}} for node_id, node in named.items()} == {
        node_id: {**node, "inputs": {}} for node_id, node in made.items()
    }
    for node_id, node in made.items():
        for key, value in node["inputs"].items():
            assert named[node_id]["inputs"][key] == (names.get(value, value) if isinstance(value, str) else value)


def image_to_image(name: str) -> Graph:
    made = graph()
    made["10"] = {"class_type": "LoadImage", "inputs": {"image": name}}
    made["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    return made


async def test_a_server_whose_input_folder_was_emptied_gets_the_files_again(simulate: Serve) -> None:
    simulator, url = await simulate()
    hero = upload("reference of the hero", picture_of("hero"), "hero.png")
    async with Server(Address(url)) as server:
        for _ in range(2):
            prompt = str(uuid.uuid4())
            await server.submit(image_to_image(hero.name), prompt, [hero])
            assert len((await server.follow(prompt, Limits(render=30))).files) == 1
            simulator.disk.files["input"].clear()
    assert simulator.uploads == ["hero.png", "hero.png"]
    assert len(simulator.posted) == 2


async def test_a_graph_refused_right_after_its_upload_is_not_posted_again(simulate: Serve) -> None:
    simulator, url = await simulate()
    hero = upload("hero", picture_of("hero"))
    made = image_to_image(hero.name)
    made["3"]["inputs"]["sampler_name"] = "euler_a"
    async with Server(Address(url)) as server:
        with pytest.raises(PromptRefused, match="euler_a"):
            await server.submit(made, str(uuid.uuid4()), [hero])
    assert simulator.uploads == ["hero.png"]
