"""Send a run's messages beside its work: no receiver fails a run or delays it for long."""

import asyncio
import json
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.events.schemas.automations import AutomationCore
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

from blocks.webhook import Webhook
from previs.notifications.events import BOARD_READY, SHOT_LIST_READY, EventName
from previs.notifications.webhook import EVENTS, Message, signature
from tasks import webhook
from tasks.webhook import deliver, enqueue, open_webhook
from tests.flows.conftest import task_states_of
from tests.previs.comfyui.client.listening import listening

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
Answer = Callable[[dict[str, Any]], bytes]
TAKEN = b"HTTP/1.1 204 Taken\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
SECRET = "s3cret-4711-0815-1605"  # noqa: S105 - opens nothing


@dataclass
class Heard:
    """What a receiver got, in order, and how many of its connections were open at once at most."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    open: int = 0
    most: int = 0

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.messages]


@asynccontextmanager
async def receiver(answer: Answer = lambda _: TAKEN, *, gate: asyncio.Event | None = None) -> AsyncIterator[Heard]:
    """Take messages; hang up where the answer is empty, and answer once the gate is open if there is one."""
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.open += 1
        heard.most = max(heard.most, heard.open)
        try:
            while await exchange(reader, writer):
                pass
        finally:
            heard.open -= 1

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
        head = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(head["content-length"]))
        heard.heads.append(head | {"body": body.decode()})
        heard.messages.append(json.loads(body))
        if gate is not None:
            await gate.wait()
        writer.write(reply := answer(heard.messages[-1]))
        await writer.drain()
        return bool(reply)

    async with listening(serve) as host:
        heard.url = f"http://{host}"
        yield heard


def to(heard: Heard, **fields: Any) -> Webhook:
    return Webhook(**({"url": f"{heard.url}/hooks/{SECRET}?key={SECRET}", "secret": SECRET} | fields))


def message(identity: str, event: EventName = "board.ready", **payload: Any) -> Message:
    return Message(identity, event, datetime.now(UTC), payload)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have attempts follow each other at once."""
    monkeypatch.setattr(deliver, "retry_delay_seconds", [0.0] * 5)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Capture Prefect's loggers, too; Prefect's settings decide whether they reach the root logger."""
    listening = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    for logger in listening:
        logger.addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG):
        yield caplog
    for logger in listening:
        logger.removeHandler(caplog.handler)


def warnings(logged: pytest.LogCaptureFixture) -> list[str]:
    texts = (record.getMessage() for record in logged.records if record.levelno == logging.WARNING)
    return list(dict.fromkeys(texts))


@flow(name="tells")
async def tells(block: Webhook | None, *messages: Message) -> str:
    async with open_webhook(block):
        for each in messages:
            enqueue(each)
        return "the board"


async def run(block: Webhook | None, *messages: Message) -> State[str]:
    # Prefect has no parameters for a flow's starred ones but a tuple by their name.
    state: State[str] = await tells(block, *messages, return_state=True)
    return state


def test_without_a_run_nothing_is_sent_and_nothing_happens() -> None:
    enqueue(message("1"))


async def test_attempts_are_those_of_the_document() -> None:
    assert deliver.retries == 5
    assert (webhook.LONGEST_END, webhook._SLOTS) == (90, 4)


async def test_a_message_is_delivered_signed_by_a_task_run_of_its_own() -> None:
    async with receiver() as heard:
        state = await run(to(heard), message("1", board="夜景"), message("2", "shot.failed", shot_id="SH01"))
    assert await state.aresult() == "the board"
    assert {each["id"]: each["data"] for each in heard.messages} == {"1": {"board": "夜景"}, "2": {"shot_id": "SH01"}}
    for head in heard.heads:
        made = signature(SECRET.encode(), head["webhook-id"], int(head["webhook-timestamp"]), head["body"].encode())
        assert head["webhook-signature"] == made
    states = await task_states_of(state.state_details.flow_run_id, 2)
    assert states == {
        "webhook · board.ready": ("Completed", f"delivered to {heard.url} · 1"),
        "webhook · shot.failed": ("Completed", f"delivered to {heard.url} · 2"),
    }


async def test_only_what_the_receiver_wants_is_sent() -> None:
    async with receiver() as heard:
        await run(to(heard, events=["farm.recovered"]), *(message(event, event) for event in EVENTS))
    assert heard.ids == ["farm.recovered"]


@task
def in_a_thread(identity: str) -> None:
    enqueue(message(identity))


@task
async def in_a_task(identity: str) -> None:
    enqueue(message(identity))


@flow(name="tells from everywhere")
async def tells_from_everywhere(block: Webhook) -> None:
    async def later() -> None:
        await asyncio.sleep(0)
        enqueue(message("background"))

    async with open_webhook(block):
        background = asyncio.create_task(later())
        await asyncio.to_thread(enqueue, message("thread"))
        await asyncio.to_thread(in_a_thread, "sync task")
        await in_a_task("async task")
        await background
        enqueue(message("last moment"))
    enqueue(message("too late"))


async def test_a_message_may_come_from_any_code_of_the_run_and_belongs_to_the_run() -> None:
    async with receiver() as heard:
        state: State[None] = await tells_from_everywhere(to(heard), return_state=True)
    assert state.is_completed()
    assert sorted(heard.ids) == ["async task", "background", "last moment", "sync task", "thread"]


async def test_a_message_that_is_not_taken_at_once_is_sent_again_under_its_id() -> None:
    left = [BUSY, b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b""]
    async with receiver(lambda _: left.pop(0) if left else TAKEN) as heard:
        state = await run(to(heard), message("1"))
    assert heard.ids == ["1"] * 4
    assert await task_states_of(state.state_details.flow_run_id, 1) == {
        "webhook · board.ready": ("Completed", f"delivered to {heard.url} · 1")
    }


async def test_a_receiver_that_never_takes_anything_fails_no_run(logged: pytest.LogCaptureFixture) -> None:
    async with receiver(lambda _: BUSY) as heard:
        state = await run(to(heard), message("1"), message("2", "shot.failed"), message("3", "shot.failed"))
    assert await state.aresult() == "the board"
    assert Counter(heard.ids) == {"1": 6, "2": 6, "3": 6}
    [warning] = [each for each in warnings(logged) if "not delivered" in each]
    reason = f"the webhook to {heard.url} was not accepted: HTTP 503; try again in 0 s"
    assert warning == f"not delivered to {heard.url}: board.ready, 2 × shot.failed; {reason}"


async def test_what_is_refused_is_not_sent_again(logged: pytest.LogCaptureFixture) -> None:
    async with receiver(lambda _: REFUSED) as heard:
        state = await run(to(heard), message("1"))
    assert state.is_completed()
    assert heard.ids == ["1"]
    assert f"not delivered to {heard.url}: board.ready; the webhook to {heard.url} is refused: HTTP 403" in warnings(
        logged
    )


async def test_no_secret_is_in_the_runs_log(logged: pytest.LogCaptureFixture) -> None:
    answers = {"taken": TAKEN, "busy": BUSY, "refused": REFUSED, "broken": b""}
    async with receiver(lambda sent: answers[sent["id"]]) as heard:
        await run(to(heard, headers={"Authorization": f"Bearer {SECRET}"}), *map(message, answers))
    assert set(heard.ids) == set(answers)
    assert "Finished in state" in logged.text
    assert SECRET not in logged.text
    assert not [record for record in logged.records if SECRET in repr(record.__dict__)]


async def test_many_messages_share_few_connections_and_keep_no_board_waiting() -> None:
    gate = asyncio.Event()
    failed = [message(str(number), "shot.failed", shot_id=number) for number in range(10 * webhook._SLOTS)]

    async def open_the_gate() -> None:
        while "board" not in heard.ids:
            await asyncio.sleep(0.01)
        gate.set()

    async with receiver(gate=gate) as heard:
        opening = asyncio.create_task(open_the_gate())
        await run(to(heard), *failed, message("board"))
        await opening
    assert sorted(heard.ids) == sorted([*(each.id for each in failed), "board"])
    assert heard.ids.index("board") <= webhook._SLOTS
    assert heard.most <= webhook._SLOTS + 1


async def test_a_receiver_that_hangs_holds_a_run_up_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "LONGEST_END", 1.5)
    async with receiver(gate=asyncio.Event()) as heard:
        state = await run(to(heard), *(message(str(number), "shot.failed") for number in range(9)))
        assert await state.aresult() == "the board"
        await asyncio.sleep(0)
        assert len(heard.ids) == webhook._SLOTS
    warning = f"not delivered to {heard.url}: 9 × shot.failed; there was no time for it"
    assert [each for each in warnings(logged) if "not delivered" in each] == [warning]


@flow(name="fails")
async def fails(block: Webhook) -> None:
    async with open_webhook(block):
        enqueue(message("1", "farm.degraded"))
        msg = "no server"
        raise OSError(msg)


async def test_a_run_that_fails_still_tells() -> None:
    async with receiver() as heard:
        state: State[None] = await fails(to(heard), return_state=True)
    assert state.is_failed()
    assert heard.ids == ["1"]


@flow(name="goes on")
async def goes_on(block: Webhook, ended: list[float]) -> None:
    async with open_webhook(block):
        enqueue(message("1"))
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(time.monotonic())


async def test_a_run_that_is_cancelled_waits_for_no_receiver(logged: pytest.LogCaptureFixture) -> None:
    ended: list[float] = []
    async with receiver(gate=asyncio.Event()) as heard:
        # The list is the flow's own: Prefect would hand a copy to it otherwise.
        going = asyncio.create_task(goes_on.with_options(validate_parameters=False)(to(heard), ended))
        while not heard.ids:
            await asyncio.sleep(0.01)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(going, 30)
    assert len(ended) == 1
    assert f"not delivered to {heard.url}: board.ready; there was no time for it" in warnings(logged)


@flow(name="takes long", timeout_seconds=1)
async def takes_long(block: Webhook) -> None:
    async with open_webhook(block):
        enqueue(message("1"))
        await asyncio.Event().wait()


async def test_a_run_that_is_out_of_time_waits_for_no_receiver() -> None:
    async with receiver(gate=asyncio.Event()) as heard:
        state: State[None] = await asyncio.wait_for(takes_long(to(heard), return_state=True), 30)
    assert state.name == "TimedOut"


async def test_a_run_that_names_no_webhook_takes_the_saved_default(monkeypatch: pytest.MonkeyPatch) -> None:
    # The runs of other tests would take one that is named default.
    monkeypatch.setattr("tasks.webhook._DEFAULT", name := f"default-{uuid4().hex}")
    async with receiver() as heard:
        await run(None, message("before"))
        await to(heard, events=["board.ready"]).save(name)
        try:
            await run(None, message("1"), message("2", "shot.failed"))
        finally:
            await Webhook.adelete(name)
        await run(None, message("after"))
    assert heard.ids == ["1"]
    [head] = heard.heads
    made = signature(SECRET.encode(), "1", int(head["webhook-timestamp"]), head["body"].encode())
    assert head["webhook-signature"] == made


@flow(name="logs")
async def logs(block: Webhook) -> None:
    async with open_webhook(block):
        get_run_logger().info("%r %s", block, block)


async def test_a_block_that_is_logged_shows_no_secret(logged: pytest.LogCaptureFixture) -> None:
    async with receiver() as heard:
        await logs(to(heard))
    assert "**********" in logged.text
    assert SECRET not in logged.text


def fences(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


async def test_the_request_in_the_document_is_one_that_prefect_takes(prefect_api: str) -> None:
    [request] = fences("sh")
    known = {
        "$(python3 -c 'import uuid; print(uuid.uuid4())')": str(uuid4()),
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)": datetime.now(UTC).isoformat(),
    }
    sent = json.loads(request.partition("<<JSON\n")[2].partition("\nJSON\n")[0])
    sent[0] |= {name: known[sent[0][name]] for name in ("id", "occurred")}
    async with httpx.AsyncClient(base_url=prefect_api) as client:
        (await client.post("/events", json=sent)).raise_for_status()
        for _ in range(40):
            wanted = {"filter": {"event": {"name": [SHOT_LIST_READY]}, "id": {"id": [sent[0]["id"]]}}}
            kept = (await client.post("/events/filter", json=wanted)).raise_for_status().json()["events"]
            if kept:
                break
            await asyncio.sleep(0.25)
    assert [each["payload"] for each in kept] == [sent[0]["payload"]]


def test_the_triggers_in_the_document_are_ones_that_prefect_takes() -> None:
    deployments, automation = (yaml.safe_load(each) for each in fences("yaml"))
    [trigger] = deployments["deployments"][0]["triggers"]
    assert DeploymentEventTrigger.model_validate(trigger).expect == {BOARD_READY}
    assert AutomationCore.model_validate(automation).actions[0].type == "send-notification"
