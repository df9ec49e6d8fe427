"""Deployments: what is registered with Prefect, which is prefect.yaml and what somebody asked for beyond it. Pure."""

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

QUEUE: Final = "boards"
IN_IMAGE: Final = "/opt/previs"
PROCESS: Final = "process"
AFTER: Final = "after:"

_WORKING_DIRECTORY: Final = "prefect.deployments.steps.set_working_directory"
# Prefect refuses these in names.
_NOT_IN_NAMES: Final = re.compile(r"[/%&><\x00-\x1f\x7f]+")

Deployment = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What is asked for beyond prefect.yaml; see ``previs deploy --help``.

    Attributes:
        pool: name of the work pool.
        type: of the pool, if it has to be made.
        image: that holds the checkout; none for a pool that starts processes.
        job_variables: of every deployment, before the pool's own.
        at_once: none leaves the limit as it is.
        after: names of flows on whose completion a board is rendered.
        cron: of the nightly run; none leaves it as it is.
        timezone: likewise.
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
    """When a deployment's runs are due, as the server has it.

    Attributes:
        cron: none where it is another kind of schedule.
    """

    cron: str | None = None
    timezone: str | None = None
    active: bool = True


def deployment_file(
    written: Mapping[str, Any], wanted: DeployOptions, checkout: str, kept: Schedule | None = None
) -> dict[str, Any]:
    """The content of a prefect.yaml that registers what is wanted.

    Args:
        written: prefect.yaml of the checkout.
        wanted: beyond it.
        checkout: its folder, where workers that start processes find the flows.
        kept: of the nightly run, if it has a schedule already; the file says nothing of it unless another is wanted.
    """
    written = copy.deepcopy(dict(written))
    by_event = next(each for each in written["deployments"] if each["name"] == "by-event")
    made = [_placed(each, wanted) for each in (*written["deployments"], *_after(by_event, wanted.after))]
    for each in made:
        if "schedules" in each:
            each["schedules"] = _due(each["schedules"], wanted, kept)
    folder = IN_IMAGE if wanted.image else checkout
    return {
        "name": written["name"],
        "prefect-version": written["prefect-version"],
        "pull": [{_WORKING_DIRECTORY: {"directory": folder}}],
        "deployments": made,
    }


def _due(written: list[dict[str, Any]], wanted: DeployOptions, kept: Schedule | None) -> list[dict[str, Any]]:
    """Schedules for the file; Prefect leaves those of a deployment alone where a file has none."""
    due = {name: value for name in ("cron", "timezone") if (value := getattr(wanted, name)) is not None}
    if kept is None:
        return [schedule | due for schedule in written]
    if not due:
        return []
    before = {name: value for name in ("cron", "timezone") if (value := getattr(kept, name)) is not None}
    return [schedule | before | due | {"active": kept.active} for schedule in written]


def _placed(deployment: Deployment, wanted: DeployOptions) -> Deployment:
    image = {"image": wanted.image} if wanted.image else {}
    variables = {**deployment["work_pool"].get("job_variables", {}), **wanted.job_variables, **image}
    return deployment | {"work_pool": deployment["work_pool"] | {"name": wanted.pool, "job_variables": variables}}


def _after(by_event: Deployment, flows: Iterable[str]) -> list[Deployment]:
    """A deployment for each flow on whose completion a board is to be rendered."""
    return [
        by_event
        | {
            "name": after_name(flow),
            "description": f"Render the shot list that the flow {flow} returns, or whose place it returns.",
            "tags": [f"{AFTER}{flow}"],
            "triggers": [_on_completion(flow)],
        }
        for flow in flows
    ]


def after_name(flow: str) -> str:
    """The name of the deployment that starts when a flow completes."""
    return f"after-{_NOT_IN_NAMES.sub('-', flow)}"


def _on_completion(flow: str) -> dict[str, Any]:
    return {
        "type": "event",
        "name": f"previs · after {flow}",
        "description": f"Renders the shot list that a run of the flow {flow} returned.",
        "expect": ["prefect.flow-run.Completed"],
        "match_related": {"prefect.resource.role": "flow", "prefect.resource.name": flow},
        # The event holds no result; the run reads that of the flow run which the event names.
        "parameters": {"shots": {"__prefect_kind": "jinja", "template": "{{ event.resource.id }}"}},
    }
