"""Review: ask a person which takes are chosen and which shots are to be made again, with Prefect's own form."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
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
from previs.errors import ShotListFaults
from previs.ingest.load import RunInputs
from previs.publishing.review import ReviewAnswer, revised
from previs.publishing.views import FOR_FORM, contact_sheet
from previs.publishing.views.wording import cell
from previs.records.manifest import Manifest
from previs.rendering.context import RunContext
from previs.store import Store, keys
from tasks.artifacts import link_to_board
from tasks.publish import Board
from tasks.retries import step

_LOOK_EVERY: Final = 2
_SPARE_SECONDS: Final = 600
_SHEET_BYTES: Final = 400_000


async def ask_for_review(board: Board, given: RunInputs, minutes: float, refused: str = "") -> ReviewAnswer:
    """Pause the run until somebody answers the form, or for so many minutes; no answer says nothing.

    An answer that cannot be followed is told in the log, and asked for again in the time that is left.

    Args:
        board: of the run, as it is published.
        given: what the run was made from.
        minutes: to wait.
        refused: why what was asked for last could not be made, if so; the form says it.
    """
    logger, loop = get_run_logger(), asyncio.get_running_loop()
    until = loop.time() + 60 * minutes
    if refused:
        logger.warning("what was asked for could not be made: %s", refused)
    form = _form(board.manifest, board.place.link, refused)
    while (left := until - loop.time()) > 0:
        logger.info("waiting for a review, up to %g minutes: Resume, on this run's page", round(left / 60, 1))
        try:
            filled_in = await _filled_in(form, left)
            if filled_in is not None:
                answer = _review_answer(filled_in)
                revised(given.shot_list, answer, board.manifest)
                return answer
        except (FlowPauseTimeout, TimeoutError):
            break
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            logger.warning("the answer cannot be followed: %s", problems)
        except ShotListFaults as error:
            logger.warning("the answer cannot be followed: %s", error)
    return ReviewAnswer()


async def _filled_in(form: type[RunInput], seconds: float) -> RunInput | None:
    """The form, filled in; none if the question could not be put.

    A server that is away for longer than Prefect's client has patience ends nothing: it is asked on and on.
    """
    # A run that is started again must not find that this question was put already.
    key, run = uuid4().hex, UUID(flow_run.id)
    async with _going_on_after(seconds):
        # Prefect fails a run whose pause is over its time; this one goes on by itself before.
        spared = int(seconds) + _SPARE_SECONDS
        with contextlib.suppress(httpx.HTTPError):
            return await apause_flow_run(form, timeout=spared, poll_interval=_LOOK_EVERY, key=key)
        get_run_logger().warning("Prefect's server does not answer; the run goes on waiting for its review")
        async with asyncio.timeout(spared):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    return await _once_resumed(form, run, keyset_from_base_key(f"paused-{key}"))
                await asyncio.sleep(_LOOK_EVERY)


async def _once_resumed(form: type[RunInput], run: UUID, keyset: Keyset) -> RunInput | None:
    async with get_client() as client:
        while (state := (await client.read_flow_run(run)).state) is not None and state.is_paused():
            # The server may have gone between the pause and the form, without which nobody can answer; it takes one.
            with contextlib.suppress(PrefectHTTPStatusError):
                await form.asave(keyset, run)
            await asyncio.sleep(_LOOK_EVERY)
        try:
            await client.read_flow_run_input(run, keyset["schema"])
        except PrefectHTTPStatusError:
            return None
    return await form.aload(keyset, run)


@contextlib.asynccontextmanager
async def _going_on_after(seconds: float) -> AsyncIterator[None]:
    """Resume the run with an empty answer after a time, if it is paused still."""
    resuming = asyncio.create_task(_resume_after(seconds, UUID(flow_run.id)))
    try:
        yield
    finally:
        resuming.cancel()


async def _resume_after(seconds: float, run: UUID) -> None:
    """Resume it until Prefect has done so; whoever waits for that cancels this."""
    await asyncio.sleep(seconds)
    get_run_logger().info("nobody has answered: the run goes on with the takes as they are")
    resumed = False
    while not resumed:
        with contextlib.suppress(httpx.HTTPError):
            async with get_client() as client:
                resumed = (await client.resume_flow_run(run, {})).status is SetStateStatus.ACCEPT
        await asyncio.sleep(_LOOK_EVERY)


def _form(manifest: Manifest, link: str, refused: str) -> type[RunInput]:
    """The form for a board's shots, with their takes above it, and above these why the last answer led to nothing."""
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
        prompt=(str, Field(default="", title="New prompt", description="Empty: one more take with the same prompt.")),
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
    form._description = _description(manifest, link, refused)  # noqa: SLF001 - with_initial_data would drop what fields say
    return form


def _description(manifest: Manifest, link: str, refused: str) -> str:
    told = f"**What you asked for could not be made:** {cell(refused, 1000)}\n\n" if refused else ""
    note = "To go on with the takes as they are, submit the empty form."
    sheet = contact_sheet(
        manifest, picture=lambda frame: frame.thumbnail, note=note, budget=_SHEET_BYTES, layout=FOR_FORM
    )
    return f"{told}{link_to_board(link)}\n\n{sheet}"


def _review_answer(filled_in: Any) -> ReviewAnswer:  # noqa: ANN401 - a form that is made for each run
    chosen = {each.shot: each.take for each in filled_in.chosen}
    return ReviewAnswer(chosen, {each.shot: each.prompt.strip() for each in filled_in.again})


@step("take verdict in", retries=5)
async def apply_review(answer: ReviewAnswer, given: RunInputs, board: Board, context: RunContext) -> RunInputs:
    """Circle the chosen takes, and have the run go on with the list as it was revised, which is kept beside the board.

    Args:
        answer: that somebody gave.
        given: what the run was made from.
        board: of the run, as it is published.
        context: of the rest of the run.
    """
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
    shot_list = revised(given.shot_list, answer, manifest)
    if answer.again:
        place = await _keep(shot_list.model_dump(mode="json", exclude_unset=True), manifest, context.store)
        logger.info("made again: %s; the list as it is now: %s", ", ".join(answer.again), place)
    return replace(given, shot_list=shot_list)


async def _keep(shot_list: dict[str, Any], manifest: Manifest, store: Store) -> str:
    key = keys.run_key(manifest.board, manifest.run, "shots.json")
    await store.put(key, json.dumps(shot_list, ensure_ascii=False, indent=2).encode(), media_type="application/json")
    return store.uri(key)
