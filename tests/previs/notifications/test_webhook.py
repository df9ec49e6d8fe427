"""Messages follow Standard Webhooks; the receiver's answer decides about retries; no secret is shown."""

import asyncio
import base64
import json
import logging
import pickle
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import FixTheInput, PrevisError, TryAgain, WebhookRefused, WebhookUnavailable
from previs.notifications import webhook
from previs.notifications.webhook import (
    EVENTS,
    Message,
    WebhookClient,
    WebhookEndpoint,
    own_header,
    receiver_url,
    signature,
    signing_key,
)
from tests.previs.comfyui.client.http_server import Asked, answering, response
from tests.previs.comfyui.client.listening import listening

DOCUMENT = Path(__file__).parents[3] / "docs" / "events.md"
AT = datetime(2026, 10, 31, 18, 40, 5, 250, tzinfo=timezone(timedelta(hours=1)))
SECRET, PATH_SECRET, QUERY_SECRET, HEADER_SECRET = (
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "T0/path",
    "q-4711",
    "h-0815",
)
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
TAKEN = response(204, b"")


def message(**changes: Any) -> Message:
    known: dict[str, Any] = {
        "id": "0001",
        "event": "board.ready",
        "at": AT,
        "payload": {"board": '夜景 "quoted" {{x}}'},
    }
    return Message(**(known | changes))


@asynccontextmanager
async def courier_to(url: str, **settings: Any) -> AsyncIterator[WebhookClient]:
    async with WebhookClient(WebhookEndpoint(receiver_url(url), **settings)) as courier:
        yield courier


async def sent(*answers: bytes | Iterable[bytes]) -> tuple[list[PrevisError | None], Asked]:
    """What became of one message sent once for each of these answers."""
    left, ends = list(answers), list[PrevisError | None]()
    async with answering(lambda _: left.pop(0)) as (url, asked), courier_to(url) as courier:
        for _ in answers:
            try:
                await courier.send(message())
                ends.append(None)
            except PrevisError as error:
                ends.append(error)
    return ends, asked


async def ends_with(answer: bytes | Iterable[bytes]) -> PrevisError | None:
    [end], _ = await sent(answer)
    return end


# The example of the reference libraries' own tests; standardwebhooks 1.1.0 for Python makes the same of it.
def test_a_signature_is_that_of_standard_webhooks() -> None:
    made = signature(signing_key(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [SECRET, f" {SECRET}\n", SECRET + "=", "whsec_" + base64.b64encode(KEY).decode()])
def test_a_secret_with_its_mark_is_base64_with_or_without_padding(secret: str) -> None:
    assert signing_key(secret) == KEY


@given(st.binary(min_size=16, max_size=64))
def test_every_key_is_read_from_its_base64(key: bytes) -> None:
    written = base64.b64encode(key).decode()
    assert signing_key(f"whsec_{written}") == signing_key(f"whsec_{written.rstrip('=')}") == key


def test_any_other_secret_is_its_own_text() -> None:
    assert signing_key("open 芝麻, open 芝麻") == "open 芝麻, open 芝麻".encode()


@pytest.mark.parametrize("secret", ["", "  ", "whsec_", "whsec_==", "whsec_Mf-Q9r8GKYq", "whsec_夜", "whsec_MfKQ9"])
def test_a_secret_without_a_key_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="the secret holds no key") as caught:
        signing_key(secret)
    assert "Mf" not in f"{caught.value}"


@pytest.mark.parametrize(
    "secret", ["k" * 15, "芝麻芝麻芝", "whsec_" + base64.b64encode(b"k" * 15).decode(), " short \n"]
)
def test_a_key_that_can_be_found_by_trying_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="bytes: give at least 16") as caught:
        signing_key(secret)
    assert secret.strip() not in f"{caught.value}"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        (" https://hooks.example/T0/x?key=1\n", "https://hooks.example/T0/x?key=1"),
        ("HTTPS://Hooks.Example/T0", "https://hooks.example/T0"),
        ("https://例え.jp/路", "https://xn--r8jz45g.jp/%E8%B7%AF"),
        ("http://[::1]:9/x", "http://[::1]:9/x"),
    ],
)
def test_an_address_is_taken(given: str, kept: str) -> None:
    assert str(receiver_url(given)) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        "hooks.example/s3cret",
        "ftp://a/s3cret",
        "http://",
        "https:///s3cret",
        "/s3cret",
        "http://a b/s3cret",
        "http://a/s3 cret",
        "http://a\n/s3cret",
        "http://a:99999/s3cret",
        "http://a:0/s3cret",
        "http://a:s3cret/",
        "http://[::1/s3cret",
        "http://\ud800/s3cret",
        "http://a/" + "s3cret" * 12_000,
    ],
    ids=lambda given: ascii(given[:30]),
)
def test_an_invalid_url_is_refused_with_an_example_and_not_shown(given: str) -> None:
    with pytest.raises(ValueError, match="write it like https://pipeline") as caught:
        receiver_url(given)
    assert "s3cret" not in f"{caught.value}"


@pytest.mark.parametrize("given", ["https://user:s3cret@hooks.example/", "https://s3cret@hooks.example/"])
def test_a_url_with_a_user_is_refused_with_a_remedy(given: str) -> None:
    with pytest.raises(ValueError, match="set the header Authorization instead") as caught:
        receiver_url(given)
    assert "s3cret" not in f"{caught.value}"


@pytest.mark.parametrize("name", ["Content-Type", "webhook-id", "Webhook-Signature", "content-length", "", "X Y", "夜"])
def test_an_invalid_header_or_one_of_the_messages_own_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        own_header(name, "s3cret")


def test_a_message_is_one_form_of_json_that_a_person_can_read() -> None:
    body = message().body()
    assert json.loads(body) == {
        "schema": "previs.webhook/1",
        "id": "0001",
        "type": "board.ready",
        "timestamp": "2026-10-31T17:40:05.000250Z",
        "data": {"board": '夜景 "quoted" {{x}}'},
    }
    assert "夜景" in body.decode()
    assert b"\n" not in body


def test_half_of_a_character_is_sent_escaped() -> None:
    assert json.loads(message(payload={"error": "夜\ud800"}).body())["data"] == {"error": "夜\ud800"}


async def test_a_message_carries_its_id_its_time_its_signature_and_the_receivers_headers() -> None:
    async with (
        answering(lambda _: TAKEN) as (url, asked),
        courier_to(f"{url}/hooks?key=1", key=KEY, headers={"Authorization": "Bearer t"}) as courier,
    ):
        before = int(datetime.now(UTC).timestamp())
        await courier.send(message())
    assert asked.lines == ["POST /hooks?key=1"]
    head = dict(line.lower().split(": ", 1) for line in asked.heads[0].split("\r\n")[1:] if line)
    assert head["webhook-id"] == "0001"
    assert before <= int(head["webhook-timestamp"]) <= datetime.now(UTC).timestamp()
    made = signature(KEY, "0001", int(head["webhook-timestamp"]), message().body())
    assert head["webhook-signature"] == made.lower()
    assert (head["content-type"], head["authorization"]) == ("application/json", "bearer t")
    assert head["user-agent"] == "previs"


async def test_without_a_secret_nothing_is_signed() -> None:
    _, asked = await sent(TAKEN)
    assert "webhook-signature" not in asked.heads[0].lower()


@contextmanager
def receiving(program: str, **names: object) -> Iterator[tuple[str, list[Any]]]:
    """Runs the document's receiver on a port of its own, with these names changed; its address, and what it prints."""
    printed: list[Any] = []
    defined, _, served = program.rpartition("\nHTTPServer(")
    assert served.endswith(".serve_forever()\n")
    space: dict[str, Any] = {"print": printed.append}
    exec(compile(defined, "docs/events.md", "exec"), space)  # noqa: S102 - the document's own program
    space |= names
    with HTTPServer(("127.0.0.1", 0), space["Receiver"]) as server:
        space["Receiver"].log_message = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", printed
        finally:
            server.shutdown()
            thread.join()


def programs(language: str) -> list[str]:
    fence = f"```{language}\n"
    return [each.partition("```")[0] for each in DOCUMENT.read_text("utf-8").split(fence)[1:]]


async def test_the_receiver_of_the_document_takes_what_is_signed_and_nothing_else() -> None:
    [program] = [each for each in programs("python") if "HTTPServer" in each]
    with receiving(program, SECRET=SECRET) as (url, printed):
        async with courier_to(url, key=KEY) as courier:
            await courier.send(message())
            await courier.send(message())
            await courier.send(message(id="0002"))
        for settings in ({"key": b"another"}, {}):
            async with courier_to(url, **settings) as courier:
                with pytest.raises(WebhookRefused, match="HTTP 401"):
                    await courier.send(message(id="0003"))
        # The receiver prints after it has answered, and before it reads the next request.
        assert [each["id"] for each in printed] == ["0001", "0002"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_status_of_success_is_taken_whatever_comes_with_it(status: int) -> None:
    assert await ends_with(response(status, b"<html>no JSON at all", "text/html")) is None


async def test_the_body_of_an_answer_may_be_endless_or_broken() -> None:
    endless = (b"HTTP/1.1 200 OK\r\n\r\n", *(b"x" * 65_536 for _ in range(40)))
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    bomb = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    ends, _ = await sent(endless, cut, bomb)
    assert ends == [None, None, None]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_what_may_pass_is_worth_another_attempt(status: int) -> None:
    error = await ends_with(response(status, b"busy"))
    assert isinstance(error, WebhookUnavailable)
    assert isinstance(error, TryAgain)
    assert (error.reason, error.retry_after) == (f"HTTP {status}", None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    [error], asked = await sent(response(status, b"", Location="/elsewhere"))
    assert isinstance(error, WebhookRefused)
    assert error.reason == f"HTTP {status}: set the webhook's block to the URL that it redirects to"
    assert len(asked.lines) == 1


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 405, 410, 413, 415, 422, 451])
async def test_every_other_answer_is_for_a_person(status: int) -> None:
    error = await ends_with(response(status, b"no"))
    assert isinstance(error, WebhookRefused)
    assert isinstance(error, FixTheInput)
    assert error.reason == f"HTTP {status}"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"SSH-2.0-OpenSSH\r\n\r\n", b"\x00\x01\r\n\r\n"])
async def test_what_is_no_answer_is_worth_another_attempt(answer: bytes) -> None:
    error = await ends_with(answer)
    assert isinstance(error, WebhookUnavailable)
    assert error.reason == "the connection broke off (RemoteProtocolError)"


async def test_a_receiver_that_does_not_answer_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with courier_to(f"http://127.0.0.1:{taken.getsockname()[1]}/x") as courier:
            with pytest.raises(WebhookUnavailable, match="the connection was refused or not possible"):
                await courier.send(message())


async def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_LONGEST_REQUEST", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with courier_to(f"http://127.0.0.1:{silent.getsockname()[1]}") as courier:
            with pytest.raises(WebhookUnavailable, match="no answer in time"):
                await courier.send(message())


async def test_a_receiver_that_drips_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_LONGEST_REQUEST", 0.1)

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with listening(drip) as place, courier_to(f"http://{place}") as courier:
        with pytest.raises(WebhookUnavailable, match="no answer in time"):
            await courier.send(message())


def test_the_limits_are_those_of_the_document() -> None:
    assert (webhook._TIMEOUT.connect, webhook._LONGEST_REQUEST, webhook._LONGEST_PAUSE) == (10, 30, 60)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("7", 7), ("86400", 60), ("-1", None), ("soon", None), ("", None), ("1e9", None), ("9" * 400, 60)],
)
async def test_a_pause_that_the_receiver_asks_for_is_read_and_bounded(value: str, seconds: float | None) -> None:
    error = await ends_with(response(503, b"", Retry_After=value))
    assert isinstance(error, WebhookUnavailable)
    assert error.retry_after == seconds


async def test_a_pause_may_be_a_date() -> None:
    in_a_day = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    ends, _ = await sent(
        response(429, b"", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), response(503, b"", Retry_After=in_a_day)
    )
    assert [isinstance(end, WebhookUnavailable) and end.retry_after for end in ends] == [0, 60]


async def test_a_receiver_is_left_alone_as_long_as_it_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [response(503, b"", Retry_After="1"), TAKEN, TAKEN]
    times: list[float] = []

    def answer(_: str) -> bytes:
        times.append(asyncio.get_running_loop().time())
        return answers[len(times) - 1]

    monkeypatch.setattr(webhook, "_LONGEST_PAUSE", 0.2)
    async with answering(answer) as (url, _), courier_to(url) as courier:
        with pytest.raises(WebhookUnavailable, match=r"try again in 0\.2 s"):
            await courier.send(message())
        await asyncio.gather(courier.send(message()), courier.send(message(id="0002")))
    assert min(times[1:]) - times[0] >= 0.15


async def test_connections_serve_again() -> None:
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()

    async with listening(serve) as place, courier_to(f"http://{place}") as courier:
        for number in range(5):
            await courier.send(message(id=str(number)))
    assert opened == 1


@asynccontextmanager
async def encrypted(authority: trustme.CA, name: str) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TAKEN)
        await writer.drain()

    async with listening(serve, context) as place:
        yield f"https://{place}"


async def test_a_certificate_that_is_trusted_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    async with encrypted(authority, "127.0.0.1") as url, courier_to(url) as courier:
        with pytest.raises(WebhookUnavailable, match="its certificate is not trusted here"):
            await courier.send(message())
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with encrypted(authority, "127.0.0.1") as url, courier_to(url) as courier:
        await courier.send(message())
    async with encrypted(authority, "other.example") as url, courier_to(url) as courier:
        with pytest.raises(WebhookUnavailable, match="or is for another name"):
            await courier.send(message())


async def test_a_receiver_without_encryption_has_its_own_error() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(400, b"speak plainly"))
        await writer.drain()

    async with listening(serve) as place, courier_to(f"https://{place}") as courier:
        with pytest.raises(WebhookUnavailable, match="does its URL really start with https"):
            await courier.send(message())


Answer = Callable[[str], bytes]


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: TAKEN,
        lambda _: response(403, SECRET.encode()),
        lambda _: response(503, b""),
        lambda _: response(302, b"", Location="/elsewhere"),
        lambda _: b"HTTP/1.1 nonsense\r\n\r\n",
    ],
    ids=["taken", "refused", "busy", "moved", "broken"],
)
async def test_no_secret_is_in_an_error_a_repr_or_a_log(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    secrets = [PATH_SECRET, QUERY_SECRET, HEADER_SECRET, SECRET, SECRET.removeprefix("whsec_"), repr(KEY)]
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        async with (
            answering(answer) as (url, asked),
            courier_to(f"{url}/{PATH_SECRET}?key={QUERY_SECRET}", key=KEY, headers={"X-Key": HEADER_SECRET}) as courier,
        ):
            said += [repr(courier), repr(courier.receiver), str(courier.receiver), courier.receiver.name]
            try:
                await courier.send(message())
            except PrevisError as error:
                logging.getLogger("test").exception("not delivered")
                again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
                said += [str(error), repr(error), str(again), repr(error.args)]
        assert asked.lines == [f"POST /{PATH_SECRET}?key={QUERY_SECRET}"]
        assert courier.receiver.name == url
    said.append(caplog.text)
    assert "httpcore" in caplog.text
    assert not [(secret, text) for text in said for secret in secrets if secret in text]


async def test_what_else_httpx_logs_stays(caplog: pytest.LogCaptureFixture) -> None:
    filters = [*logging.getLogger("httpx").filters]
    with caplog.at_level(logging.INFO, "httpx"):
        async with answering(lambda _: TAKEN) as (url, _), courier_to(f"{url}/hook"):
            logging.getLogger("httpx").info("HTTP Request: %s %s", "GET", f"{url}/another")
    assert caplog.messages == [f"HTTP Request: GET {url}/another"]
    assert logging.getLogger("httpx").filters == filters


def test_a_receiver_gets_every_event_by_default() -> None:
    assert WebhookEndpoint("https://a").events == frozenset(EVENTS)


async def test_a_proxy_that_no_client_can_use_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:7890/")
    with pytest.raises(WebhookRefused, match=r"the proxy socks://127.0.0.1:7890/ \(ALL_PROXY\) cannot be used"):
        async with WebhookClient(WebhookEndpoint("https://hook.example")):
            pass
