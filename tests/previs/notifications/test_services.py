"""Services get notices as they take them, over real sockets; no part of a URL is ever shown."""

import asyncio
import base64
import email
import email.message
import email.policy
import io
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import apprise
import pytest
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from previs.errors import NoticeNotSent, NoticesRefused
from previs.notifications.notices import Notice
from previs.notifications.services import redacted, service
from previs.publishing.contact_picture import sample_picture
from tests.previs.comfyui.client.listening import listening, serving_app

SECRET = "tok-4711-0815"  # noqa: S105 - opens nothing
LINK = "https://boards.example/b?x=1&y=2"
TITLE, BODY = "雾港夜航: 2 shots failed", f"12 shots\nBoard: {LINK}\nFailed:\n- SQ010_SH020 & <b>: no room"


def notice(picture: bytes | None = None, body: str = BODY) -> Notice:
    return Notice("shots.failed", "warning", TITLE, body, picture, (LINK,))


@dataclass
class Heard:
    url: str = ""
    status: int = 200
    bodies: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@asynccontextmanager
async def receiver(status: int = 200) -> AsyncIterator[Heard]:
    heard = Heard(status=status)

    async def take(request: Request) -> Response:
        heard.paths.append(request.url.path)
        heard.bodies.append(json.loads(await request.body()))
        return Response(f"no, {SECRET}" if heard.status != 200 else "ok", heard.status)

    async with serving_app(Route("/{rest:path}", take, methods=["POST"])) as url:
        heard.url = url
        yield heard


async def test_a_service_gets_title_text_type_and_picture() -> None:
    picture = sample_picture()
    async with receiver() as heard:
        to = service(f"json://{heard.host}/hooks/{SECRET}")
        await to.send(notice(picture))
    assert to.takes_pictures
    [body] = heard.bodies
    assert (body["title"], body["message"], body["type"]) == (TITLE, BODY, "warning")
    [attached] = body["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("board.jpg", "image/jpeg")
    assert base64.b64decode(attached["base64"]) == picture
    assert Image.open(io.BytesIO(picture)).format == "JPEG"


async def test_a_chat_service_that_takes_no_files_gets_the_text_alone() -> None:
    async with receiver() as heard:
        to = service(f"mmost://{heard.host}/{SECRET}")
        await to.send(notice(sample_picture()))
    assert not to.takes_pictures
    [body] = heard.bodies
    assert TITLE in body["text"]
    assert "SQ010_SH020" in body["text"]


async def test_a_text_is_no_longer_than_the_service_takes() -> None:
    async with receiver() as heard:
        await service(f"mmost://{heard.host}/{SECRET}").send(notice(body="夜" * 50_000))
    assert len(heard.bodies[0]["text"]) <= 4_000


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[int, list[email.message.EmailMessage]]]:
    mails: list[email.message.EmailMessage] = []

    class Keep:
        async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
            mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))  # type: ignore[arg-type]
            return "250 OK"

    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Keep()), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], mails


async def test_a_mail_has_the_text_as_html_and_the_picture() -> None:
    picture = sample_picture()
    async with mail_server() as (port, mails):
        await service(f"mailto://127.0.0.1:{port}/?from=previs@studio.example&to=li@studio.example").send(
            notice(picture)
        )
    [mail] = mails
    assert mail["subject"] == TITLE
    assert "li@studio.example" in mail["to"]
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    shown = "https://boards.example/b?x=1&amp;y=2"
    assert f'12 shots<br/>Board: <a href="{shown}">{shown}</a><br/>Failed:<br/>' in html
    assert "- SQ010_SH020 &amp; &lt;b&gt;: no room" in html
    [attached] = list(mail.iter_attachments())
    assert (attached.get_filename(), attached.get_content()) == ("board.jpg", picture)


def test_lines_stay_lines_in_teams() -> None:
    _, _, body = service("workflows://a.example/b2c3d4/e5f6")._written(notice(body="12 shots\nFailed:"))
    assert body == "12 shots\n\nFailed:"


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
async def test_what_a_service_answers_is_said_without_its_url(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with receiver(status) as heard:
            to = service(f"json://user:{SECRET}@{heard.host}/hooks/{SECRET}?retry=1&wait=0")
            with pytest.raises(NoticeNotSent, match=f"error={status}") as caught:
                await to.send(notice())
    assert len(heard.bodies) == 2
    assert str(caught.value).startswith("the notice to JSON (json://) was not sent: ")
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    for shown in (str(caught.value), repr(caught.value), repr(to), *logged):
        assert SECRET not in shown
        assert heard.host.rpartition(":")[2] not in shown


async def test_a_service_that_nobody_runs_is_said_so() -> None:
    with pytest.raises(NoticeNotSent) as caught:
        await service(f"json://127.0.0.1:1/{SECRET}?retry=0").send(notice())
    assert "onnection" in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_a_service_that_hangs_costs_a_bounded_time() -> None:
    asked, gate = asyncio.Event(), asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.set()
        await gate.wait()

    async with listening(serve) as host:
        with pytest.raises(NoticeNotSent, match=r"it did not accept the notice within 0\.5 s"):
            await service(f"json://{host}/{SECRET}?retry=0").send(notice(), seconds=0.5)
        assert asked.is_set()
        gate.set()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"slakc://{SECRET}", "the URL that begins with slakc://: apprise knows no such service"),
        (f"slack://{SECRET}", "the URL that begins with slack://: a part of it is missing or wrong"),
        (f"feishu://{SECRET}!", "the URL that begins with feishu://: a part of it is missing or wrong"),
        (SECRET, "a URL without a scheme: apprise knows no such service"),
        ("", "a URL without a scheme: apprise knows no such service"),
    ],
)
def test_a_wrong_url_is_named_by_its_scheme_alone(url: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    service("json://127.0.0.1")  # the first in a process makes apprise log that it loads its plugins
    with caplog.at_level(logging.DEBUG), pytest.raises(NoticesRefused) as caught:
        service(url)
    assert str(caught.value).startswith(f"notices cannot be sent: {said}; see https://appriseit.com/services")
    assert not caplog.records
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_other_users_of_apprise_keep_their_log(caplog: pytest.LogCaptureFixture) -> None:
    service("json://127.0.0.1")
    with caplog.at_level(logging.ERROR):
        apprise.Apprise.instantiate("nobody://here")
    assert "nobody" in caplog.text


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack (slack://)"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack (https://)"),
        ("lark://a1b2c3d4", "Lark (Feishu) (lark://)"),
        ("feishu://a1b2c3d4", "Feishu (feishu://)"),
        ("dingtalk://a1b2c3d4", "DingTalk (dingtalk://)"),
        ("wecombot://a1b2c3d4", "WeCom Bot (wecombot://)"),
        ("workflows://a.example/b2c3d4/e5f6", "Power Automate / Workflows (for MSTeams) (workflows://)"),
        ("mailto://li:pass@example.com", "E-Mail (mailto://)"),
    ],
)
def test_the_services_of_the_document_are_known(url: str, name: str) -> None:
    assert service(url).name == name


_part = st.text("abcXYZ0189-_~%é夜", min_size=3, max_size=20)


@given(st.lists(_part, min_size=1, max_size=4), st.text(max_size=20), st.text(max_size=20))
def test_no_part_of_a_url_is_left_in_a_text(parts: list[str], before: str, after: str) -> None:
    url = "slack://" + "/".join(quote(each) for each in parts)
    for part in parts:
        for form in (part, quote(part), part.upper()):
            shown = redacted(f"{before}{form}{after}", url).replace("***", " ")
            words = {word for word in re.findall(r"[\w\-]{3,}", part) if word not in before + after}
            assert not [word for word in words if word in shown]
