"""Run deployments with parameters of senders and of the operator: only the operator's reach what is not public."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.flow_engine import run_flow_async

from blocks import AllowedSources, ComfyUIFarm, FolderFrameStore, Webhook
from flows.nightly import nightly
from flows.script_to_shots import script_to_shots
from flows.storyboard import storyboard
from previs.ingest.reader import ONE_ANSWER
from previs.store import FolderStore
from tests.conftest import Serve
from tests.flows.conftest import artifacts_of
from tests.flows.deployed import HOSTILE
from tests.flows.test_storyboard import SETTINGS, manifest_of, shots
from tests.previs.ingest.test_access import Site, serving

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
SECRET = "password of the intranet"  # noqa: S105 - opens nothing
PASSWORD = "geheim4711"  # noqa: S105 - likewise
READY = "previs.shot-list-ready/1"
# Deployments by their flow and its parameters, for the runs to come.
DEPLOYED: dict[str, UUID] = {}


@pytest.fixture
def intranet() -> Iterator[Site]:
    """Serve a list that a sender must not see."""
    site = Site("127.0.0.1")
    listed = [each | {"prompt": SECRET} for each in shots(1)]
    site.content = json.dumps({"title": SECRET, "shots": listed}).encode()
    with serving(site):
        yield site


@pytest_asyncio.fixture(autouse=True)
async def default_blocks(tmp_path: Path, prefect_api: str) -> AsyncIterator[Path]:
    """Save the store of this test as the default."""
    assert prefect_api
    await FolderFrameStore(folder=str(tmp_path / "store")).save("default", overwrite=True)
    yield tmp_path / "store"
    await FolderFrameStore.adelete("default")


@pytest_asyncio.fixture
async def allowing(prefect_api: str) -> AsyncIterator[None]:
    """Remove what the test allows."""
    assert prefect_api
    yield
    await AllowedSources.adelete("default")


async def started(
    farm: str, given: dict[str, Any], own: dict[str, Any] | None = None, key: str | None = None, flow: Any = storyboard
) -> State[Any]:
    """Run a deployment of a flow in this process.

    Args:
        farm: The server's address.
        given: Parameters of the run.
        own: Parameters of the deployment.
        key: Idempotency key: that of an automation, for a run that an event starts; a form sets none.
        flow: The flow.
    """
    fixed = {"farm": [farm], "workflow": SETTINGS} if flow is storyboard else {"send": False}
    parameters = fixed | (own or {})
    wanted = f"{flow.name} {json.dumps(parameters)}"
    async with get_client() as client:
        if wanted not in DEPLOYED:
            flow_id = await client.create_flow(flow)
            DEPLOYED[wanted] = await client.create_deployment(flow_id, f"test-{uuid4()}", parameters=parameters)
        run = await client.create_flow_run_from_deployment(DEPLOYED[wanted], parameters=given, idempotency_key=key)
    state: State[Any] = await run_flow_async(flow, flow_run=run, parameters=run.parameters, return_type="state")
    return state


def is_refused(state: State[Any], site: Site) -> bool:
    message = state.message or ""
    assert SECRET not in message
    return state.is_failed() and ONE_ANSWER in message and site.accepted == 0


async def test_an_event_whose_workflow_or_list_is_an_internal_address_is_refused_and_nothing_of_it_is_printed(
    simulate: Serve, intranet: Site
) -> None:
    _, url = await simulate()
    inside = f"http://127.0.0.1:{intranet.server_port}/list"
    for payload in (
        {"schema": READY, "shot_list": shots(1), "workflow": inside},
        {"schema": READY, "shot_list": inside},
        {"schema": READY, "shot_list": [shots(1)[0] | {"references": [{"reference_id": "a", "url": inside}]}]},
    ):
        assert is_refused(await started(url, {"shots": payload}, key=f"automation {uuid4()}"), intranet)


async def test_an_event_as_an_object_of_an_earlier_deployment_is_taken_as_it_is(
    simulate: Serve, default_blocks: Path
) -> None:
    _, url = await simulate()
    given = [{"shot_id": number, "prompt": text, "duration": 1} for number, text in enumerate(HOSTILE)]
    payload = {"schema": READY, "shot_list": given, "board": "earlier"}
    state = await started(url, {"shots": payload}, key=f"automation {uuid4()}")
    assert state.is_completed(), state.message
    manifest = await manifest_of(FolderStore(default_blocks), "earlier")
    assert [shot.prompt for shot in manifest.shots] == list(HOSTILE)


async def test_what_a_form_names_is_a_senders_and_what_the_deployment_has_is_the_operators(
    simulate: Serve, intranet: Site
) -> None:
    _, url = await simulate()
    inside = f"http://127.0.0.1:{intranet.server_port}/list"
    assert is_refused(await started(url, {"shots": inside}), intranet)
    assert is_refused(await started(url, {"shots": inside}, key=f"nightly {uuid4()} board"), intranet)
    assert is_refused(await started(url, {"shots": inside}, key=f"part {uuid4()} 2 2"), intranet)
    folded = await started(url, {"shots": shots(1), "more": {"workflow": inside}}, own={"workflow": None})
    assert is_refused(folded, intranet)
    assert (await started(url, {}, own={"shots": inside})).is_completed()
    assert (await started(url, {"shots": inside}, own={"shots": inside})).is_completed()
    assert intranet.accepted == 2


@pytest.mark.usefixtures("allowing")
async def test_the_block_allows_hosts_and_servers_and_trusts_what_forms_name_if_the_operator_says_so(
    simulate: Serve, intranet: Site
) -> None:
    _, url = await simulate()
    inside = f"http://127.0.0.1:{intranet.server_port}/list"
    await AllowedSources(trust_run_parameters=True).save("default", overwrite=True)
    assert is_refused(await started(url, {"shots": inside}, key=f"automation {uuid4()}"), intranet)
    assert (await started(url, {"shots": inside})).is_completed()
    await AllowedSources(networks=["127.0.0.1"]).save("default", overwrite=True)
    simulator, second = await simulate()
    given = {"shots": inside, "farm": [second], "refresh": True}
    assert (await started(url, given, key=f"automation {uuid4()}")).is_completed()
    assert len(simulator.started) == 1


async def test_a_form_names_the_operators_store_and_server_and_paths_in_that_store_alone(
    simulate: Serve, tmp_path: Path, default_blocks: Path
) -> None:
    _, url = await simulate()
    for folder in (default_blocks / "lists", tmp_path / "other"):
        folder.mkdir(parents=True)
        (folder / "list.json").write_text(json.dumps(shots(1)))
    # The deployment's own store and server, written otherwise.
    given = {"shots": str(default_blocks / "lists" / "list.json"), "store": f"{default_blocks}/"}
    assert (await started(url, given | {"farm": f"{url.upper()}/"})).is_completed()
    for given in (
        {"shots": str(tmp_path / "other" / "list.json")},
        {"shots": "/etc/passwd"},
    ):
        state = await started(url, given)
        assert "folders that the operator allows" in (state.message or "")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    given = {"shots": str(tmp_path / "other" / "list.json"), "store": str(tmp_path / "link")}
    assert (await started(url, given, own={"store": str(tmp_path / "other")})).is_completed()


@pytest.mark.usefixtures("allowing")
async def test_a_form_names_no_store_but_the_operators_saved_ones_and_what_the_block_allows(
    simulate: Serve, tmp_path: Path
) -> None:
    _, url = await simulate()
    other, link = tmp_path / "other", tmp_path / "link"
    link.symlink_to(other)
    given = {"shots": shots(1)}
    for store in (str(link), "examples", "s3://elsewhere/film", {"folder": str(other)}):
        message = (await started(url, given | {"store": store})).message or ""
        assert "leave the field empty, choose a saved store, or have the operator allow this one" in message
    assert await FolderStore(other).entries("") == await FolderStore("examples").entries("frames") == {}
    allowed = tmp_path / "allowed"
    await AllowedSources(folders=[str(allowed)]).save("default", overwrite=True)
    assert (await started(url, given | {"store": str(allowed / "film")})).is_completed()
    assert await FolderStore(allowed / "film").entries("boards/")


async def test_a_form_names_servers_of_saved_farms_and_no_others_and_may_name_the_examples(
    simulate: Serve, intranet: Site
) -> None:
    inside = f"http://127.0.0.1:{intranet.server_port}"
    _, url = await simulate()
    for farm in ([url, inside], {"servers": [inside]}):
        message = (await started(url, {"shots": shots(1), "farm": farm})).message or ""
        assert "choose a saved farm (block:NAME), or leave the field empty" in message
    host = "nowhere.invalid"
    message = (await started(url, {"shots": shots(1), "farm": f"http://{host}:8188"})).message or ""
    assert (
        f"http://{host}:8188 is not among the operator's servers, and its address is not public or not kno" in message
    )
    assert f"or have the operator add {host} to the hosts of the block AllowedSources, or its network to" in message
    assert intranet.accepted == 0
    # One of a saved farm, and a list of the examples.
    simulator, second = await simulate()
    name = f"studio-{uuid4().hex[:8]}"
    await ComfyUIFarm(servers=[second]).save(name)
    assert (await started(url, {"shots": "examples/upstream.json", "farm": [second]})).is_completed()
    await ComfyUIFarm.adelete(name)
    assert simulator.started


async def test_a_nightly_run_whose_form_names_a_farm_makes_it_no_operators(intranet: Site) -> None:
    farm = f"http://127.0.0.1:{intranet.server_port}"
    async with get_client() as client:
        flow_id = await client.create_flow(nightly)
        deployment = await client.create_deployment(flow_id, f"test-{uuid4()}")
        night = await client.create_flow_run_from_deployment(deployment, parameters={"farm": farm})
    state = await started("http://render-01:8188", {"shots": shots(1), "farm": farm}, key=f"nightly {night.id} board")
    assert "is not among the operator's servers" in (state.message or "")
    assert intranet.accepted == 0


SECRETS: list[dict[str, Any]] = [
    {"shots": f"https://somebody:{PASSWORD}@files.example/list.json"},
    {"shots": json.dumps({"schema": READY, "shot_list": f"https://files.example/list.json?sig={PASSWORD}"})},
    {"shots": [{"prompt": "a", "references": [{"url": f"https://files.example/a.png?token={PASSWORD}"}]}]},
    # Prefect's own error about takes would show all parameters.
    {"workflow": f"somebody:{PASSWORD}@files.example/list.json", "takes": 0},
    {"farm": [f"http://render-01:8188?token={PASSWORD}"]},
    {"farm": {"servers": ["render-01"], "token": PASSWORD}},
    {"store": f"s3://AKID:{PASSWORD}@bucket/film"},
    {"store": {"bucket": [], "secret_access_key": PASSWORD}},
    {"webhook": f"https://hooks.example/{PASSWORD}"},
    {"webhook": {"url": f"https://somebody:{PASSWORD}@hooks.example/"}},
]


async def test_a_secret_in_a_parameter_is_refused_before_it_is_in_a_name_log_state_event_or_artifact(
    caplog: pytest.LogCaptureFixture, default_blocks: Path
) -> None:
    caplog.set_level(logging.INFO)
    states = [await started("http://render-01:8188", {"shots": shots(1)} | given) for given in SECRETS]
    runs = [state.state_details.flow_run_id for state in states]
    for state in states:
        assert state.is_failed()
        assert re.search("is refused|cannot be (used|read)", state.message or "")
    failures = EventFilter(
        any_resource=EventAnyResourceFilter(id=[f"prefect.flow-run.{run}" for run in runs]),
        event=EventNameFilter(name=["prefect.flow-run.Failed"]),
    )
    async with get_client() as client:
        kept: list[Any] = [await client.read_flow_run(run) for run in runs if run]
        found = await client.read_events(failures, limit=50)
        for _ in range(40):
            if found.total == len(runs):
                break
            await asyncio.sleep(0.25)
            found = await client.read_events(failures, limit=50)
    assert found.total == len(runs)
    kept += found.events
    kept += [await artifacts_of(run) for run in runs]
    assert PASSWORD not in str([(each.name, each.state) if isinstance(each, FlowRun) else each for each in kept])
    assert len(caplog.messages) >= len(runs)
    assert PASSWORD not in caplog.text
    assert await FolderStore(default_blocks).entries("") == {}


async def test_a_webhook_of_a_sender_gets_nothing_and_a_saved_one_gets_what_it_wants(
    simulate: Serve, intranet: Site
) -> None:
    _, url = await simulate()
    receiver = f"http://127.0.0.1:{intranet.server_port}/"
    state = await started(url, {"shots": [{}], "webhook": {"url": receiver}})
    assert "save it as a block" in (state.message or "")
    assert intranet.accepted == 0
    name = f"hook-{uuid4().hex[:8]}"
    identity = await Webhook(url=receiver, events=["board.ready"]).save(name)
    reference = {"$ref": {"block_document_id": str(identity)}}
    assert (await started(url, {"shots": shots(1), "webhook": reference})).is_completed()
    assert intranet.accepted == 1


async def test_a_script_that_a_form_names_is_a_senders(intranet: Site) -> None:
    inside = f"http://127.0.0.1:{intranet.server_port}/list"
    assert is_refused(await started("", {"script": inside}, flow=script_to_shots), intranet)
    assert "folders that the operator allows" in str(
        (await started("", {"script": "/etc/hostname"}, flow=script_to_shots)).message
    )
    assert (await started("", {"script": "examples/harbour.fountain"}, flow=script_to_shots)).is_completed()


async def test_a_run_without_a_deployment_is_the_operators(simulate: Serve, intranet: Site, tmp_path: Path) -> None:
    _, url = await simulate()
    state: State[Any] = await storyboard(
        f"http://127.0.0.1:{intranet.server_port}/list",
        workflow=SETTINGS,
        farm=[url],
        store=str(tmp_path),
        return_state=True,
    )
    assert state.is_completed(), state.message
