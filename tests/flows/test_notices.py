"""A run sends one notice however it ends, and none that fails or delays it."""

import base64
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from blocks.notices import Notices
from flows.storyboard import storyboard
from previs.errors import BoardIncomplete
from previs.rendering.progress import ProgressEvent, listening
from tasks.notices import open_notices
from tests.conftest import Serve
from tests.flows.conftest import task_states_of
from tests.flows.test_storyboard import SETTINGS
from tests.previs.notifications.test_services import SECRET, Heard, receiver

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
BOARD = "雾港夜航"


def to(heard: Heard, **fields: Any) -> Notices:
    return Notices(**({"urls": [f"json://{heard.host}/hooks/{SECRET}?retry=0"]} | fields))


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Capture Prefect's loggers, too; Prefect's settings decide whether they reach the root logger."""
    loggers = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG):
        yield caplog
    for logger in loggers:
        logger.removeHandler(caplog.handler)


def shots(*prompts: str) -> list[dict[str, Any]]:
    return [{"shot_id": f"SH{number:03}", "prompt": each, "duration": 2} for number, each in enumerate(prompts, 1)]


async def run(url: str, folder: Path, listed: object, notices: Notices | None) -> State[Any]:
    state: State[Any] = await storyboard(
        shots=listed,  # type: ignore[arg-type]
        workflow=SETTINGS,
        board=BOARD,
        store=str(folder),
        farm=[url],
        notices=notices,
        return_state=True,
    )
    return state


async def test_a_finished_board_is_one_notice_with_its_picture(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with receiver() as heard:
        state = await run(url, tmp_path, shots("雨夜", "霓虹"), to(heard))
    assert state.is_completed(), state.message
    [body] = heard.bodies
    assert (body["title"], body["type"]) == (f"{BOARD}，第 1 次运行：故事板已完成", "success")
    counts, board = body["message"].splitlines()[:2]
    assert counts == "2 个镜头"
    assert board.startswith(f"故事板：{tmp_path}/boards/")
    [picture] = body["attachments"]
    assert Image.open(io.BytesIO(base64.b64decode(picture["base64"]))).size == (510, 177)
    states = await task_states_of(state.state_details.flow_run_id, 8)
    assert states["notice · JSON (json://)"] == ("Completed", body["title"])


async def test_many_failed_shots_are_one_notice(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "fails"
    async with receiver() as heard:
        state = await run(url, tmp_path, shots("rain", *["it fails"] * 12), to(heard, picture=False, language="en"))
    assert isinstance(await state.aresult(raise_on_failure=False), BoardIncomplete)
    [body] = heard.bodies
    assert (body["title"], body["type"]) == (f"{BOARD}, run 1: 12 shots failed", "warning")
    lines = body["message"].splitlines()
    assert lines[0] == "13 shots: 1 made, 12 failed"
    assert lines[-1].startswith("- SH002, SH003, ")
    assert "and 2 more: node " in lines[-1]
    assert body["attachments"] == []


async def test_a_run_that_ends_before_a_board_is_one_notice(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with receiver() as heard:
        state = await run(url, tmp_path, [{"shot_id": "SH001", "duration": 0}], to(heard))
    assert state.is_failed()
    [body] = heard.bodies
    assert (body["title"], body["type"]) == (f"{BOARD}：运行结束，没有生成故事板", "failure")
    assert "shot 1 (shot_id SH001), prompt: missing" in body["message"]


async def test_only_events_of_the_block_are_told(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with receiver() as heard:
        await run(url, tmp_path, shots("rain"), to(heard, events=["shots.failed", "run.failed"]))
        await run(url, tmp_path, [{"shot_id": "SH001"}], to(heard, events=["board.ready"]))
    assert heard.bodies == []


async def test_a_notice_that_is_not_accepted_fails_no_run_and_is_said(
    simulate: Serve, tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    _, url = await simulate()
    shown: list[ProgressEvent] = []
    async with receiver(403) as heard, receiver() as other:
        block = Notices(urls=[f"json://{heard.host}/{SECRET}?retry=0", f"json://{other.host}/{SECRET}"])
        with listening(shown.append):
            state = await run(url, tmp_path, shots("rain"), block)
    assert state.is_completed()
    [said] = [each for each in shown if isinstance(each, str)]
    assert said.startswith("the notice to JSON (json://) was not sent: Failed to send ")
    assert "error=403" in said
    assert (len(heard.bodies), len(other.bodies)) == (1, 1)
    assert state.message == f"1 shot: 1 take rendered, 0 cached\n{said}"
    warnings = [record.getMessage() for record in logged.records if record.levelno == logging.WARNING]
    assert said in warnings
    ours = [record for record in logged.records if not record.name.startswith("uvicorn")]
    assert not [record for record in ours if SECRET in repr(record.__dict__)]


async def test_a_run_that_names_no_notices_takes_the_saved_default_whose_urls_prefect_hides(
    simulate: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The runs of other tests would take one that is named default.
    monkeypatch.setattr("tasks.notices._DEFAULT", name := f"default-{uuid4().hex}")
    _, url = await simulate()
    async with receiver() as heard:
        await to(heard).save(name)
        try:
            async with get_client() as client:
                slug = Notices.get_block_type_slug()
                hidden = await client.read_block_document_by_name(name, slug, include_secrets=False)
            state = await run(url, tmp_path, shots("rain"), None)
        finally:
            await Notices.adelete(name)
    assert state.is_completed()
    assert len(heard.bodies) == 1
    assert SECRET not in str(hidden.data)


async def test_settings_among_the_parameters_are_refused_without_their_urls(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    state = await run(url, tmp_path, shots("rain"), {"urls": [f"slakc://{SECRET}"]})  # type: ignore[arg-type]
    assert state.is_failed()
    assert "save them as a block, and choose that block" in (state.message or "")
    assert "slakc://" in (state.message or "")
    assert SECRET not in (state.message or "")


@flow(name="lost")
async def lost(notices: Notices) -> None:
    async with open_notices(notices, "night-city · #7, harbour") as notifier:
        await notifier.lost(2)
    async with open_notices(notices, "") as notifier:
        await notifier.lost(0)


async def test_runs_that_do_not_start_again_are_told() -> None:
    async with receiver() as heard:
        await lost(to(heard))
    [body] = heard.bodies
    assert body["title"] == "night-city · #7, harbour: the run ended without a board"
    assert "its process was lost too often" in body["message"]
