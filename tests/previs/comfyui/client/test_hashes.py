"""Test that each hash is requested once, and again only without a usable answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.hashes import Hashes
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.models import ModelFile
from previs.errors import ServerUnreachable
from tests.conftest import Serve
from tests.previs.comfyui.client.clients import api_of
from tests.previs.comfyui.client.http_server import answering, response

SDXL, RAIN = ModelFile("checkpoints", "sd_xl_base_1.0.safetensors"), ModelFile("loras", "anime/雨 & rain.safetensors")
HASH, OTHER = "ab" * 32, "cd" * 32


@contextlib.asynccontextmanager
async def hashes_of(url: str) -> AsyncIterator[Hashes]:
    async with api_of(url) as api:
        yield Hashes(api)


async def test_present_and_missing_hashes_are_remembered(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[SDXL.folder, SDXL.name] = {"modelspec.hash_sha256": f"0x{HASH}"}
    simulator.metadata[RAIN.folder, RAIN.name] = {"sshs_model_hash": OTHER}
    bare, gone = ModelFile("vae", "bare.safetensors"), ModelFile("vae", "gone.safetensors")
    simulator.metadata[bare.folder, bare.name] = {"format": "pt"}
    async with hashes_of(url) as hashes:
        await hashes.learn({SDXL, RAIN, bare, gone})
        assert hashes.known == {SDXL: HASH, RAIN: OTHER, bare: None, gone: None}
        assert hashes.of_files([SDXL, gone]) == {"checkpoints/sd_xl_base_1.0.safetensors": HASH}
        assert hashes.of_files([RAIN]) == {"loras/anime/雨 & rain.safetensors": OTHER}


async def test_a_hash_is_requested_once_until_it_is_invalidated(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[SDXL.folder, SDXL.name] = {"sshs_model_hash": HASH}
    async with hashes_of(url) as hashes:
        await asyncio.gather(*(hashes.learn([SDXL, SDXL, RAIN]) for _ in range(3)))
        simulator.metadata[SDXL.folder, SDXL.name] = {"sshs_model_hash": OTHER}
        await hashes.learn([SDXL])
        assert hashes.known[SDXL] == HASH
        hashes.invalidate()
        await hashes.learn([SDXL])
        assert hashes.known == {SDXL: OTHER}


async def test_each_file_is_one_request_and_no_more() -> None:
    async with (
        answering(lambda _: response(200, {"sshs_model_hash": HASH})) as (url, asked),
        hashes_of(url) as hashes,
    ):
        await asyncio.gather(*(hashes.learn([SDXL, RAIN]) for _ in range(3)))
        assert sorted(asked.lines) == [
            "GET /view_metadata/checkpoints?filename=sd_xl_base_1.0.safetensors",
            "GET /view_metadata/loras?filename=anime%2F%E9%9B%A8+%26+rain.safetensors",
        ]


@pytest.mark.parametrize(
    "answer",
    [
        response(500, b"500 Internal Server Error"),
        response(503, b"", Retry_After="1"),
        response(401, b""),
        response(302, b"", Location="http://127.0.0.1:1/"),
        response(200, b"<html>hello</html>", "text/html"),
        response(200, ["sshs_model_hash"]),
        response(200, b"null"),
        response(200, b"[" * 100_000),
        response(200, b"packed", Content_Encoding="gzip"),
        response(200, b"{", Content_Length="500"),
        b"HTTP/9 what\r\n\r\n",
        b"",
    ],
)
async def test_an_unusable_answer_leaves_a_file_unknown_and_is_requested_again(answer: bytes) -> None:
    # A request that gets no answer at all is sent once more.
    answers = [response(200, {"sshs_model_hash": HASH}), *[answer] * (1 if answer else 2)]
    async with answering(lambda _: answers.pop()) as (url, _), hashes_of(url) as hashes:
        await hashes.learn([SDXL])
        assert hashes.known == {}
        await hashes.learn([SDXL])
        assert hashes.known == {SDXL: HASH}


@pytest.mark.parametrize("name", ["\ud800.safetensors", f"{'a' * 70_000}.safetensors", "a\0b.safetensors"])
async def test_a_name_that_cannot_be_sent_has_no_hash(name: str, simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[SDXL.folder, SDXL.name] = {"sshs_model_hash": HASH}
    async with hashes_of(url) as hashes:
        await hashes.learn([ModelFile("loras", name), SDXL])
        assert hashes.of_files(hashes.known) == {str(SDXL): HASH}


async def test_answers_before_a_cancellation_are_kept() -> None:
    slow, release = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readuntil(b"\r\n\r\n")
        if b"loras" in line:
            slow.set()
            await release.wait()
        else:
            writer.write(response(200, {"sshs_model_hash": HASH}))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with hashes_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as hashes:
        learning = asyncio.create_task(hashes.learn([SDXL, RAIN]))
        await slow.wait()
        while SDXL not in hashes.known:
            await asyncio.sleep(0.01)
        learning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await learning
        assert hashes.known == {SDXL: HASH}
    release.set()
    server.close()
    await server.wait_closed()


async def test_hashes_of_a_server_that_was_down_are_forgotten(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata[SDXL.folder, SDXL.name] = {"sshs_model_hash": HASH}
    async with Server(Address(url)) as server:
        await server.probe()
        await server.hashes.learn([SDXL])
        await server.probe()
        assert server.hashes.known == {SDXL: HASH}
        simulator.close_door(cut=True)
        with pytest.raises(ServerUnreachable):
            await server.probe()
        await simulator.open_door()
        await server.probe()
        assert server.hashes.known == {}
