"""Give boards schedules of their own: in Prefect, with parameters, on the deployment that renders nightly boards.

``previs deploy`` keeps them, because Prefect's command leaves the schedules of a deployment alone if prefect.yaml has
none for it.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from pydantic import ValidationError

from blocks.asking import prefect_client, refusal, use_running_server
from previs.boards.nightly import NightlyBoard
from previs.errors import FixTheInput, PrevisError, ScheduleRefused, SourceNotFound
from previs.publishing.views.wording import plural
from previs.store import keys
from previs.text.logs import show_logs_visibly
from previs.text.visible import visible
from tasks.nightly import DEPLOYMENT, parameters_of

UTC: Final = "Etc/UTC"
_FIELDS: Final = 5
_DONE, _FAILED, _BAD_INPUT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ScheduledBoard:
    """Describe a board with a schedule of its own, as the command lists it.

    Attributes:
        board: Name of the board; of a schedule without one, its slug, or else the path or URL of its list.
        when: Cron line, or Prefect's other kinds of schedules in words.
        active: Whether schedule and deployment are switched on.
        updated: When it was added or last changed.
    """

    board: str
    shots: Any
    workflow: Any
    takes: Any
    when: str
    timezone: str
    active: bool
    updated: str


def checked_cron(what: str, cron: str, timezone: str | None) -> CronSchedule:
    """Return a schedule.

    Args:
        what: What is scheduled, for the error.
        cron: Cron line.
        timezone: Time zone; None for UTC.

    Raises:
        ScheduleRefused: The cron line or the time zone cannot be used.
    """
    if not cron.startswith("@") and len(cron.split()) != _FIELDS:
        # Prefect would read a sixth field as seconds.
        remedy = 'it needs five: minute, hour, day, month and weekday, as in "0 3 * * 1-5"'
        raise ScheduleRefused(what, f"cron: {cron!r} has {plural(len(cron.split()), 'field')}: {remedy}")
    try:
        return CronSchedule(cron=cron, timezone=timezone or UTC)
    except ValidationError as error:
        reasons = "; ".join(f"{each['loc'][0]}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors())
        raise ScheduleRefused(what, reasons) from error


async def add(client: PrefectClient, entry: NightlyBoard, store: str | None, schedule: CronSchedule) -> dict[str, Any]:
    """Give a board a schedule, or replace the one that it has; return what was done.

    Args:
        client: Client of Prefect's server.
        entry: The board.
        store: Store of its runs; None for the deployment's.
        schedule: When they start.
    """
    deployment = await client.read_deployment_by_name(DEPLOYMENT)
    parameters = parameters_of(entry) | ({} if store is None else {"store": store})
    before = [each for each in deployment.schedules if _is_of(each, entry.board)]
    slug = visible(keys.part(entry.board))
    if before:
        # Deleting it would also delete the runs of other boards that wait for their turn.
        await client.update_deployment_schedule(
            deployment.id, before[0].id, active=True, schedule=schedule, parameters=parameters, slug=slug
        )
    else:
        new = DeploymentScheduleCreate(schedule=schedule, parameters=parameters, slug=slug)
        await client.create_deployment_schedules(deployment.id, [new])
    return {"replaced": [asdict(_described(each, deployment)) for each in before[:1]], "paused": deployment.paused}


async def scheduled(client: PrefectClient) -> list[ScheduledBoard]:
    """Return the boards that have a schedule, by name; none if nothing is deployed."""
    try:
        deployment = await client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        return []
    return sorted((_described(each, deployment) for each in deployment.schedules), key=lambda each: each.board)


async def remove(client: PrefectClient, board: str) -> list[ScheduledBoard]:
    """Remove the schedules of a board, and return them."""
    try:
        deployment = await client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        return []
    found = [each for each in deployment.schedules if _is_of(each, board)]
    for each in found:
        await client.delete_deployment_schedule(deployment.id, each.id)
    return [_described(each, deployment) for each in found]


def _is_of(schedule: DeploymentSchedule, board: str) -> bool:
    return board in {schedule.parameters.get("board"), schedule.slug} or schedule.slug == keys.part(board)


def _described(schedule: DeploymentSchedule, deployment: DeploymentResponse) -> ScheduledBoard:
    given, when = deployment.parameters | schedule.parameters, schedule.schedule
    return ScheduledBoard(
        board=str(given.get("board") or schedule.slug or given.get("shots", "")),
        shots=given.get("shots"),
        workflow=schedule.parameters.get("workflow"),
        takes=given.get("takes", 1),
        when=_words(when),
        timezone=getattr(when, "timezone", None) or UTC,
        active=schedule.active and not deployment.paused,
        updated=schedule.updated.isoformat() if schedule.updated else "",
    )


def _words(schedule: Any) -> str:  # noqa: ANN401 - one of Prefect's three kinds
    if isinstance(schedule, CronSchedule):
        return schedule.cron
    return f"every {schedule.interval}" if isinstance(schedule, IntervalSchedule) else schedule.rrule


def answer(line: str) -> int:
    """Do what a line of JSON orders, write the answer as a line of JSON, and return the exit code."""
    show_logs_visibly()
    try:
        use_running_server()
        content = asyncio.run(answered(json.loads(line)))
    except PrevisError as error:
        sys.stderr.write(visible(str(error), lines=True) + "\n")
        return _BAD_INPUT if isinstance(error, FixTheInput) else _FAILED
    sys.stdout.write(json.dumps(content) + "\n")
    return _DONE


async def answered(order: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Do what is ordered, and return the answer.

    Raises:
        ScheduleRefused: The schedule cannot be used, or there is no Prefect server to keep it.
        SourceNotFound: Nothing is deployed.
        PrefectUnavailable, PrefectRefused: Prefect's server cannot be asked.
    """
    what = f"the board {order['entry']['board']!r}" if order["do"] == "add" else ""
    schedule = checked_cron(what, order["cron"], order["timezone"]) if what else None
    if not get_current_settings().api.url:
        if schedule is None:
            return []
        start = "start one with 'previs server start', and then, as that prints: export PREFECT_API_URL=http://…/api"
        raise ScheduleRefused(what, f"PREFECT_API_URL names no Prefect server: {start}")
    try:
        async with prefect_client() as client:
            if schedule is not None:
                return await add(client, NightlyBoard(**order["entry"]), order["store"], schedule)
            found = await (remove(client, order["board"]) if order["do"] == "remove" else scheduled(client))
            return [asdict(each) for each in found]
    except ObjectNotFound as error:
        raise SourceNotFound(f"deployment {DEPLOYMENT}", "Prefect does not have it: run previs deploy") from error
    except PrefectHTTPStatusError as error:
        raise ScheduleRefused(what, f"Prefect refuses it ({refusal(error)})") from error
