"""Extend the checkout's prefect.yaml with the options of ``previs deploy``; pure."""

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

QUEUE: Final = "boards"
IN_IMAGE: Final = "/opt/previs"
PROCESS: Final = "process"
AFTER: Final = "after:"
OUTPUT: Final = "stream_output"

_WORKING_DIRECTORY: Final = "prefect.deployments.steps.set_working_directory"
# Prefect refuses these in names.
_NOT_IN_NAMES: Final = re.compile(r"[/%&><\x00-\x1f\x7f]+")

Deployment = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """Hold the options of ``previs deploy``; see its help.

    Attributes:
        pool: Name of the work pool.
        type: Type of the pool, if it must be created.
        image: Image that holds the checkout; None for a pool that starts processes.
        job_variables: Job variables of every deployment; they override the pool's own.
        at_once: Limit of the work queue; None keeps the current limit.
        after: Names of flows on whose completion a board is rendered.
        cron: Cron line of the nightly run; None keeps the current one.
        timezone: Time zone of the nightly run; None keeps the current one.
    """

    pool: str
    type: str = PROCESS
    image: str | None = None
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    at_once: int | None = None
    after: tuple[str, ...] = ()
    cron: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hold a deployment's schedule as the server has it.

    Attributes:
        cron: Cron line; None for another kind of schedule.
    """

    cron: str | None = None
    timezone: str | None = None
    active: bool = True


def deployment_file(
    written: Mapping[str, Any], options: DeployOptions, checkout: str, kept: Schedule | None = None
) -> dict[str, Any]:
    """Return the content of a prefect.yaml with the options applied.

    Args:
        written: Content of the checkout's prefect.yaml.
        options: Options to apply.
        checkout: Folder of the checkout, where workers that start processes find the flows.
        kept: Current schedule of the nightly run, if it has one; the content leaves it out unless an option changes it.
    """
    written = copy.deepcopy(dict(written))
    by_event = next(each for each in written["deployments"] if each["name"] == "by-event")
    deployments = [_in_pool(each, options) for each in (*written["deployments"], *_after(by_event, options.after))]
    for each in deployments:
        if "schedules" in each:
            each["schedules"] = _schedules(each["schedules"], options, kept)
    folder = IN_IMAGE if options.image else checkout
    return {
        "name": written["name"],
        "prefect-version": written["prefect-version"],
        "pull": [{_WORKING_DIRECTORY: {"directory": folder}}],
        "deployments": deployments,
    }


def _schedules(written: list[dict[str, Any]], options: DeployOptions, kept: Schedule | None) -> list[dict[str, Any]]:
    """Return the schedules for the file; Prefect keeps those of a deployment if the file has none."""
    changed = _cron_and_timezone(options)
    if kept is None:
        return [schedule | changed for schedule in written]
    if not changed:
        return []
    return [schedule | _cron_and_timezone(kept) | changed | {"active": kept.active} for schedule in written]


def _cron_and_timezone(source: DeployOptions | Schedule) -> dict[str, str]:
    values = {"cron": source.cron, "timezone": source.timezone}
    return {name: value for name, value in values.items() if value is not None}


def _in_pool(deployment: Deployment, options: DeployOptions) -> Deployment:
    # A process that writes to a pipe of its worker ends with it.
    outlives, image = ({}, {"image": options.image}) if options.image else ({OUTPUT: False}, {})
    variables = {**deployment["work_pool"].get("job_variables", {}), **outlives, **options.job_variables, **image}
    return deployment | {"work_pool": deployment["work_pool"] | {"name": options.pool, "job_variables": variables}}


def _after(by_event: Deployment, flows: Iterable[str]) -> list[Deployment]:
    """Return a deployment for each flow on whose completion a board is rendered."""
    return [
        by_event
        | {
            "name": after_name(flow),
            "description": f"Renders the shot list that the flow {flow} returns, or whose path or URL it returns.",
            "tags": [*by_event.get("tags", ()), f"{AFTER}{flow}"],
            "triggers": [_on_completion(flow)],
        }
        for flow in flows
    ]


def after_name(flow: str) -> str:
    """Return the name of the deployment that runs when a flow completes."""
    return f"after-{_NOT_IN_NAMES.sub('-', flow)}"


def _on_completion(flow: str) -> dict[str, Any]:
    return {
        "type": "event",
        "name": f"previs · after {flow}",
        "description": f"Renders the shot list that a run of the flow {flow} returned.",
        "expect": ["prefect.flow-run.Completed"],
        "match_related": {"prefect.resource.role": "flow", "prefect.resource.name": flow},
        # The event holds no result: the run reads the result of the flow run that the event names.
        "parameters": {"shots": {"__prefect_kind": "jinja", "template": "{{ event.resource.id }}"}},
    }
