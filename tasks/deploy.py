"""Register the blocks, the work pool and the deployments of this checkout with Prefect's server; idempotent."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml
from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import get_current_settings
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

import blocks
from blocks.asking import asking_prefect, refusal, version_of
from previs.errors import DeploymentRefused
from previs.publishing.views.wording import plural
from tasks.farm_and_store import defaults
from tasks.prefect_yaml import AFTER, OUTPUT, PROCESS, QUEUE, DeployOptions, Schedule, deployment_file
from tasks.schedules import checked_cron

CHECKOUT: Final = Path(__file__).parents[1]
AT_ONCE: Final = 2
_NIGHTLY: Final = "nightly/nightly"
_LOG_LINES: Final = 12


async def deploy(options: DeployOptions) -> AsyncIterator[str]:
    """Register everything and yield a line for each thing that was registered.

    What exists is updated. Settings from Prefect's pages or from an earlier call stay: schedules, parameters and tags
    of deployments, whether they are paused, how many boards are rendered at once, and the flows that they follow.

    Raises:
        DeploymentRefused: Prefect's settings name no server, or the options cannot be used.
        ScheduleRefused: The nightly run cannot have this schedule.
        PrefectUnavailable: The server does not answer, or returns an error.
    """
    server = get_current_settings().api.url
    if server is None:
        start = "start one with 'previs server start', and then, as that prints: export PREFECT_API_URL=http://…/api"
        raise DeploymentRefused(f"PREFECT_API_URL names no Prefect server: {start}")
    checked_cron("the nightly run", options.cron or "0 1 * * *", options.timezone)
    try:
        with asking_prefect():
            async with get_client() as client:
                yield f"Prefect {await version_of(client)} at {server}"
                for step in (_blocks, _pool, _queue, _deployments, _defaults):
                    async for done in step(client, options):
                        yield done
    except PrefectHTTPStatusError as error:
        raise DeploymentRefused(f"Prefect at {server} refuses the request: {refusal(error)}") from error
    yield f"start a worker with: prefect worker start --pool {options.pool}"


async def _blocks(client: PrefectClient, _: DeployOptions) -> AsyncIterator[str]:
    kinds: list[type[Block]] = [getattr(blocks, name) for name in blocks.__all__]
    for kind in kinds:
        await kind.register_type_and_schema(client=client)
    yield f"block types: {', '.join(kind.get_block_type_slug() for kind in kinds)}"


async def _pool(client: PrefectClient, options: DeployOptions) -> AsyncIterator[str]:
    try:
        pool, done = await client.read_work_pool(options.pool), "exists"
        _check_image(options, pool.type)
    except ObjectNotFound:
        _check_image(options, options.type)
        template = await get_default_base_job_template_for_infrastructure_type(options.type)
        if template is None:
            raise DeploymentRefused(f"Prefect has no work pools of type {options.type!r}") from None
        new = WorkPoolCreate(name=options.pool, type=options.type, base_job_template=template)
        pool, done = await client.create_work_pool(new), "created"
    yield f"work pool {pool.name}, of type {pool.type}: {done}"
    if pool.type == PROCESS:
        ends = options.job_variables.get(OUTPUT, False)
        logs = f"also go to its terminal ({OUTPUT}: true)" if ends else f"are on their pages ({OUTPUT}: false)"
        yield f"runs {'end with' if ends else 'outlive'} their worker, and their logs {logs}"


def _check_image(options: DeployOptions, kind: str) -> None:
    if kind == PROCESS and options.image:
        remedy = "which start no image: with --pool and --type, name a pool that starts containers"
        raise DeploymentRefused(f"work pool {options.pool} is for processes, {remedy}")
    if kind != PROCESS and not options.image:
        remedy = "with --image, name the image that holds this checkout"
        raise DeploymentRefused(f"work pool {options.pool} is of type {kind}: {remedy}")


async def _defaults(_: PrefectClient, options: DeployOptions) -> AsyncIterator[str]:
    async for line in defaults(in_containers=bool(options.image)):
        yield line


async def _queue(client: PrefectClient, options: DeployOptions) -> AsyncIterator[str]:
    try:
        queue = await client.read_work_queue_by_name(QUEUE, work_pool_name=options.pool)
    except ObjectNotFound:
        limit: int | None = options.at_once or AT_ONCE
        await client.create_work_queue(QUEUE, concurrency_limit=limit, work_pool_name=options.pool)
        done = "created"
    else:
        limit, done = options.at_once or queue.concurrency_limit, "exists"
        if limit != queue.concurrency_limit:
            await client.update_work_queue(queue.id, concurrency_limit=limit)
    number = "any number of boards" if limit is None else plural(limit, "board")
    yield f"work queue {QUEUE}, for {number} at once: {done}"


async def _deployments(client: PrefectClient, options: DeployOptions) -> AsyncIterator[str]:
    written = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text("utf-8"))
    flows = {each["entrypoint"]: _flow_name(each["entrypoint"]) for each in written["deployments"]}
    before = await _registered(client, flows.values())
    followed = {tag.removeprefix(AFTER) for each in before.values() for tag in each.tags if tag.startswith(AFTER)}
    options = replace(options, after=(*sorted(followed | {*options.after}),))
    for flow in set(options.after) - followed:
        if not await client.read_flows(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow]))):
            yield f"flow {flow}: has not run at this server yet"
    content = deployment_file(written, options, str(CHECKOUT), _schedule(before.get(_NIGHTLY)))
    await _run_prefect_deploy(content)
    made = await _registered(client, flows.values())
    for name, each in before.items():
        await client.update_deployment(each.id, _kept_settings(each, made[name].tags))
    now = await _registered(client, flows.values())
    for deployment in content["deployments"]:
        name = f"{flows[deployment['entrypoint']]}/{deployment['name']}"
        triggers = "".join(f", {_trigger(each)}" for each in deployment.get("triggers", ()))
        yield f"deployment {name}{triggers}{_when(now[name])}: {'updated' if name in before else 'created'}"


async def _registered(client: PrefectClient, flows: Iterable[str]) -> dict[str, DeploymentResponse]:
    """Return the deployments of flows that the server has, by their full names."""
    of_flows = FlowFilter(name=FlowFilterName(any_=[*flows]))
    names = {each.id: each.name for each in await client.read_flows(flow_filter=of_flows)}
    return {f"{names[each.flow_id]}/{each.name}": each for each in await client.read_deployments(flow_filter=of_flows)}


def _flow_name(entrypoint: str) -> str:
    """Return the name of a deployed flow. A file that does not load raises here; Prefect would skip it silently."""
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{CHECKOUT}/{entrypoint}", use_placeholder_flow=False)
    return flow.name


def _kept_settings(deployment: DeploymentResponse, tags: Iterable[str]) -> DeploymentUpdate:
    """Return the settings that prefect.yaml does not have, which Prefect's command would therefore clear.

    Args:
        deployment: Deployment as it was before.
        tags: Tags that prefect.yaml has, beside which others stay.
    """
    kept = [*dict.fromkeys([*deployment.tags, *tags])]
    return DeploymentUpdate(parameters=deployment.parameters, tags=kept, paused=deployment.paused)


def _schedule(deployment: DeploymentResponse | None) -> Schedule | None:
    """Return the schedule of the nightly run, or None; of several, the first with a cron line."""
    schedules = deployment.schedules if deployment else []
    for each in schedules:
        if isinstance(each.schedule, CronSchedule):
            return Schedule(each.schedule.cron, each.schedule.timezone, each.active)
    return Schedule(active=any(each.active for each in schedules)) if schedules else None


def _trigger(trigger: dict[str, Any]) -> str:
    if after := trigger.get("after"):
        return f"on silence after {' or '.join(after)}"
    return f"on {' or '.join(trigger['expect'])}"


def _when(deployment: DeploymentResponse) -> str:
    schedule = _schedule(deployment)
    if schedule is None:
        return ""
    cron, timezone = schedule.cron, schedule.timezone or "UTC"
    when = f", scheduled {cron} ({timezone})" if cron else ", scheduled in Prefect"
    return when if schedule.active and not deployment.paused else f"{when}, switched off"


async def _run_prefect_deploy(content: dict[str, Any]) -> None:
    """Run Prefect's own command to register the deployments of a file.

    Raises:
        DeploymentRefused: The command failed; the error holds its output.
    """
    with tempfile.TemporaryDirectory(prefix="previs-") as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)),
            cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines()
        # If the server refuses something, the command writes a traceback whose only useful line is the response.
        reason = [line for line in lines if line.startswith("Response: ")] or lines[-_LOG_LINES:]
        raise DeploymentRefused("\n".join(["Prefect's own command failed:", *reason]))
