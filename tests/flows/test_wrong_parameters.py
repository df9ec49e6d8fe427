"""Start runs with parameters that do not fit: each fails with a report, and no traceback is logged."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import run_flow
from prefect.utilities.callables import parameter_schema
from pydantic import SecretStr

from blocks import ComfyUIFarm, FolderFrameStore
from flows.lost_runs import lost_runs
from flows.nightly import nightly
from flows.script_to_shots import script_to_shots
from flows.storyboard import storyboard
from previs.errors import FixTheInput

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
READY = "previs.shot-list-ready/1"
LIST = "examples/upstream.json"
SECRET = "token-that-nobody-sees"  # noqa: S105 - opens nothing

WRONG: list[tuple[Flow[..., Any], dict[str, Any], list[str]]] = [
    (storyboard, {}, ["shots: missing, and the flow needs it: Path or URL of a file that every worker can read (JSON"]),
    (script_to_shots, {}, ["script: missing, and the flow needs it: Text of a screenplay in Fountain"]),
    (
        storyboard,
        {"shotz": LIST, "Max-Age-Day": 3, "resolution": 4, "only": ["A"], "more": {"only": ["B"], "overides": {}}},
        [
            "shots: missing",
            "shotz: not a parameter: did you mean shots?",
            "Max-Age-Day: not a parameter: did you mean max_age_days?",
            "resolution: not a parameter: remove it; the parameters are shots,",
            "only: given twice, here and in more: keep one",
            "overides: not a parameter: did you mean overrides?",
        ],
    ),
    (
        storyboard,
        {
            "shots": LIST,
            "takes": "many",
            "max_age_days": -1,
            "refresh": 5.5,
            "overrides": f"https://me:{SECRET}@a.example/",
        },
        [
            'takes: "many": give a whole number, at least 1, at most 100',
            "max_age_days: -1: give a number, at least 0",
            "refresh: 5.5: give true or false, or a list",
            "overrides: give an object",
        ],
    ),
    (
        storyboard,
        {"shots": LIST, "farm": {"servers": [], "token": SECRET}},
        ["the farm cannot be used: List should have at least 1 item"],
    ),
    (
        storyboard,
        {"shots": LIST, "webhook": f"https://hooks.example/{SECRET}"},
        ["save it as a block, and choose that block"],
    ),
    (
        storyboard,
        {"shots": LIST, "store": {"$ref": {"block_document_id": str(uuid4())}}},
        ["store: the saved block is gone or cannot be read: choose another, or save it again"],
    ),
    (nightly, {"boards": ["a"]}, ["boards: not a parameter: remove it; the parameters are store, farm, max_age_days"]),
    (lost_runs, {"watch_seconds": 1e9}, ["watch_seconds: 1000000000.0: give a number, above 0, at most 1800"]),
    # What an automation makes of an event, and lists that are none.
    (storyboard, {"shots": json.dumps({"schema": READY})}, ["the payload, shot_list: missing; give the list itself"]),
    (
        storyboard,
        {"shots": json.dumps({"schema": READY, "shot_lst": LIST})},
        ["the payload, shot_lst: did you mean shot_list?"],
    ),
    (storyboard, {"shots": 5}, ["the list: 5: a list of shots, or an object with shots, is needed"]),
    (
        storyboard,
        {"shots": LIST, "farm": "http://127.0.0.1:9", "overrides": {"sampler.step": 3}},
        ['override sampler.step: node sampler (KSampler) has no such input: did you mean "sampler.steps"'],
    ),
]


@pytest.fixture
async def default_store(tmp_path: Path, prefect_api: str) -> AsyncIterator[None]:
    assert prefect_api
    await FolderFrameStore(folder=str(tmp_path / "store")).save("default", overwrite=True)
    yield
    await FolderFrameStore.adelete("default")


async def ended(flow: Flow[..., Any], parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> State[Any]:
    """Run a flow as a worker's process does, which gets the id of a run and binds its parameters."""
    async with get_client() as client:
        run = await client.create_flow_run(flow, parameters=parameters)
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(run.id))
        logger = logging.getLogger("prefect.engine")
        state: State[Any] = await run_flow(flow, flow_run=run, return_type="state", error_logger=logger)  # type: ignore[misc]
        known = (await client.read_flow_run(run.id)).state
    assert known is not None
    assert (known.name, known.message) == ("Failed", state.message)
    return state


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Hold what Prefect's loggers write."""
    loggers = [logging.getLogger(name) for name in ("prefect", "prefect.flow_runs", "prefect.task_runs")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    yield caplog
    for logger in loggers:
        logger.removeHandler(caplog.handler)


@pytest.mark.usefixtures("default_store")
@pytest.mark.parametrize(("flow", "parameters", "sentences"), WRONG)
async def test_a_run_with_wrong_parameters_fails_with_a_report_and_without_a_traceback(
    flow: Flow[..., Any],
    parameters: dict[str, Any],
    sentences: list[str],
    monkeypatch: pytest.MonkeyPatch,
    logged: pytest.LogCaptureFixture,
) -> None:
    state = await ended(flow, parameters, monkeypatch)
    message = state.message or ""
    assert [sentence for sentence in sentences if sentence not in message] == []
    assert isinstance(await state.aresult(raise_on_failure=False), FixTheInput)
    assert SECRET not in message + logged.text
    assert "Finished in state Failed" in logged.text
    assert "Traceback" not in logged.text
    assert not [record for record in logged.records if record.exc_info]


@pytest.mark.usefixtures("default_store")
async def test_parameters_of_the_form_reach_the_flow_and_a_saved_block_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = f"farm-{uuid4().hex[:8]}"
    identity = await ComfyUIFarm(servers=["http://127.0.0.1:9"], token=SecretStr(SECRET)).save(name)
    settings = tmp_path / "settings.json"
    settings.write_text('{"checkpoint": "m.safetensors", "stps": 3}')
    given = {
        "shots": LIST,
        "farm": {"$ref": {"block_document_id": str(identity)}},
        "more": {"workflow": str(settings), "refresh": False, "only": None},
    }
    state = await ended(storyboard, given, monkeypatch)
    assert "stps" in (state.message or "")
    await ComfyUIFarm.adelete(name)


async def test_prefects_own_refusal_names_the_field_if_somebody_turns_validation_on(prefect_api: str) -> None:
    assert prefect_api
    schema = parameter_schema(storyboard).model_dump_for_openapi()
    async with get_client() as client:
        deployment = await client.create_deployment(
            await client.create_flow(storyboard),
            f"test-{uuid4()}",
            parameter_openapi_schema=schema,
            enforce_parameter_schema=True,
        )
        for wrong, named in (({}, "'shots'"), ({"shots": LIST, "takes": "many"}, "'takes'")):
            with pytest.raises(PrefectHTTPStatusError) as refused:
                await client.create_flow_run_from_deployment(deployment, parameters=wrong)
            assert refused.value.response.status_code == 409
            assert named in refused.value.response.json()["detail"]
        # What the form sends if nothing but the list is filled in.
        form = {"shots": LIST, "board": "", "takes": 1, "more": None}
        await client.create_flow_run_from_deployment(deployment, parameters=form)
        await client.create_flow_run_from_deployment(deployment, parameters=form | {"more": {"refresh": False}})
