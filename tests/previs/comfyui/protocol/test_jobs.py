"""Test that a job of a newer server is read like the history, and left open if inconclusive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.history import Failure, Interruption, OutputFile, Success, read_entry
from previs.comfyui.protocol.jobs import read_job
from previs.comfyui.protocol.prompt_state import Phase
from tests.previs.comfyui.recordings import SESSIONS, events

DONE: dict[str, Any] = {
    "outputs": {"9": {"images": [{"filename": "a.png", "subfolder": "s", "type": "output"}]}},
    "execution_status": {
        "status_str": "success",
        "completed": True,
        "messages": [["execution_start", {"timestamp": 1000}], ["execution_success", {"timestamp": 3500}]],
    },
}
FAILED = {
    "status_str": "error",
    "messages": [
        [
            "execution_error",
            {"node_id": "3", "node_type": "KSampler", "exception_type": "ValueError", "exception_message": "bad"},
        ]
    ],
}


@pytest.mark.parametrize(
    ("job", "read"),
    [
        ({"status": "pending"}, Phase.WAITING),
        ({"status": "in_progress"}, Phase.RUNNING),
        ({"status": "completed", **DONE}, Success((OutputFile("a.png", "s", "output"),), 2.5)),
        ({"status": "completed", "outputs": {}}, Success(())),
        ({"status": "failed", "execution_status": FAILED}, Failure("3", "KSampler", "ValueError", "bad")),
        ({"status": "failed"}, Failure("?", "?", "", "the server reports failure without a reason")),
        ({"status": "cancelled"}, Interruption()),
        ({"status": "cancelled", "execution_status": FAILED}, Interruption()),
    ],
)
def test_a_job_is_read_by_its_status(job: dict[str, Any], read: object) -> None:
    assert read_job(job) == read


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"status": "archived", **DONE},
        {"status": ["pending"]},
        {"status": "completed"},
        {"status": "completed", "outputs": []},
    ],
)
def test_an_inconclusive_job_is_left_to_queue_and_history(job: dict[str, Any]) -> None:
    assert read_job(job) is None


STATUS = {Success: "completed", Failure: "failed", Interruption: "cancelled"}
ENTRIES = [
    entry
    for session in SESSIONS
    for event in events(session)
    if event.get("path", "").startswith("/history/")
    for entry in event.get("response", {}).get("json", {}).values()
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["prompt"][1])
def test_a_recorded_end_is_the_same_from_job_and_history(entry: dict[str, Any]) -> None:
    end = read_entry(entry)
    job = {"status": STATUS[type(end)], "outputs": entry["outputs"], "execution_status": entry["status"]}
    assert read_job(job) == end


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "error", "execution_error"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["messages", "status_str", "images"]), inner, max_size=3)
    ),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["pending", "in_progress", "completed", "failed", "cancelled"]) | JSON,
            "outputs": JSON | st.dictionaries(st.sampled_from(["9", "a", "²"]), JSON),
            "execution_status": JSON,
        },
    )
)
def test_arbitrary_jobs_are_read_without_an_error(job: dict[str, Any]) -> None:
    read = read_job(job)
    assert (read is None) == (
        job.get("status") not in ("pending", "in_progress", "completed", "failed", "cancelled")
        or (job["status"] == "completed" and not isinstance(job.get("outputs"), dict))
    )
