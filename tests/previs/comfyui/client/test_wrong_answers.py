"""Check that no answer of a server, of whatever shape, raises anything but the errors of previs; on real sockets."""

import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.mutations import json_text, wrong_bytes, wrong_json
from benchmarks.recorded import answers, messages
from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.socket import Socket
from previs.comfyui.protocol.frames import Frame
from previs.comfyui.protocol.history import OutputFile, read_entry
from previs.comfyui.protocol.jobs import read_job
from previs.comfyui.protocol.models import header_hash
from previs.comfyui.protocol.validation_errors import classes_to_ask, faults_of
from previs.errors import PrevisError
from tests.previs.comfyui.client.clients import api_of, until
from tests.previs.comfyui.client.http_server import answering, response
from tests.previs.comfyui.graphs import graph

PROMPT = "p"
ENTRY = next(value for each in answers("GET", "/history/") for value in each.values())
ASKED: dict[str, tuple[list[Any], Callable[[Api, Path], Coroutine[Any, Any, object]]]] = {
    "system_stats": (answers("GET", "/system_stats"), lambda api, _: api.system_stats()),
    "queue": (answers("GET", "/queue"), lambda api, _: api.queue()),
    "history": ([{PROMPT: ENTRY}], lambda api, _: _ended(api)),
    "has_history": (answers("GET", "/history?"), lambda api, _: api.has_history()),
    "job": (answers("GET", "/api/jobs/"), lambda api, _: _job(api)),
    "cancel": ([{"cancelled": True}], lambda api, _: api.cancel_job(PROMPT)),
    "object_info": (answers("GET", "/object_info/"), lambda api, _: api.object_info("KSampler")),
    "metadata": ([{"sshs_model_hash": "ab" * 32}], lambda api, _: _hash(api)),
    "prompt": (answers("POST", "/prompt") + answers("POST", "/prompt", 400), lambda api, _: _posted(api)),
    "upload": (
        answers("POST", "/upload/image"),
        lambda api, _: api.upload_image("a.png", Path(__file__), subfolder="previs"),
    ),
    "free": ([{}], lambda api, _: api.free()),
    "interrupt": ([{}], lambda api, _: api.interrupt(PROMPT)),
    "delete": ([{}], lambda api, _: api.delete_pending(PROMPT)),
    "view": ([{"a": 1}], lambda api, folder: api.download(OutputFile("a.png", "", "output"), folder / "frame")),
}
WRONG_HEADERS = [
    {"Content_Length": "9" * 5000},
    {"Content_Length": "-1"},
    {"Content_Length": "３"},
    {"Content_Length": "2, 3"},
    {"Retry_After": "9" * 5000},
    {"Retry_After": "-5"},
    {"Retry_After": "Thu, 99 Foo 99999 99:99:99 +9999"},
    {"Retry_After": "\t,;"},
    {"Content_Type": "application/json; charset=klingon"},
    {"Content_Type": "\xff\xfe"},
    {"Content_Encoding": "gzip"},
    {"Content_Encoding": "br, deflate, x"},
    {"Transfer_Encoding": "chunked, gzip"},
    {"Location": "http://[::1"},
    {"Location": "http://a:99999999/\x7f"},
    {"Location": "//" + "a" * 70_000},
    {"Content_Disposition": 'attachment; filename="../../\0"'},
    {"ETag": "\x80"},
    {"Link": "<" * 1000},
    {"Set_Cookie": "a=b; expires=Thu, 99-Foo-99999 99:99:99 GMT; max-age=" + "9" * 5000},
    {"Set_Cookie": '="";;;=; path="'},
]


async def _ended(api: Api) -> object:
    entry = await api.history(PROMPT)
    return entry and read_entry(entry)


async def _job(api: Api) -> object:
    body = await api.job(PROMPT)
    return body and read_job(body)


async def _hash(api: Api) -> object:
    return header_hash(await api.model_metadata("loras", "a.safetensors") or {})


async def _posted(api: Api) -> object:
    posted = await api.post_prompt(graph(), prompt_id=PROMPT, client_id="c")
    classes_to_ask(posted.body)
    return [str(fault) for fault in faults_of(posted.body, graph(), {"KSampler": posted.body})]


async def _ask(api: Api, name: str, folder: Path) -> None:
    """Ask once; errors of previs are expected, and have a sentence."""
    try:
        await ASKED[name][1](api, folder)
    except PrevisError as error:
        str(error).encode()


@pytest.mark.parametrize("name", ASKED)
async def test_a_body_of_any_shape_raises_only_errors_of_previs(name: str, tmp_path: Path) -> None:
    source, good = random.Random(name), ASKED[name][0]

    def answer(_: str) -> bytes:
        content = json_text(wrong_json(source, source.choice(good)))
        if source.random() < 0.2:
            content = wrong_bytes(source, content, [content])
        return response(source.choice((200, 200, 200, 400)), content)

    async with answering(answer) as (url, _), api_of(url) as api:
        for _ in range(40):
            api.forget_endpoints()
            await _ask(api, name, tmp_path)


@pytest.mark.parametrize("status", [200, 302, 400, 404, 429, 503, 999])
@pytest.mark.parametrize("headers", WRONG_HEADERS, ids=lambda headers: next(iter(headers)))
async def test_headers_of_any_content_raise_only_errors_of_previs(
    status: int, headers: dict[str, str], tmp_path: Path
) -> None:
    content = response(status, {"name": "a"}, **headers)
    async with answering(lambda _: content) as (url, _), api_of(url) as api:
        for name in ("system_stats", "view", "upload"):
            await _ask(api, name, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"HTTP/9.9 x y\r\n\r\n",
        b"HTTP/1.1 99999999999 a\r\n\r\n",
        b"HTTP/1.1 200\r\n\xff\xff\r\n\r\n",
        b"a" * 200_000,
    ],
)
async def test_what_is_no_http_raises_only_errors_of_previs(content: bytes, tmp_path: Path) -> None:
    async with answering(lambda _: content) as (url, _), api_of(url) as api:
        for name in ASKED:
            await _ask(api, name, tmp_path)


async def test_a_socket_goes_on_after_frames_of_any_shape() -> None:
    source, sent, seen = random.Random(1), messages(), list[Frame]()
    opened = 0

    async def send(socket: ServerConnection) -> None:
        nonlocal opened
        opened += 1
        for _ in range(100):
            text = json_text(wrong_json(source, source.choice(sent)))
            await socket.send(text.decode(errors="replace"))
            await socket.send(wrong_bytes(source, b"\0\0\0\4\0\0\0\2{}" + text, [text]))
        socket.transport.write(
            source.choice((b"\x81\x02\xff\xff", b"\xff" * 50, b"\xc1\x05abcde", b"\x81\xff" + b"\xff" * 8))
        )

    async with serve(send, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Socket(Address(url), on_frame=seen.append, on_open=lambda: None) as socket:
            await until(lambda: opened >= 4 and len(seen) >= 400)
            assert socket._task is not None
            assert not socket._task.done()


@pytest.mark.parametrize(
    "content", [b"", b"HTTP/1.1 101 a\r\n\r\n", b"\xff" * 1000, b"HTTP/1.1 302 a\r\nLocation: http://[\r\n\r\n"]
)
async def test_a_socket_that_is_answered_by_no_socket_is_tried_again(content: bytes) -> None:
    async with (
        answering(lambda _: content) as (url, asked),
        Socket(Address(url), on_frame=lambda _: None, on_open=lambda: None) as socket,
    ):
        await until(lambda: len(asked.lines) >= 2)
        assert socket.reason


@pytest.mark.parametrize("kind", [None, 7, [], {}, ["value_not_in_list"], {"a": []}])
async def test_a_refusal_whose_type_is_no_text_is_a_refusal(kind: object) -> None:
    errors = [{"type": kind, "message": kind, "details": kind, "extra_info": kind}]
    body = {
        "error": {"type": kind, "message": kind, "details": kind},
        "node_errors": {"3": {"class_type": kind, "errors": errors}},
    }
    for refusal in (body, {"error": body["error"]}, {"error": kind, "node_errors": kind}):
        async with answering(lambda _, answer=refusal: response(400, answer)) as (url, _), api_of(url) as api:
            await _posted(api)
