"""Check that a run sends the same facts as events of its timeline and to its webhook."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import State

from blocks import ComfyUIFarm
from flows.storyboard import storyboard
from previs.notifications.events import BoardReady, FarmDegraded, ShotFailed
from previs.store import FolderStore
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, shots
from tests.flows.test_webhook import receiver, to
from tests.ports import free_port

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


async def run(**parameters: Any) -> State[Any]:
    state: State[Any] = await storyboard(**({"workflow": SETTINGS} | parameters), return_state=True)
    return state


async def events_of(api: str, run: UUID | None, names: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Wait until a flow run's timeline has all of these events; return every event of it by name."""
    wanted = {
        "filter": {
            "occurred": {"since": "2026-01-01T00:00:00Z"},
            "any_resource": {"id": [f"prefect.flow-run.{run}"]},
            "event": {"exclude_prefix": ["prefect."]},
        },
        "limit": 50,
    }
    async with httpx.AsyncClient(base_url=api) as client:
        for _ in range(60):
            answer = (await client.post("/events/filter", json=wanted)).raise_for_status().json()
            found: dict[str, list[dict[str, Any]]] = {}
            for event in answer["events"]:
                found.setdefault(event["event"], []).append(event)
            if names <= set(found):
                return found
            await asyncio.sleep(0.25)
    pytest.fail(f"of {names} only {set(found)} were sent within 15 s")


async def test_a_run_with_a_failed_shot_and_a_lost_server_tells_so_in_its_timeline_and_to_its_webhook(
    simulate: Serve, tmp_path: Path, prefect_api: str
) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "坏"
    board, gone = f"夜城 {uuid4()}", f"http://127.0.0.1:{free_port()}"
    farm = ComfyUIFarm(servers=[url, gone])
    async with receiver() as heard:
        state = await run(shots=shots(3, SH02="坏"), farm=farm, store=str(tmp_path), board=board, webhook=to(heard))
    assert state.is_failed()
    found = await events_of(
        prefect_api, state.state_details.flow_run_id, {"board.ready", "shot.failed", "farm.degraded"}
    )
    [ready], [failed], [degraded] = found["board.ready"], found["shot.failed"], found["farm.degraded"]

    sent = BoardReady.model_validate(ready["payload"])
    assert (sent.board, sent.number, sent.complete, sent.rendered, sent.failed) == (
        board,
        1,
        False,
        2,
        ("SH02",),
    )
    store = FolderStore(tmp_path)
    names = [place.removeprefix(f"{tmp_path}/") for place in (sent.manifest, sent.page)]
    assert all([await store.get(name) for name in names])
    assert ready["resource"]["prefect.resource.name"] == board
    assert ready["resource"]["previs.complete"] == "false"

    shot = ShotFailed.model_validate(failed["payload"])
    assert (shot.board, shot.shot_id, shot.take) == (board, "SH02", 1)
    assert url in shot.servers
    roles = {each.get("prefect.resource.role"): each for each in failed["related"]}
    assert roles["board"]["prefect.resource.name"] == board
    assert roles["flow-run"]["prefect.resource.id"] == f"prefect.flow-run.{state.state_details.flow_run_id}"

    farm_event = FarmDegraded.model_validate(degraded["payload"])
    assert (farm_event.server, farm_event.fit, farm_event.servers) == (gone, 1, 2)
    assert degraded["resource"]["prefect.resource.id"] == f"previs.server.{gone}"

    by_kind = {each["type"]: each for each in heard.messages}
    assert set(by_kind) == {"board.ready", "shot.failed", "farm.degraded"}
    for name, [event] in (("board.ready", [ready]), ("shot.failed", [failed]), ("farm.degraded", [degraded])):
        assert by_kind[name]["id"] == event["id"]
        assert event["payload"].items() <= by_kind[name]["data"].items()
    assert [(each["shot_id"], each["success"]) for each in by_kind["board.ready"]["data"]["shots"]] == [
        ("SH01", True),
        ("SH02", False),
        ("SH03", True),
    ]


async def test_a_run_that_fails_before_its_board_tells_of_none(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with receiver() as heard:
        state = await run(shots=[{"shot_id": 1}], farm=[url], store=str(tmp_path), webhook=to(heard))
    assert state.is_failed()
    assert heard.messages == []
