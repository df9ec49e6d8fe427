"""Run deployments with parameters of senders and of the operator: only the operator's reach what is not public."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_engine import run_flow_async

from blocks import AllowedSources, FolderFrameStore, Webhook
from flows.script_to_shots import script_to_shots
from flows.storyboard import storyboard
from previs.ingest.reader import ONE_ANSWER
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, shots
from tests.previs.ingest.test_access import Site, serving

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
SECRET = "password of the intranet"  # noqa: S105 - opens nothing
READY = "previs.shot-list-ready/1"


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
    async with get_client() as client:
        flow_id = await client.create_flow(flow)
        deployment = await client.create_deployment(flow_id, f"test-{uuid4()}", parameters=fixed | (own or {}))
        run = await client.create_flow_run_from_deployment(deployment, parameters=given, idempotency_key=key)
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


async def test_what_a_form_names_is_a_senders_and_what_the_deployment_has_is_the_operators(
    simulate: Serve, intranet: Site
) -> None:
    _, url = await simulate()
    inside = f"http://127.0.0.1:{intranet.server_port}/list"
    assert is_refused(await started(url, {"shots": inside}), intranet)
    assert is_refused(await started(url, {"shots": inside}, key=f"nightly {uuid4()} board"), intranet)
    folded = await started(url, {"shots": shots(1), "more": {"workflow": inside}}, own={"workflow": None})
    assert is_refused(folded, intranet)
    assert (await started(url, {}, own={"shots": inside})).is_completed()
    assert (await started(url, {"shots": inside}, own={"shots": inside})).is_completed()
    assert intranet.accepted == 2


@pytest.mark.usefixtures("allowing")
async def test_the_block_allows_hosts_and_trusts_what_forms_name_if_the_operator_says_so(
    simulate: Serve, intranet: Site
) -> None:
    _, url = await simulate()
    inside = f"http://127.0.0.1:{intranet.server_port}/list"
    await AllowedSources(trust_run_parameters=True).save("default", overwrite=True)
    assert is_refused(await started(url, {"shots": inside}, key=f"automation {uuid4()}"), intranet)
    assert (await started(url, {"shots": inside})).is_completed()
    await AllowedSources(networks=["127.0.0.1"]).save("default", overwrite=True)
    assert (await started(url, {"shots": inside}, key=f"automation {uuid4()}")).is_completed()


async def test_a_senders_path_is_read_from_the_operators_store_and_the_examples_alone(
    simulate: Serve, tmp_path: Path, default_blocks: Path
) -> None:
    _, url = await simulate()
    for folder in (default_blocks / "lists", tmp_path / "other"):
        folder.mkdir(parents=True)
        (folder / "list.json").write_text(json.dumps(shots(1)))
    assert (await started(url, {"shots": str(default_blocks / "lists" / "list.json")})).is_completed()
    assert (await started(url, {"shots": "examples/upstream.json"})).is_completed()
    for given in (
        {"shots": str(tmp_path / "other" / "list.json")},
        # A store that a sender chooses allows nothing.
        {"shots": str(tmp_path / "other" / "list.json"), "store": str(tmp_path / "other")},
        {"shots": "/etc/passwd"},
    ):
        state = await started(url, given)
        assert "folders that the operator allows" in (state.message or "")
    own = {"store": str(tmp_path / "other")}
    assert (await started(url, {"shots": str(tmp_path / "other" / "list.json")}, own=own)).is_completed()


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
