"""What is registered is prefect.yaml, and what somebody asked for beyond it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.prefect_yaml import DeployOptions, Schedule, after_name, deployment_file

CHECKOUT = Path(__file__).parents[2]
WRITTEN = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text("utf-8"))
DIRECTORY = "prefect.deployments.steps.set_working_directory"


def made(wanted: DeployOptions, kept: Schedule | None = None) -> dict[str, Any]:
    return deployment_file(WRITTEN, wanted, "/home/td/previs", kept)


def named(content: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in content["deployments"] if each["name"] == name]
    return found


def test_without_further_wishes_it_is_the_file_itself_in_its_folder() -> None:
    content = made(DeployOptions("storyboards"))
    assert [each["name"] for each in content["deployments"]] == [each["name"] for each in WRITTEN["deployments"]]
    assert content["pull"] == [{DIRECTORY: {"directory": "/home/td/previs"}}]
    assert named(content, "nightly")["schedules"] == [{"slug": "nightly", "cron": "0 1 * * *", "timezone": "Etc/UTC"}]
    queues = {each["name"]: each["work_pool"].get("work_queue_name") for each in content["deployments"]}
    assert queues["by-event"] == queues["by-schedule"] == "boards"
    assert queues["nightly"] is None


def test_nothing_of_the_file_is_changed_in_place() -> None:
    before = copy.deepcopy(WRITTEN)
    made(DeployOptions("other", cron="5 5 * * *", image="i", job_variables={"env": {"A": "b"}}, after=("x",)))
    assert before == WRITTEN


def test_an_image_and_job_variables_are_for_every_deployment() -> None:
    content = made(
        DeployOptions("k8s", image="registry/previs:1", job_variables={"namespace": "film"}, after=("script",))
    )
    assert content["pull"] == [{DIRECTORY: {"directory": "/opt/previs"}}]
    for each in content["deployments"]:
        assert each["work_pool"]["name"] == "k8s"
        assert each["work_pool"]["job_variables"] == {"namespace": "film", "image": "registry/previs:1"}


@pytest.mark.parametrize(
    ("wanted", "due"),
    [
        ({"cron": "9 9 * * *"}, {"cron": "9 9 * * *", "timezone": "Asia/Shanghai", "active": False}),
        ({"timezone": "Europe/Berlin"}, {"cron": "7 7 * * *", "timezone": "Europe/Berlin", "active": False}),
    ],
)
def test_what_is_registered_of_a_schedule_stays_but_for_what_is_wanted(
    wanted: dict[str, Any], due: dict[str, Any]
) -> None:
    content = made(DeployOptions("storyboards", **wanted), Schedule("7 7 * * *", "Asia/Shanghai", active=False))
    assert named(content, "nightly")["schedules"] == [{"slug": "nightly"} | due]


@pytest.mark.parametrize("kept", [Schedule("7 7 * * *", "Asia/Shanghai"), Schedule()])
def test_a_schedule_that_is_registered_is_left_alone_where_no_other_is_wanted(kept: Schedule) -> None:
    assert named(made(DeployOptions("storyboards"), kept), "nightly")["schedules"] == []


def test_a_flow_that_is_followed_has_a_deployment_of_its_own() -> None:
    content = made(DeployOptions("storyboards", after=("剧本 a/b",)))
    deployment = named(content, "after-剧本 a-b")
    assert deployment["tags"] == ["after:剧本 a/b"]
    [trigger] = deployment["triggers"]
    assert trigger["match_related"] == {"prefect.resource.role": "flow", "prefect.resource.name": "剧本 a/b"}
    assert trigger["parameters"]["shots"]["template"] == "{{ event.resource.id }}"
    assert named(content, "by-event")["triggers"] == WRITTEN["deployments"][1]["triggers"]


@pytest.mark.parametrize("flow", ["a/b", "a%b", "a&b<c>", "a\x00b", "上游"])
def test_names_hold_nothing_that_prefect_refuses(flow: str) -> None:
    assert not set(after_name(flow)) & set("/%&<>\x00")
