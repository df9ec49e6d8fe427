"""Newer servers answer ``/api/jobs``."""

import time
import uuid
from typing import Any

import pytest

from previs.simulator import Simulator, serve
from tests.previs.simulator.protocol_checks import JOB_KEYS
from tests.previs.simulator.sessions import http_client, text_to_image, visit

UNKNOWN = str(uuid.UUID(int=0))


def newer(**faults: Any) -> Simulator:
    simulator = Simulator(seconds=0, draw=False, previews=False, version="0.33.0")
    for name, value in faults.items():
        setattr(simulator.faults, name, value)
    return simulator


@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", "/cancel")])
async def test_older_servers_have_no_jobs(method: str, end: str) -> None:
    async with serve(Simulator(seconds=0)) as url, http_client() as client:
        answer = await client.request(method, f"{url}/api/jobs/{UNKNOWN}{end}")
    assert (answer.status_code, answer.text) == (404, "404: Not Found")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_jobs_have_only_paths_under_api_and_their_own_methods() -> None:
    async with serve(newer()) as url, http_client(url) as client:
        assert (await client.get(f"/jobs/{UNKNOWN}")).text == "404: Not Found"
        assert (await client.get(f"/api/jobs/{UNKNOWN}")).headers["content-type"].startswith("application/json")
        wrong = await client.get(f"/api/jobs/{UNKNOWN}/cancel")
    assert (wrong.status_code, wrong.text, wrong.headers["allow"]) == (405, "405: Method Not Allowed", "POST")


async def test_jobs_are_listed_by_status_order_and_page() -> None:
    simulator = newer()
    async with visit(simulator) as visitor:
        ended = [(await visitor.render(text_to_image(seed=seed)))["prompt"][1] for seed in (1, 2)]
        simulator.faults.stall_on = "rain"
        running, waiting = [await visitor.submit(text_to_image(text="rain", seed=seed)) for seed in (3, 4)]
        await visitor.hear("progress", prompt_id=running)

        async def ids(**query: object) -> list[str]:
            answer = await visitor.http.get("/api/jobs", params={key: str(value) for key, value in query.items()})
            return [job["id"] for job in answer.json()["jobs"]]

        assert set(await ids()) == {*ended, running, waiting}
        assert await ids(status="in_progress") == [running]
        assert set(await ids(status="completed, Pending")) == {*ended, waiting}
        assert await ids(sort_order="asc") == [*ended, running, waiting]
        assert await ids(sort_order="asc", offset=1, limit=2) == [ended[1], running]
        assert await ids(workflow_id="none") == []
        page = (await visitor.http.get("/api/jobs?limit=3&offset=1")).json()["pagination"]
        assert page == {"offset": 1, "limit": 3, "total": 4, "has_more": False}
        assert (await visitor.http.get("/api/jobs?limit=3")).json()["pagination"]["has_more"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=lost", "Invalid status value(s): lost."),
        ("sort_by=name", "sort_by must be 'created_at' or 'execution_duration'"),
        ("sort_order=up", "sort_order must be 'asc' or 'desc'"),
        ("limit=0", "limit must be a positive integer"),
        ("limit=many", "limit must be an integer"),
    ],
)
async def test_a_wrong_query_of_the_job_list_is_refused(query: str, sentence: str) -> None:
    async with serve(newer()) as url, http_client() as client:
        answer = await client.get(f"{url}/api/jobs?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)


async def test_an_unknown_job_is_answered_with_json() -> None:
    async with serve(newer()) as url, http_client() as client:
        answer = await client.get(f"{url}/api/jobs/{UNKNOWN}")
    assert (answer.status_code, answer.json()) == (404, {"error": "Job not found"})


async def test_a_completed_job_has_its_times_and_the_outputs_of_the_history() -> None:
    before = time.time_ns() // 1_000_000
    async with visit(newer()) as visitor:
        entry = await visitor.render(text_to_image())
        prompt_id = entry["prompt"][1]
        job = (await visitor.http.get(f"/api/jobs/{prompt_id}")).json()
    [file] = entry["outputs"]["9"]["images"]
    assert before <= job.pop("create_time") <= job.pop("execution_start_time") <= job.pop("execution_end_time")
    assert job == {
        "id": prompt_id,
        "status": "completed",
        "priority": entry["prompt"][0],
        "outputs_count": 1,
        "previewable_outputs_count": 1,
        "preview_output": {**file, "nodeId": "9", "mediaType": "images"},
        "outputs": entry["outputs"],
        "execution_status": entry["status"],
        "workflow": {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]},
    }


async def test_a_failed_job_has_its_error() -> None:
    async with visit(newer(fail_on="city")) as visitor:
        entry = await visitor.render(text_to_image())
        job = (await visitor.http.get(f"/api/jobs/{entry['prompt'][1]}")).json()
    assert (job["status"], job["outputs_count"], job["outputs"]) == ("failed", 0, {})
    assert job["execution_error"] == entry["status"]["messages"][-1][1]
    assert job["execution_end_time"] == job["execution_error"]["timestamp"]
    assert "preview_output" not in job


async def test_a_job_runs_waits_and_is_cancelled() -> None:
    simulator = newer(stall_on="city")
    async with visit(simulator) as visitor:
        running, waiting, last = [await visitor.submit(text_to_image()) for _ in range(3)]
        await visitor.hear("progress")

        async def ask(prompt_id: str) -> dict[str, Any]:
            job: dict[str, Any] = (await visitor.http.get(f"/api/jobs/{prompt_id}")).json()
            return job

        async def cancel(prompt_id: str) -> object:
            answer = await visitor.http.post(f"/api/jobs/{prompt_id}/cancel")
            assert answer.status_code == 200
            return answer.json()

        told = await ask(waiting)
        assert set(told) == JOB_KEYS
        assert (told["id"], told["status"], told["priority"], told["outputs_count"]) == (waiting, "pending", 1, 0)
        assert [(await ask(each))["status"] for each in (running, last)] == ["in_progress", "pending"]
        assert [await cancel(each) for each in (waiting, waiting)] == [{"cancelled": True}, {"cancelled": False}]
        assert await cancel(running) == {"cancelled": True}
        await visitor.ended(running)
        assert (await ask(running))["status"] == "cancelled"
        assert await cancel(running) == await cancel(UNKNOWN) == {"cancelled": False}
        await cancel(last)
    assert simulator.interrupted[0] == running
    assert waiting in simulator.deleted


async def test_newer_servers_take_only_uuids_and_older_ones_add_no_creation_time() -> None:
    async with visit(newer()) as visitor:
        posted = {"prompt": text_to_image(), "prompt_id": "shot-1"}
        assert (await visitor.http.post("/prompt", json=posted)).json()["error"]["type"] == "invalid_prompt_id"
    async with visit(Simulator(seconds=0, draw=False)) as visitor:
        entry = await visitor.render(text_to_image(), prompt_id="shot-1")
    assert entry["prompt"][3] == {"client_id": "visitor"}


async def test_a_job_has_the_workflow_id_that_the_client_sent() -> None:
    async with visit(newer()) as visitor:
        named = {"extra_pnginfo": {"workflow": {"id": "storyboard"}}}
        entries = [await visitor.render(text_to_image(), extra_data=extra) for extra in (named, {"extra_pnginfo": 1})]
        jobs = [(await visitor.http.get(f"/api/jobs/{entry['prompt'][1]}")).json() for entry in entries]
    assert [job.get("workflow_id") for job in jobs] == ["storyboard", None]
