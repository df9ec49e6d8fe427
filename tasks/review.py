"""Ask a person in Prefect's form which takes are picked and which shots to render again, and apply the answer."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import count
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import FlowPauseTimeout, PrefectHTTPStatusError
from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from prefect.input.run_input import Keyset, keyset_from_base_key
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import Field, ValidationError, create_model

from previs.boards.picks import select
from previs.errors import PrevisError, ShotListFaults
from previs.ingest.load import RunInputs
from previs.publishing.review import ReviewAnswer, revised
from previs.publishing.views import FOR_FORM, contact_sheet
from previs.publishing.views.timecode import spell
from previs.publishing.views.wording import cell
from previs.records.manifest import Manifest
from previs.rendering.context import RunContext
from previs.store import Store, keys
from tasks.artifacts import link_to_board
from tasks.passing import as_is
from tasks.publish import Board
from tasks.retries import step
from tasks.status import sending_status

_POLL_EVERY: Final = 2
_SPARE_SECONDS: Final = 600
_SHEET_BYTES: Final = 400_000


async def review(
    board: Board,
    inputs: RunInputs,
    minutes: float,
    open_again: Callable[..., AbstractAsyncContextManager[RunContext]],
    render: Callable[[RunInputs, RunContext], Awaitable[Board]],
) -> Board:
    """Pause for review, re-render what was requested, and repeat until nothing is; if that fails, ask again.

    Args:
        board: Published board of the run.
        inputs: Inputs of the run.
        minutes: Minutes to wait for each answer.
        open_again: Opens the run's next context, by its number.
        render: Renders the revised inputs and publishes them.
    """
    failure = ""
    for number in count(2):
        answer = await _ask(board, inputs, minutes, failure)
        if not answer and not failure:
            break
        try:
            async with open_again(number=number) as context:
                revised_inputs = await apply_review(answer, as_is(inputs), as_is(board), as_is(context))
                board = await render(revised_inputs, context)
        except PrevisError as error:
            if not answer:
                break
            failure = str(error)
        else:
            inputs, failure = revised_inputs, ""
            if not answer.again:
                break
    return board


async def _ask(board: Board, inputs: RunInputs, minutes: float, failure: str) -> ReviewAnswer:
    """Pause the run until the form is answered or the minutes are over; then the answer is empty.

    An answer that cannot be applied is logged, and the form is shown again for the remaining time.

    Args:
        board: Published board of the run.
        inputs: Inputs of the run.
        minutes: Minutes to wait.
        failure: Why the last answer could not be carried out, for the form; empty if it was.
    """
    logger, loop = get_run_logger(), asyncio.get_running_loop()
    until = loop.time() + 60 * minutes
    if failure:
        logger.warning("the last review could not be carried out: %s", failure)
    form = _form(board.manifest, board.published.link, failure)
    while (left := until - loop.time()) > 0:
        logger.info("waiting up to %g minutes for a review: press Resume on this run's page", round(left / 60, 1))
        try:
            async with sending_status(board.manifest.board, "review.waiting", lambda: _waits(until - loop.time())):
                submitted = await _submitted(form, left)
            if submitted is not None:
                answer = _review_answer(submitted)
                await asyncio.to_thread(revised, inputs.shot_list, answer, board.manifest)
                return answer
        except (FlowPauseTimeout, TimeoutError):
            break
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            logger.warning("the review cannot be applied: %s", problems)
        except ShotListFaults as error:
            logger.warning("the review cannot be applied: %s", error)
    return ReviewAnswer()


def _waits(left: float) -> str:
    return f"waits for a review: press Resume on the run's page · {spell(60 * round(left / 60) or left)} left"


async def _submitted(form: type[RunInput], seconds: float) -> RunInput | None:
    """Return the submitted form, or None if it could not be shown.

    If Prefect's server is away for longer than its client retries, the server is polled until it is back.
    """
    # A new key for each pause: Prefect skips a pause whose key a restarted run has used before.
    key, run = uuid4().hex, UUID(flow_run.id)
    async with _resuming_after(seconds):
        # Prefect fails a run whose pause times out; this one resumes itself before.
        timeout = int(seconds) + _SPARE_SECONDS
        with contextlib.suppress(httpx.HTTPError):
            return await apause_flow_run(form, timeout=timeout, poll_interval=_POLL_EVERY, key=key)
        get_run_logger().warning("Prefect's server does not answer; the run keeps waiting for its review")
        async with asyncio.timeout(timeout):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    return await _once_resumed(form, run, keyset_from_base_key(f"paused-{key}"))
                await asyncio.sleep(_POLL_EVERY)


async def _once_resumed(form: type[RunInput], run: UUID, keyset: Keyset) -> RunInput | None:
    async with get_client() as client:
        while (state := (await client.read_flow_run(run)).state) is not None and state.is_paused():
            # The server may have gone down between the pause and the form. It accepts each form once.
            with contextlib.suppress(PrefectHTTPStatusError):
                await form.asave(keyset, run)
            await asyncio.sleep(_POLL_EVERY)
        try:
            await client.read_flow_run_input(run, keyset["schema"])
        except PrefectHTTPStatusError:
            return None
    return await form.aload(keyset, run)


@contextlib.asynccontextmanager
async def _resuming_after(seconds: float) -> AsyncIterator[None]:
    """Resume the run with an empty answer after ``seconds``, unless the context ends before."""
    resuming = asyncio.create_task(_resume_after(seconds, UUID(flow_run.id)))
    try:
        yield
    finally:
        resuming.cancel()


async def _resume_after(seconds: float, run: UUID) -> None:
    """Resume a run after ``seconds``, and retry until Prefect accepts it; then wait to be cancelled."""
    await asyncio.sleep(seconds)
    get_run_logger().info("no review was submitted: the run continues with the takes as they are")
    resumed = False
    while not resumed:
        with contextlib.suppress(httpx.HTTPError):
            async with get_client() as client:
                resumed = (await client.resume_flow_run(run, {})).status is SetStateStatus.ACCEPT
        await asyncio.sleep(_POLL_EVERY)


def _form(manifest: Manifest, link: str, failure: str) -> type[RunInput]:
    """Return the form for a board's shots, with its takes and the failure of the last answer in its description."""
    shots: Any = Literal[tuple(str(shot.shot_id) for shot in manifest.shots)]
    takes = max((take.take for shot in manifest.shots for take in shot.takes), default=1)
    chosen = create_model(
        "ChosenTake",
        shot=(shots, Field(title="Shot")),
        take=(int, Field(title="Take", ge=1, le=takes)),
    )
    again = create_model(
        "Again",
        shot=(shots, Field(title="Shot")),
        prompt=(
            str,
            Field(
                default="",
                title="New prompt",
                description="Replaces the shot's own prompt; its looks are added. Empty: one more take with it.",
            ),
        ),
    )
    form = create_model(
        "Review",
        __base__=RunInput,
        chosen=(
            list[chosen],
            Field(default=[], title="Chosen takes", description="Shots without a choice stay as they are."),
        ),
        again=(
            list[again],
            Field(default=[], title="Shots to make again", description="You are asked once more when they are made."),
        ),
    )
    form._description = _description(manifest, link, failure)  # noqa: SLF001 - with_initial_data would drop the descriptions of fields
    return form


def _description(manifest: Manifest, link: str, failure: str) -> str:
    head = f"**What you asked for could not be made:** {cell(failure, 1000)}\n\n" if failure else ""
    note = "To continue with the takes as they are, submit the empty form."
    sheet = contact_sheet(
        manifest, picture=lambda frame: frame.thumbnail, note=note, budget=_SHEET_BYTES, layout=FOR_FORM
    )
    return f"{head}{link_to_board(link)}\n\n{sheet}"


def _review_answer(submitted: Any) -> ReviewAnswer:  # noqa: ANN401 - each run has its own class of form
    chosen = {each.shot: each.take for each in submitted.chosen}
    return ReviewAnswer(chosen, {each.shot: each.prompt.strip() for each in submitted.again})


@step("apply review", retries=5)
async def apply_review(answer: ReviewAnswer, inputs: RunInputs, board: Board, context: RunContext) -> RunInputs:
    """Pick the chosen takes, store the revised list beside the board, and return the inputs with that list."""
    logger, manifest = get_run_logger(), board.manifest
    await context.store.check()
    await context.leases.start()
    for entry in manifest.shots:
        number = answer.chosen.get(str(entry.shot_id))
        take = next((take for take in entry.takes if take.take == number and take.frames), None)
        if take is not None:
            await select(context.store, manifest.board, entry, take)
            logger.info("take %d of %s is picked", take.take, entry.shot_id)
        elif number is not None:
            logger.warning("take %d of %s has no frame and is not picked", number, entry.shot_id)
    shot_list = await asyncio.to_thread(revised, inputs.shot_list, answer, manifest)
    if answer.again:
        uri = await _store(shot_list.model_dump(mode="json", exclude_unset=True), manifest, context.store)
        logger.info("rendered again: %s; revised list: %s", ", ".join(answer.again), uri)
    return replace(inputs, shot_list=shot_list)


async def _store(shot_list: dict[str, Any], manifest: Manifest, store: Store) -> str:
    key = keys.run_key(manifest.board, manifest.run, "shots.json")
    await store.put(key, json.dumps(shot_list, ensure_ascii=False, indent=2).encode(), media_type="application/json")
    return store.uri(key)
