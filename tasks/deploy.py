"""Deploying: register blocks, work pool and deployments of this checkout with Prefect's server; again and again."""

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
from pydantic import ValidationError

import blocks
from blocks.asking import asking_prefect, refusal, version_of
from previs.errors import DeploymentRefused
from previs.publishing.views.wording import plural
from tasks.prefect_yaml import AFTER, PROCESS, QUEUE, DeployOptions, Schedule, deployment_file

CHECKOUT: Final = Path(__file__).parents[1]
AT_ONCE: Final = 2
_NIGHTLY: Final = "nightly/nightly"
_LOG_LINES: Final = 12


async def deploy(wanted: DeployOptions) -> AsyncIterator[str]:
    """Register everything, and tell each thing that was done once it is.

    What is there already is brought up to date. What only Prefect's pages or an earlier call decided stays: schedules,
    parameters and tags of deployments, whether they are paused, how many boards are made at once, and after which
    flows.

    Raises:
        DeploymentRefused: Prefect's settings name no server, or what is asked for cannot be.
        PrefectUnavailable: the server does not answer, or not as it should.
    """
    server = get_current_settings().api.url
    if server is None:
        start = "start one with 'prefect server start', and then: export PREFECT_API_URL=http://127.0.0.1:4200/api"
        raise DeploymentRefused(f"PREFECT_API_URL names no Prefect server: {start}")
    _check_schedule(wanted)
    try:
        with asking_prefect():
            async with get_client() as client:
                yield f"Prefect {await version_of(client)} at {server}"
                for step in (_blocks, _pool, _queue, _deployments):
                    async for done in step(client, wanted):
                        yield done
    except PrefectHTTPStatusError as error:
        raise DeploymentRefused(f"Prefect at {server} refuses it: {refusal(error)}") from error
    yield f"what is started is run by: prefect worker start --pool {wanted.pool}"


async def _blocks(client: PrefectClient, _: DeployOptions) -> AsyncIterator[str]:
    kinds: list[type[Block]] = [getattr(blocks, name) for name in blocks.__all__]
    for kind in kinds:
        await kind.register_type_and_schema(client=client)
    yield f"block types: {', '.join(kind.get_block_type_slug() for kind in kinds)}"


async def _pool(client: PrefectClient, wanted: DeployOptions) -> AsyncIterator[str]:
    try:
        pool, done = await client.read_work_pool(wanted.pool), "is there"
        _check_image(wanted, pool.type)
    except ObjectNotFound:
        _check_image(wanted, wanted.type)
        template = await get_default_base_job_template_for_infrastructure_type(wanted.type)
        if template is None:
            raise DeploymentRefused(f"Prefect knows no work pool of type {wanted.type!r}") from None
        new = WorkPoolCreate(name=wanted.pool, type=wanted.type, base_job_template=template)
        pool, done = await client.create_work_pool(new), "made"
    yield f"work pool {pool.name}, of type {pool.type}: {done}"


def _check_image(wanted: DeployOptions, kind: str) -> None:
    if kind == PROCESS and wanted.image:
        remedy = "which start no image: name with --pool and --type one that starts containers"
        raise DeploymentRefused(f"work pool {wanted.pool} is for processes, {remedy}")
    if kind != PROCESS and not wanted.image:
        remedy = "say with --image in which image this checkout is"
        raise DeploymentRefused(f"work pool {wanted.pool} is of type {kind}: {remedy}")


def _check_schedule(wanted: DeployOptions) -> None:
    try:
        CronSchedule(cron=wanted.cron or "0 1 * * *", timezone=wanted.timezone)
    except ValidationError as error:
        reasons = "; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors(include_url=False))
        raise DeploymentRefused(f"the nightly run cannot be due then: {reasons}") from error


async def _queue(client: PrefectClient, wanted: DeployOptions) -> AsyncIterator[str]:
    try:
        queue = await client.read_work_queue_by_name(QUEUE, work_pool_name=wanted.pool)
    except ObjectNotFound:
        limit: int | None = wanted.at_once or AT_ONCE
        await client.create_work_queue(QUEUE, concurrency_limit=limit, work_pool_name=wanted.pool)
        done = "made"
    else:
        limit, done = wanted.at_once or queue.concurrency_limit, "is there"
        if limit != queue.concurrency_limit:
            await client.update_work_queue(queue.id, concurrency_limit=limit)
    number = "any number of boards" if limit is None else plural(limit, "board")
    yield f"work queue {QUEUE}, for {number} at once: {done}"


async def _deployments(client: PrefectClient, wanted: DeployOptions) -> AsyncIterator[str]:
    written = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text("utf-8"))
    flows = {each["entrypoint"]: _flow_name(each["entrypoint"]) for each in written["deployments"]}
    before = await _registered(client, flows.values())
    followed = {tag.removeprefix(AFTER) for each in before.values() for tag in each.tags if tag.startswith(AFTER)}
    wanted = replace(wanted, after=(*sorted(followed | {*wanted.after}),))
    for flow in set(wanted.after) - followed:
        if not await client.read_flows(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow]))):
            yield f"flow {flow}: has not run at this server yet"
    content = deployment_file(written, wanted, str(CHECKOUT), _schedule(before.get(_NIGHTLY)))
    await _prefect_deploy(content)
    for each in before.values():
        await client.update_deployment(each.id, _of_prefects_pages(each))
    now = await _registered(client, flows.values())
    for deployment in content["deployments"]:
        name = f"{flows[deployment['entrypoint']]}/{deployment['name']}"
        upon = "".join(f", {_upon(trigger)}" for trigger in deployment.get("triggers", ()))
        yield f"deployment {name}{upon}{_when(now[name])}: {'brought up to date' if name in before else 'made'}"


async def _registered(client: PrefectClient, flows: Iterable[str]) -> dict[str, DeploymentResponse]:
    """The deployments that the server has of flows, by their whole names."""
    of_flows = FlowFilter(name=FlowFilterName(any_=[*flows]))
    names = {each.id: each.name for each in await client.read_flows(flow_filter=of_flows)}
    return {f"{names[each.flow_id]}/{each.name}": each for each in await client.read_deployments(flow_filter=of_flows)}


def _flow_name(entrypoint: str) -> str:
    """The name of a deployed flow; a file that does not load is told here, where Prefect would pass it over."""
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{CHECKOUT}/{entrypoint}", use_placeholder_flow=False)
    return flow.name


def _of_prefects_pages(deployment: DeploymentResponse) -> DeploymentUpdate:
    """What prefect.yaml says nothing of, and Prefect's command would therefore clear."""
    return DeploymentUpdate(parameters=deployment.parameters, tags=deployment.tags, paused=deployment.paused)


def _schedule(deployment: DeploymentResponse | None) -> Schedule | None:
    """The schedule that the nightly run has; the first with a cron line, if there are more."""
    schedules = deployment.schedules if deployment else []
    for each in schedules:
        if isinstance(each.schedule, CronSchedule):
            return Schedule(each.schedule.cron, each.schedule.timezone, each.active)
    return Schedule(active=any(each.active for each in schedules)) if schedules else None


def _upon(trigger: dict[str, Any]) -> str:
    if after := trigger.get("after"):
        return f"upon silence after {' or '.join(after)}"
    return f"upon {' or '.join(trigger['expect'])}"


def _when(deployment: DeploymentResponse) -> str:
    due = _schedule(deployment)
    if due is None:
        return ""
    when = f", due {due.cron} ({due.timezone or 'UTC'})" if due.cron else ", due as set in Prefect"
    return when if due.active and not deployment.paused else f"{when}, which is switched off"


async def _prefect_deploy(content: dict[str, Any]) -> None:
    """Have Prefect's own command register the deployments of a file.

    Raises:
        DeploymentRefused: it does not, with what it wrote.
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
        said, _ = await process.communicate()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        # Where the server refuses something, its answer is all that matters of a traceback.
        told = [line for line in lines if line.startswith("Response: ")] or lines[-_LOG_LINES:]
        raise DeploymentRefused("\n".join(["Prefect's own command failed:", *told]))
