"""Test requests behind every kind of proxy, and the handling of every kind of answer."""

import asyncio
import gzip
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.socket import Socket
from previs.comfyui.protocol.frames import Executing, Frame
from previs.comfyui.protocol.history import Interruption, OutputFile, Success, read_entry
from previs.comfyui.protocol.jobs import read_job
from previs.comfyui.protocol.prompt_state import Phase
from previs.errors import AccessDenied, FileNotPassed, FrameDamaged, ServerUnavailable, ServerUnreachable
from tests.conftest import Serve
from tests.previs.comfyui.client.clients import api_of
from tests.previs.comfyui.client.forwarder import forwarder
from tests.previs.comfyui.client.http_server import answering, response
from tests.previs.comfyui.graphs import graph

BEARER = ("Authorization", "Bearer tok-4711-secret")
MISSING = response(404, b"404: Not Found", "text/plain; charset=utf-8")


async def failure_of(socket: Socket) -> str:
    async with asyncio.timeout(10):
        while not socket.reason:
            await asyncio.sleep(0.01)
    return socket.reason


async def rendered(address: Address, folder: Path) -> bytes:
    """Return the file of a prompt whose end the socket reported."""
    over = asyncio.Event()

    def see(frame: Frame) -> None:
        if isinstance(frame, Executing) and frame.node is None:
            over.set()

    api, prompt = Api(address), str(uuid.uuid4())
    try:
        async with Socket(address, on_frame=see, on_open=lambda: None) as socket, asyncio.timeout(20):
            assert await socket.opened(10)
            posted = await api.post_prompt(graph(), prompt_id=prompt, client_id=socket.client_id)
            assert not posted.refused
            await over.wait()
            entry = await api.history(prompt)
            assert entry is not None
            end = read_entry(entry)
            assert isinstance(end, Success)
            return (await api.download(end.files[0], folder / "frame")).path.read_bytes()
    finally:
        await api.aclose()


@pytest.mark.parametrize(
    ("proxied", "base"),
    [(None, "/api"), ("", ""), ("", "/api"), ("/comfy", ""), ("/comfy", "/api"), ("/a/b/api", "/api")],
    ids=lambda part: f"{part!r}",
)
async def test_a_prompt_is_rendered_below_any_base_url(
    proxied: str | None, base: str, simulate: Serve, tmp_path: Path
) -> None:
    _, url = await simulate()
    if proxied is None:
        assert await rendered(Address(url + base), tmp_path)
        return
    async with forwarder(url, path=proxied, header=BEARER) as there:
        assert await rendered(Address(there + base, dict([BEARER])), tmp_path)


async def test_without_its_header_neither_requests_nor_the_socket_get_through(simulate: Serve) -> None:
    _, url = await simulate()
    async with forwarder(url, header=BEARER) as there, api_of(there) as api:
        with pytest.raises(AccessDenied):
            await api.queue()
        async with Socket(Address(there), on_frame=lambda _: None, on_open=lambda: None) as socket:
            assert await failure_of(socket) == "its socket was refused with HTTP 401"


async def test_a_redirect_is_not_followed_and_leaks_no_header() -> None:
    async with answering(lambda _: MISSING) as (elsewhere, asked):
        moved = response(302, b"", Location=f"{elsewhere.replace('http', 'ws')}/ws")
        async with answering(lambda _: moved) as (url, _), api_of(url, **{"X-Key": "secret"}) as api:
            with pytest.raises(ServerUnavailable, match="HTTP 302: give the farm the address that it redirects to"):
                await api.queue()
            address = Address(url, {"X-Key": "secret"})
            async with Socket(address, on_frame=lambda _: None, on_open=lambda: None) as socket:
                assert await failure_of(socket) == "its socket was refused with HTTP 302"
        assert asked.lines == []


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("86400", 300),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 300),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1e9", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("9" * 5000, 300),
        ("nan", None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_busy_server_sets_when_to_retry(status: int, value: str, seconds: float | None) -> None:
    async with answering(lambda _: response(status, b"", Retry_After=value)) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnavailable) as caught:
            await api.queue()
    assert caught.value.retry_after == seconds
    assert caught.value.answer == f"HTTP {status}"


async def test_a_date_a_little_ahead_is_counted_from_now() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    async with answering(lambda _: response(503, b"", Retry_After=then)) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnavailable) as caught:
            await api.queue()
    assert caught.value.retry_after is not None
    assert 60 < caught.value.retry_after <= 100


async def test_retry_after_counts_only_for_busy_servers() -> None:
    async with answering(lambda _: response(500, b"", Retry_After="7")) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnavailable) as caught:
            await api.queue()
    assert caught.value.retry_after is None


async def test_an_endless_answer_is_aborted_after_64_mb() -> None:
    sent = 0

    def endless(_: str) -> Iterator[bytes]:
        nonlocal sent
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
        for _ in range(1 << 20):
            sent += 1 << 20
            yield b" " * (1 << 20)

    async with answering(endless) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnavailable, match="answered GET /object_info with more than 64 MB"):
            await api.object_info()
    assert sent < 100 << 20


async def test_a_decompression_bomb_is_rejected() -> None:
    bomb = gzip.compress(bytes(80 << 20), 1)
    packed = response(200, bomb, Content_Encoding="gzip")
    assert len(packed) < 2 << 20
    async with answering(lambda _: packed) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnavailable, match="more than 64 MB"):
            await api.queue()


async def test_a_truncated_answer_means_an_unreachable_server() -> None:
    cut = response(200, {"queue_running": [], "queue_pending": []})[:-5]
    async with answering(lambda _: cut) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnreachable, match="broke in the middle of an answer"):
            await api.queue()


async def test_an_answer_without_the_queue_is_not_an_empty_queue() -> None:
    async with answering(lambda _: response(200, {"status": "ok"})) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnavailable, match="answered GET /queue with JSON that is not in"):
            await api.queue()


@pytest.mark.parametrize("name", ["half \ud800", "long" * 20_000])
async def test_a_name_that_cannot_be_sent_raises_unavailable(name: str) -> None:
    async with answering(lambda _: MISSING) as (url, asked), api_of(url) as api:
        with pytest.raises(ServerUnavailable, match="cannot be sent"):
            await api.model_metadata("loras", name)
        assert asked.lines == []


@pytest.mark.parametrize(
    ("base", "path"),
    [("", "/api/jobs"), ("/api", "/api/jobs"), ("/comfy", "/comfy/api/jobs"), ("/comfy/api", "/comfy/api/jobs")],
)
async def test_a_job_is_requested_by_its_id_below_any_base_url(base: str, path: str) -> None:
    job = {"id": "a/b", "status": "in_progress"}
    async with answering(lambda _: response(200, job)) as (url, asked), api_of(url + base) as api:
        assert api.has_jobs is None
        assert await api.job("a/b") == job
        assert api.has_jobs is True
    assert asked.lines == [f"GET {path}/a%2Fb"]


async def test_a_job_that_a_new_server_does_not_know_is_none() -> None:
    unknown = response(404, {"error": "Job not found"})
    async with answering(lambda _: unknown) as (url, asked), api_of(url) as api:
        assert await api.job("a") is None
        assert await api.cancel_job("a") is False
        assert (api.has_jobs, api.has_job_cancel) == (True, True)
        assert await api.job("a") is None
    assert asked.lines == ["GET /api/jobs/a", "POST /api/jobs/a/cancel", "GET /api/jobs/a"]


@pytest.mark.parametrize(
    "absent",
    [
        MISSING,
        response(404, {"detail": "Not Found"}),
        response(405, b"405: Method Not Allowed", "text/plain"),
        response(501, b""),
        response(403, b""),
        response(200, b"<!DOCTYPE html>", "text/html"),
        response(200, {}),
        response(200, []),
    ],
    ids=["404", "404 of a gateway", "405", "501", "403 of a gateway", "a page", "an empty object", "a list"],
)
async def test_a_missing_endpoint_is_requested_once(absent: bytes) -> None:
    async with answering(lambda _: absent) as (url, asked), api_of(url) as api:
        assert await api.cancel_job("a") is None
        assert await api.cancel_job("a") is None
        assert await api.job("a") is None
        assert await api.job("a") is None
        assert (api.has_jobs, api.has_job_cancel) == (False, False)
        assert asked.lines == ["POST /api/jobs/a/cancel", "GET /api/jobs/a"]
        api.forget_endpoints()
        assert (api.has_jobs, api.has_job_cancel) == (None, None)
        await api.job("a")
        await api.cancel_job("a")
    assert asked.lines[2:] == ["GET /api/jobs/a"]


@pytest.mark.parametrize("trouble", [response(502, b""), response(503, {"error": "starting"}), response(401, b"")])
async def test_an_error_of_an_endpoint_does_not_mean_that_it_is_missing(trouble: bytes) -> None:
    async with answering(lambda _: trouble) as (url, _), api_of(url) as api:
        for ask in (api.job, api.cancel_job):
            with pytest.raises((ServerUnavailable, AccessDenied)):
                await ask("a")
        assert (api.has_jobs, api.has_job_cancel) == (None, None)


@pytest.mark.parametrize(("answer", "cancelled"), [(True, True), (False, False), (None, False), ("yes", False)])
async def test_a_job_is_cancelled_if_the_server_says_so(answer: object, cancelled: bool) -> None:  # noqa: FBT001 - a parameter of a test
    async with answering(lambda _: response(200, {"cancelled": answer})) as (url, asked), api_of(url) as api:
        assert await api.cancel_job("a") is cancelled
    assert asked.lines == ["POST /api/jobs/a/cancel"]


async def test_an_older_server_has_no_jobs(simulate: Serve) -> None:
    _, url = await simulate()
    async with api_of(url) as api:
        assert await api.job("a") is None
        assert await api.cancel_job("a") is None
        assert api.has_jobs is False


@pytest.mark.parametrize("base", ["", "/api"])
async def test_a_newer_server_reports_and_cancels_jobs(base: str, simulate: Serve) -> None:
    simulator, url = await simulate(seconds=60, version="0.33.0")
    first, second = str(uuid.uuid4()), str(uuid.uuid4())

    async def state(prompt: str) -> object:
        job = await api.job(prompt)
        return job and read_job(job)

    async with api_of(url + base) as api, asyncio.timeout(20):
        assert await state(first) is None
        for seed, prompt in enumerate((first, second)):
            long = graph(seed)
            long["3"]["inputs"]["steps"] = 600
            await api.post_prompt(long, prompt_id=prompt, client_id="ours")
        while first not in simulator.started:
            await asyncio.sleep(0.01)
        assert [await state(first), await state(second)] == [Phase.RUNNING, Phase.WAITING]
        queue = await api.queue()
        assert [queue.place_of(first), queue.place_of(second)] == ["running", "pending"]
        assert {entry.client_id for entry in queue.entries} == {"ours"}
        assert await api.cancel_job(second) is True
        assert await api.cancel_job(first) is True
        while await state(first) is Phase.RUNNING:
            await asyncio.sleep(0.01)
        assert [await state(first), await state(second)] == [Interruption(), None]
        assert (api.has_jobs, api.has_job_cancel) == (True, True)
    assert (simulator.interrupted, simulator.deleted) == ([first], [second])


async def test_a_newer_server_reports_a_finished_job(simulate: Serve) -> None:
    _, url = await simulate(version="0.33.0")
    prompt = str(uuid.uuid4())
    async with api_of(url) as api, asyncio.timeout(20):
        await api.post_prompt(graph(), prompt_id=prompt, client_id="ours")
        while (entry := await api.history(prompt)) is None:
            await asyncio.sleep(0.01)
        job = await api.job(prompt)
        assert job is not None
        assert read_job(job) == read_entry(entry)


CONTENT = bytes(range(256)) * 3000
FILE = OutputFile("shot.mp4", "board", "output")


def chunked(content: bytes, *, ended: bool) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    pieces = b"".join(
        b"%x\r\n%b\r\n" % (len(content[at : at + 5000]), content[at : at + 5000]) for at in range(0, len(content), 5000)
    )
    return head + pieces + (b"0\r\n\r\n" if ended else b"")


def closed_at_its_end(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + content


def packed(content: bytes) -> bytes:
    return response(200, gzip.compress(content), "video/mp4", Content_Encoding="gzip")


@pytest.mark.parametrize(
    "whole",
    [response(200, CONTENT, "video/mp4"), chunked(CONTENT, ended=True), closed_at_its_end(CONTENT), packed(CONTENT)],
    ids=["by its length", "chunked", "until the connection closes", "packed by a proxy"],
)
async def test_a_file_is_complete_with_any_transfer_encoding(whole: bytes, tmp_path: Path) -> None:
    async with answering(lambda _: whole) as (url, asked), api_of(url) as api:
        came = await api.download(FILE, tmp_path / "frame")
    assert came.path.read_bytes() == CONTENT
    assert (came.size, came.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert asked.lines == ["GET /view?filename=shot.mp4&subfolder=board&type=output"]


@pytest.mark.parametrize(
    "cut",
    [
        response(200, CONTENT, "video/mp4")[:-1],
        response(200, CONTENT, "video/mp4")[:200],
        chunked(CONTENT, ended=False),
        chunked(CONTENT, ended=True)[:-10],
        packed(CONTENT)[:-30],
        response(200, b"no gzip", Content_Encoding="gzip"),
        response(404, b""),
    ],
)
async def test_an_incomplete_file_is_damaged(cut: bytes, tmp_path: Path) -> None:
    async with answering(lambda _: cut) as (url, _), api_of(url) as api:
        with pytest.raises(FrameDamaged) as caught:
            await api.download(FILE, tmp_path / "frame")
    assert caught.value.name == "shot.mp4"


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


async def test_a_name_from_the_server_never_becomes_a_path(tmp_path: Path) -> None:
    names = [
        "../../x",
        "/etc/passwd",
        "a\x01b",
        "..\\..\\x",
        "C:\\x",
        "a/b",
        "",
        ".",
        "镜头 1?&#%.png",
        "a\r\nX-Evil: 1",
    ]
    folder = tmp_path / "only"
    folder.mkdir()
    async with answering(lambda _: response(200, CONTENT, "image/png")) as (url, asked), api_of(url) as api:
        for name in names:
            for file in (OutputFile(name, "", "output"), OutputFile("f", name, "output"), OutputFile("f", "", name)):
                await api.download(file, folder / "frame")
    assert below(tmp_path) == ["only", "only/frame"]
    assert len(asked.lines) == len(names) * 3
    assert all(line.startswith("GET /view?filename=") for line in asked.lines)
    lines = [line for head in asked.heads for line in head.lower().split("\r\n")]
    assert not [line for line in lines if line.startswith("x-evil")]


async def test_a_model_files_header_is_requested_by_folder_and_name(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.metadata["loras", "anime/雨 + rain.safetensors"] = {"modelspec.title": "雨"}
    async with api_of(f"{url}/api") as api:
        assert await api.model_metadata("loras", "anime/雨 + rain.safetensors") == {"modelspec.title": "雨"}
        assert await api.model_metadata("loras", "rain.safetensors") is None


@pytest.mark.parametrize("status", [403, 404, 405, 501])
async def test_without_the_header_or_the_endpoint_there_is_no_metadata(status: int) -> None:
    async with answering(lambda _: response(status, b"no")) as (url, _), api_of(url) as api:
        assert await api.model_metadata("loras", "rain.safetensors") is None


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (response(500, b""), "answered GET /view_metadata with HTTP 500"),
        (response(200, b"<html>", "text/html"), "answered GET /view_metadata with no JSON"),
        (response(200, []), "answered GET /view_metadata with JSON that is not in ComfyUI's format"),
    ],
)
async def test_an_unreadable_header_raises_without_naming_the_file(answer: bytes, sentence: str) -> None:
    async with answering(lambda _: answer) as (url, _), api_of(url) as api:
        with pytest.raises(ServerUnavailable) as trouble:
            await api.model_metadata("loras", "secret.safetensors")
        assert str(trouble.value) == f"{url} {sentence}"


LOGIN = response(200, b"<html><title>Sign in</title></html>", "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (LOGIN, r"a page \(text/html\)"),
        (response(302, b"", Location="https://login.example"), r"a redirect \(HTTP 302\)"),
        (response(200, b"<html/>", "Application/XHTML+XML"), r"a page \(application/xhtml\+xml\)"),
    ],
)
async def test_a_page_in_place_of_a_file_is_named(answer: bytes, came: str, tmp_path: Path) -> None:
    async with answering(lambda _: answer) as (url, asked), api_of(url) as api:
        with pytest.raises(FileNotPassed, match=f"'shot.mp4' .*{url}: {came} came in its place, as from a login"):
            await api.download(FILE, tmp_path / "frame")
    assert len(asked.lines) == 1


async def test_a_file_that_is_a_page_is_no_login(tmp_path: Path) -> None:
    async with answering(lambda _: LOGIN) as (url, _), api_of(url) as api:
        assert (await api.download(OutputFile("report.html", "", "output"), tmp_path / "frame")).size > 0


async def test_a_file_that_was_just_made_and_is_missing_was_saved_elsewhere(tmp_path: Path) -> None:
    async with answering(lambda _: response(404, b"")) as (url, _), api_of(url) as api:
        with pytest.raises(FileNotPassed, match="does not have it in its output folder: the node saves elsewhere"):
            await api.download(FILE, tmp_path / "frame", fresh=True)


async def test_an_upload_that_a_proxy_finds_too_large_names_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(3000))
    nginx = response(413, b"<html>413 Request Entity Too Large</html>", "text/html")
    async with answering(lambda _: nginx) as (url, _), api_of(url) as api:
        with pytest.raises(
            FileNotPassed, match=r"'a\.png' .*\(nginx: client_max_body_size\); the file has 3,000 bytes"
        ):
            await api.upload_image("a.png", tmp_path / "a.png", subfolder="previs")
        with pytest.raises(ServerUnavailable, match=r"POST /prompt with HTTP 413: .*client_max_body_size"):
            await api.post_prompt(graph(), prompt_id="p", client_id="c")


@pytest.mark.parametrize("name", ["a" * 70_000, "a\0.png", "a\ud800.png"], ids=["long", "NUL", "half"])
@pytest.mark.parametrize("named", ["filename", "subfolder"])
async def test_a_file_that_no_server_can_have_fails_at_once(name: str, named: str, tmp_path: Path) -> None:
    file = replace(OutputFile("a.png", "", "output", "9"), **{named: name})  # type: ignore[arg-type]
    async with answering(lambda _: response(200, {})) as (url, asked), api_of(url) as api:
        with pytest.raises(FileNotPassed, match="no file can be named so") as raised:
            await api.download(file, tmp_path / "a")
    assert len(str(raised.value)) < 500
    assert asked.lines == []
