"""Check that Prefect's server accepts the example job variables for its own work pool templates."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import WorkPool
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from previs.command.deploy import DeployOrder
from previs.store import keys
from tasks.prefect_yaml import IN_IMAGE
from tasks.schedules import answered
from tests.flows.conftest import prefect_settings
from tests.flows.deployed import UPSTREAM, deploy_again

HOME = Path(__file__).parents[2]
IMAGE = "registry.studio.lan/previs:1"
KINDS = ("docker", "kubernetes", "ecs")
DEPLOYMENTS = ("storyboard/by-hand", "storyboard/by-schedule", "nightly/nightly")


def example(kind: str) -> Path:
    return HOME / "examples" / "pools" / f"{kind}.yaml"


def variables(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(example(kind).read_text("utf-8"))
    return read


@pytest.fixture
async def client(prefect_api: str) -> AsyncIterator[PrefectClient]:  # noqa: ARG001 - the server that it asks
    async with get_client() as asked:
        yield asked
        # Events of other tests would start its deployments.
        for automation in await asked.read_automations():
            await asked.delete_automation(automation.id)
        for deployment in await asked.read_deployments():
            if (deployment.work_pool_name or "").startswith(KINDS):
                await asked.delete_deployment(deployment.id)


def used(pool: WorkPool) -> set[str]:
    """Return the variables that a job is made from."""
    return set(re.findall(r"\{\{ (\w+) \}\}", str(pool.base_job_template["job_configuration"])))


@pytest.mark.usefixtures("no_worker", "deployed")
async def test_deploying_again_puts_an_example_into_every_deployment_and_leaves_what_was_set(
    deployed_environment: dict[str, str],
) -> None:
    with prefect_settings(deployed_environment):
        async with get_client() as client, asyncio.timeout(120):
            automations = len(await client.read_automations())
            nightly = await client.read_deployment_by_name("nightly/nightly")
            own = DeploymentUpdate(parameters={"max_age_days": 400}, tags=["ours"], paused=False)
            await client.update_deployment(nightly.id, own)
            rarely = IntervalSchedule(interval=timedelta(days=9))
            await client.create_deployment_schedules(nightly.id, [(rarely, True)])
            schedules = (await client.read_deployment_by_name("nightly/nightly")).schedules
            entry = {"board": "夜/1", "shots": "s3://film/a.csv", "added": datetime.now(UTC).isoformat()}
            added = {"do": "add", "entry": entry, "store": "block:film", "cron": "0 3 * * 1-5", "timezone": None}
            assert (await answered(added))["replaced"] == []
            changed = added | {"cron": "30 4 * * *", "timezone": "Europe/Berlin", "entry": entry | {"takes": 2}}
            [replaced] = (await answered(changed))["replaced"]
            assert (replaced["when"], replaced["timezone"]) == ("0 3 * * 1-5", "Etc/UTC")
            order = DeployOrder("docker", "docker", IMAGE, example("docker")).parameters()
            said = await deploy_again(deployed_environment, **order | {"after": (UPSTREAM,)})
            assert "work pool docker, of type docker: created" in said
            assert len(await client.read_automations()) == automations
            kept = await client.read_deployment_by_name("nightly/nightly")
            assert (kept.id, kept.parameters, kept.tags[0]) == (nightly.id, {"max_age_days": 400}, "ours")
            assert [each.schedule for each in kept.schedules] == [each.schedule for each in schedules]
            [own_schedule] = (await client.read_deployment_by_name("storyboard/by-schedule")).schedules
            own_parameters = {"board": "夜/1", "shots": "s3://film/a.csv", "takes": 2, "store": "block:film"}
            assert (own_schedule.slug, own_schedule.parameters) == (keys.part("夜/1"), own_parameters)
            assert await answered({"do": "list"}) == await answered({"do": "remove", "board": "夜/1"})
            assert await answered({"do": "list"}) == []
            for name in DEPLOYMENTS:
                deployment = await client.read_deployment_by_name(name)
                assert deployment.work_pool_name == "docker"
                assert deployment.job_variables == variables("docker") | {"image": IMAGE}
                [step] = deployment.pull_steps or []
                assert [*step.values()] == [{"directory": IN_IMAGE}]
            boards = await client.read_work_queue_by_name("boards", work_pool_name="docker")
            assert boards.concurrency_limit == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_prefects_server_takes_the_examples_for_new_pools(kind: str, client: PrefectClient) -> None:
    template = await get_default_base_job_template_for_infrastructure_type(kind)
    new = WorkPoolCreate(name=f"{kind}-example", type=kind, base_job_template=template or {})
    pool, given = await client.create_work_pool(new, overwrite=True), variables(kind)
    known = pool.base_job_template["variables"]
    assert set(given) <= set(known["properties"]) & used(pool)
    assert [error.message for error in Draft202012Validator(known).iter_errors(given)] == []
    flow = await client.create_flow_from_name(f"example {kind}")
    await client.create_deployment(flow, "example", work_pool_name=pool.name, job_variables=given | {"image": IMAGE})


@pytest.mark.parametrize("kind", KINDS)
def test_no_example_holds_what_prefect_would_put_a_secret_in_the_place_of(kind: str) -> None:
    assert "{{" not in example(kind).read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_has_a_place_of_its_own_for_prefect(kind: str) -> None:
    # A worker hands its own settings on to what it starts, the paths of its own machine among them.
    home = variables(kind)["env"]["PREFECT_HOME"]
    assert f"PREFECT_HOME={home} " in (HOME / "Dockerfile").read_text("utf-8")
