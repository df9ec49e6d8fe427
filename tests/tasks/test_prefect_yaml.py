"""Check that options of ``previs deploy`` extend the checkout's prefect.yaml and change nothing else of it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.server.utilities.user_templates import render_user_template_sync

from previs.notifications.payload_text import LARGEST_PARAMETER, parameter_bytes, parse_payload
from tasks.prefect_yaml import DeployOptions, Schedule, after_name, deployment_file

CHECKOUT = Path(__file__).parents[2]
WRITTEN = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text("utf-8"))
DIRECTORY = "prefect.deployments.steps.set_working_directory"


def content_for(options: DeployOptions, kept: Schedule | None = None) -> dict[str, Any]:
    return deployment_file(WRITTEN, options, "/srv/previs", kept)


def named(content: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in content["deployments"] if each["name"] == name]
    return found


def test_without_options_the_content_is_the_files_own_with_the_checkouts_folder() -> None:
    content = content_for(DeployOptions("storyboards"))
    assert [each["name"] for each in content["deployments"]] == [each["name"] for each in WRITTEN["deployments"]]
    assert content["pull"] == [{DIRECTORY: {"directory": "/srv/previs"}}]
    assert named(content, "nightly")["schedules"] == [{"slug": "nightly", "cron": "0 1 * * *", "timezone": "Etc/UTC"}]
    queues = {each["name"]: each["work_pool"].get("work_queue_name") for each in content["deployments"]}
    assert queues["by-event"] == queues["by-schedule"] == "boards"
    assert queues["nightly"] is None


def test_the_files_own_content_is_not_changed_in_place() -> None:
    before = copy.deepcopy(WRITTEN)
    content_for(DeployOptions("other", cron="5 5 * * *", image="i", job_variables={"env": {"A": "b"}}, after=("x",)))
    assert before == WRITTEN


def test_an_image_and_job_variables_apply_to_every_deployment() -> None:
    content = content_for(
        DeployOptions("k8s", image="registry/previs:1", job_variables={"namespace": "film"}, after=("script",))
    )
    assert content["pull"] == [{DIRECTORY: {"directory": "/opt/previs"}}]
    for each in content["deployments"]:
        assert each["work_pool"]["name"] == "k8s"
        assert each["work_pool"]["job_variables"] == {"namespace": "film", "image": "registry/previs:1"}


@pytest.mark.parametrize("given", [{}, {"stream_output": True}])
def test_processes_write_to_no_pipe_of_their_worker_unless_job_variables_say_so(given: dict[str, Any]) -> None:
    content = content_for(DeployOptions("storyboards", job_variables=given, after=("script",)))
    for each in content["deployments"]:
        assert each["work_pool"]["job_variables"] == {"stream_output": False} | given


@pytest.mark.parametrize(
    ("options", "schedule"),
    [
        ({"cron": "9 9 * * *"}, {"cron": "9 9 * * *", "timezone": "Asia/Shanghai", "active": False}),
        ({"timezone": "Europe/Berlin"}, {"cron": "7 7 * * *", "timezone": "Europe/Berlin", "active": False}),
    ],
)
def test_options_change_only_their_part_of_a_registered_schedule(
    options: dict[str, Any], schedule: dict[str, Any]
) -> None:
    content = content_for(DeployOptions("storyboards", **options), Schedule("7 7 * * *", "Asia/Shanghai", active=False))
    assert named(content, "nightly")["schedules"] == [{"slug": "nightly"} | schedule]


@pytest.mark.parametrize("kept", [Schedule("7 7 * * *", "Asia/Shanghai"), Schedule()])
def test_a_registered_schedule_is_kept_if_no_option_changes_it(kept: Schedule) -> None:
    assert named(content_for(DeployOptions("storyboards"), kept), "nightly")["schedules"] == []


def test_each_followed_flow_has_its_own_deployment() -> None:
    content = content_for(DeployOptions("storyboards", after=("剧本 a/b",)))
    deployment = named(content, "after-剧本 a-b")
    assert deployment["tags"][-1] == "after:剧本 a/b"
    [trigger] = deployment["triggers"]
    assert trigger["match_related"] == {"prefect.resource.role": "flow", "prefect.resource.name": "剧本 a/b"}
    assert trigger["parameters"]["shots"]["template"] == "{{ event.resource.id }}"
    assert named(content, "by-event")["triggers"] == WRITTEN["deployments"][1]["triggers"]


@pytest.mark.parametrize("flow", ["a/b", "a%b", "a&b<c>", "a\x00b", "上游"])
def test_deployment_names_hold_no_character_that_prefect_refuses(flow: str) -> None:
    assert not set(after_name(flow)) & set("/%&<>\x00")


@pytest.mark.parametrize("text", ["雨", "x", "'", '"', "\\", "😀", "</script>&"])
def test_an_event_is_passed_on_up_to_the_size_that_a_sender_may_send(text: str) -> None:
    [trigger] = named(content_for(DeployOptions("storyboards")), "by-event")["triggers"]
    template = trigger["parameters"]["shots"]["template"]
    payload = {"board": text, "filler": ""}
    payload["filler"] = "x" * (LARGEST_PARAMETER - parameter_bytes(payload))
    rendered = render_user_template_sync(template, {"event": {"payload": payload}})
    assert json.loads(rendered) == payload
    assert len(json.dumps(rendered)) == parameter_bytes(payload) == LARGEST_PARAMETER
    payload["filler"] += "x"
    rendered = render_user_template_sync(template, {"event": {"payload": payload}})
    assert parse_payload(rendered) == {"schema": "previs.shot-list-ready/1", "too_large": LARGEST_PARAMETER + 1}
