"""Read the boards that are rendered each night, start a run for each, and show the starts."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prefect.artifacts import acreate_table_artifact
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.utilities.urls import url_for
from pydantic_core import PydanticSerializationError

from blocks import ComfyUIFarm
from blocks.asking import prefect_client, refusal
from blocks.aws import S3BucketStore
from blocks.stores import StoreBlock
from previs.boards.nightly import NightlyBoard, name_of, nightly_boards
from previs.errors import FarmRefused, PrevisError, RecordUnreadable, SourceNotFound, StoreRefused
from previs.publishing.views.addresses import markdown_link
from previs.publishing.views.wording import cell, plural
from previs.store import Store, keys
from previs.store.addresses import shown
from previs.text.visible import visible
from tasks.artifacts import log_failures
from tasks.naming import step_name
from tasks.passing import unevaluated
from tasks.retries import step
from tasks.starter import night_key

DEPLOYMENT: Final = "storyboard/by-schedule"
_TAG: Final = "nightly"
_OF_PEOPLE: Final = ("workflow", "overrides", "render_seconds")
_NOT_SAVED: Final = "its block is not saved in Prefect, so the boards' runs cannot load it"


@dataclass(frozen=True, slots=True)
class Start:
    """Hold the outcome of starting a board's run.

    Attributes:
        board: Name of the board, taken from its key if the entry cannot be read.
        shots: Path or URL of the shot list.
        run: Run that was started; None if that failed.
        error: Sentence that says why it failed; empty if it did not.
    """

    board: str
    shots: str = ""
    run: FlowRun | None = None
    error: str = ""


@step("read boards")
async def read_boards(store: Store) -> dict[str, NightlyBoard | RecordUnreadable]:
    """Return the nightly boards by their keys; a board that cannot be read has its error."""
    found = await nightly_boards(store)
    get_run_logger().info("%s: %s", store.uri(keys.NIGHTLY), plural(len(found), "board"))
    return found


def shared_parameters(
    farm: ComfyUIFarm | list[str] | str | None,
    store: StoreBlock | str | None,
    max_age_days: float | None,
) -> dict[str, Any]:
    """Return the nightly run's own parameters for the boards' runs; those that are None stay the deployment's.

    A block is passed as a reference, because Prefect shows a run's parameters to everyone.

    Raises:
        FarmRefused: The farm's block is not saved.
        StoreRefused: The store's block is not saved.
    """
    shared: dict[str, Any] = {"farm": farm, "store": store, "max_age_days": max_age_days}
    if isinstance(farm, ComfyUIFarm):
        shared["farm"] = _reference(farm, FarmRefused(_NOT_SAVED))
    if store is not None and not isinstance(store, str):
        block = store.block if isinstance(store, S3BucketStore) else store
        shared["store"] = _reference(block, StoreRefused("the store", _NOT_SAVED))
    return {name: value for name, value in shared.items() if value is not None}


def _reference(block: Block, refusal: FarmRefused | StoreRefused) -> dict[str, Any]:
    try:
        return block.model_dump(mode="json", context={"serialize_blocks_as_references": True})
    except PydanticSerializationError as error:
        raise refusal from error


async def start_boards(found: Mapping[str, NightlyBoard | RecordUnreadable], shared: Mapping[str, Any]) -> list[Start]:
    """Start a run for each board, all at once; a failed start does not affect the others."""
    return list(await asyncio.gather(*(_start(n, *each, shared) for n, each in enumerate(found.items(), 1))))


async def _start(number: int, key: str, entry: NightlyBoard | RecordUnreadable, shared: Mapping[str, Any]) -> Start:
    if isinstance(entry, RecordUnreadable):
        return Start(name_of((key, entry)), error=str(entry))
    name = step_name(entry.board, "board", number)
    # Prefect's types do not say that the call of an async task must be awaited if its state is requested.
    state: State[FlowRun] = await start_board(name, entry, shared, return_state=True)  # type: ignore[misc]
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, FlowRun):
        return Start(entry.board, entry.shots, run=result)
    error = str(result) if isinstance(result, PrevisError) else visible(f"{type(result).__name__}: {result}")
    return Start(entry.board, entry.shots, error=error)


@step("start board", run_name="{name}")
async def start_board(name: str, entry: NightlyBoard, shared: Mapping[str, Any]) -> FlowRun:  # noqa: ARG001 - the run's name
    """Start the run of a board, or return the run that this nightly run has started already.

    Raises:
        SourceNotFound: Prefect does not have the deployment.
        RecordUnreadable: Prefect refuses a run with these parameters.
        PrefectUnavailable: Prefect's server does not answer, or returns an error.
    """
    try:
        return await _create(entry, shared, night_key(keys.part(entry.board)))
    except ObjectNotFound as error:
        raise SourceNotFound(f"deployment {DEPLOYMENT}", "Prefect does not have it: run previs deploy") from error
    except PrefectHTTPStatusError as error:
        reason = f"Prefect refuses a run with it ({refusal(error)})"
        raise RecordUnreadable(keys.nightly_key(entry.board), reason) from error


async def _create(entry: NightlyBoard, shared: Mapping[str, Any], idempotency_key: str) -> FlowRun:
    """Create the run; if a run has this key already, Prefect returns that one."""
    async with prefect_client() as client:
        deployment = await client.read_deployment_by_name(DEPLOYMENT)
        return await client.create_flow_run_from_deployment(
            deployment.id,
            parameters=_parameters(entry, shared),
            name=visible(f"{entry.board} · nightly"),
            tags=[_TAG],
            idempotency_key=idempotency_key,
        )


def _parameters(entry: NightlyBoard, shared: Mapping[str, Any]) -> dict[str, Any]:
    own = parameters_of(entry)
    return own | {name: unevaluated(own[name]) for name in _OF_PEOPLE if name in own} | dict(shared)


def parameters_of(entry: NightlyBoard) -> dict[str, Any]:
    """Return the parameters of a board's runs; those that the entry leaves out are the deployment's."""
    optional = {
        "workflow": entry.workflow,
        "overrides": entry.overrides or None,
        "render_seconds": entry.render_seconds,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return {"shots": entry.shots, "board": entry.board, "takes": entry.takes} | given


def summary(starts: Sequence[Start]) -> str:
    """Return the outcome of a night: a sentence, and a line for each board that could not be started."""
    failed = [start for start in starts if start.error]
    if not failed:
        return f"{plural(len(starts), 'board')} started"
    head = f"{len(failed)} of {plural(len(starts), 'board')} could not be started"
    return "\n".join([head, *(f"{visible(start.board)}: {start.error}" for start in failed)])


async def show_starts(starts: Sequence[Start]) -> None:
    """Create the night's artifact: a table of its boards."""
    rows = [
        {
            "board": cell(start.board),
            "run": cell(start.run.name) if start.run else "",
            "link": markdown_link("open", url_for("flow-run", obj_id=start.run.id)) if start.run else "",
            "shots": cell(shown(start.shots)) if start.shots else "",
            "error": cell(start.error, 1000),
        }
        for start in starts
    ]
    with log_failures():
        await acreate_table_artifact(rows, key="nightly", description=cell(summary(starts).partition("\n")[0]))
