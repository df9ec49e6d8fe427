"""What Prefect's server does with a run that gives no sign of life any more: it starts it again."""

from datetime import UTC, datetime, timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.states import AwaitingRetry

NAME: Final = "previs · killed runs start again"
# A run gives one a minute ([tool.prefect.flows] of pyproject.toml), elsewhere one in three.
SILENCE: Final = timedelta(minutes=10)
_SIGN: Final = "prefect.flow-run.heartbeat"
_REASON: Final = "its process was lost: it gave no sign of life any more"
# After these a run owes no further one.
_ENDS: Final = ("Completed", "Failed", "Cancelling", "Cancelled", "Crashed", "AwaitingRetry")


def restarts(flow: str, silence: timedelta = SILENCE) -> AutomationCore:
    """The automation that starts runs of a flow again whose process, machine or worker was lost.

    Runs without a deployment stay as they are: nobody is there who would start them.

    Args:
        flow: its name.
        silence: after how much of it, counted from the last sign of life.
    """
    return AutomationCore(
        name=NAME,
        description="A run of a deployment that has given no sign of life for ten minutes, as after a loss of power, "
        "is started again. What it rendered is in the store, and what a server still renders is waited for.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={_SIGN},
            expect={_SIGN, *(f"prefect.flow-run.{state}" for state in _ENDS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": flow},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(name="AwaitingRetry", state=StateType.SCHEDULED, message=_REASON),
        ],
    )


async def register(client: PrefectClient, wanted: AutomationCore) -> str:
    """Make an automation, or bring it up to date; one that was switched off stays so.

    Returns:
        ``made``, ``brought up to date`` or the latter and that it is switched off.
    """
    there = await client.read_automations_by_name(wanted.name)
    if not there:
        await client.create_automation(wanted)
        return "made"
    for each in there:
        await client.update_automation(each.id, wanted.model_copy(update={"enabled": each.enabled}))
    return "brought up to date" + ("" if there[0].enabled else ", and is switched off")


async def start_lost_again(client: PrefectClient, flow: str, silence: timedelta = SILENCE) -> list[str]:
    """Start runs again that were lost while the server was away, too, which its automation does not hear of.

    Args:
        client: of the server.
        flow: name of the flow whose runs are looked at.
        silence: after how much of it a run is taken for lost.

    Returns:
        The names of the runs.
    """
    under_way = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PAUSED])),
    )
    of_flow = FlowFilter(name=FlowFilterName(any_=[flow]))
    since = datetime.now(UTC) - silence
    lost = [
        run
        for run in await client.read_flow_runs(flow_filter=of_flow, flow_run_filter=under_way)
        if (run.start_time or since) <= since and not await _alive(client, run, since)
    ]
    for run in lost:
        await client.set_flow_run_state(run.id, AwaitingRetry(message=_REASON))
    return [run.name for run in lost]


async def _alive(client: PrefectClient, run: FlowRun, since: datetime) -> bool:
    """Whether a run has given a sign of life since a time."""
    signs = EventFilter(
        occurred=EventOccurredFilter(since=since),
        event=EventNameFilter(name=[_SIGN]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
    )
    return bool((await client.read_events(signs, limit=1)).events)
