"""Test that a queue is read entry by entry, and never mistaken for an empty one."""

from typing import Any

import pytest

from previs.comfyui.protocol.queue import Queued, read_queue
from tests.previs.comfyui.recordings import SESSIONS, events


def entry(number: object, prompt_id: object, client: object = "ours") -> list[Any]:
    return [number, prompt_id, {"3": {}}, {"client_id": client}, ["9"]]


def test_each_entry_has_its_client_and_whether_it_runs() -> None:
    body = {"queue_running": [entry(4, "a")], "queue_pending": [entry(6.5, "b", "theirs"), [7, "c", {}, {}, []]]}
    queue = read_queue(body)
    assert queue is not None
    assert queue.entries == (
        Queued("a", 4, "ours", running=True),
        Queued("b", 6.5, "theirs", running=False),
        Queued("c", 7, None, running=False),
    )
    assert [queue.place_of(prompt) for prompt in "abcd"] == ["running", "pending", "pending", None]


def test_of_an_id_that_was_posted_twice_the_one_that_runs_counts() -> None:
    queue = read_queue(
        {"queue_running": [entry(1, "a")], "queue_pending": [entry(2, "a"), entry(3, "b"), entry(4, "b")]}
    )
    assert queue is not None
    assert [queue.place_of(prompt) for prompt in "ab"] == ["running", "pending"]
    assert [each.prompt_id for each in queue.entries] == ["a", "a", "b", "b"]


@pytest.mark.parametrize("odd", [None, 5, "text", [], [1], [1, None], [1, 2], [1, ["a"]], {"prompt_id": "a"}])
def test_an_unreadable_entry_is_left_out(odd: object) -> None:
    queue = read_queue({"queue_running": [odd], "queue_pending": [odd, entry(1, "whole"), odd]})
    assert queue is not None
    assert queue.entries == (Queued("whole", 1, "ours", running=False),)


@pytest.mark.parametrize(
    "known", [["x", "a"], [None, "a", {}], [True, "a", {}, None], [[], "a", {}, {"client_id": 5}, [], {"new": 1}]]
)
def test_an_entry_with_an_unreadable_rest_still_counts(known: list[Any]) -> None:
    queue = read_queue({"queue_running": [], "queue_pending": [known]})
    assert queue is not None
    assert queue.place_of("a") == "pending"
    assert queue.entries[0].client_id is None


@pytest.mark.parametrize(
    "body", [{}, {"queue_running": []}, {"queue_pending": []}, {"queue_running": {}, "queue_pending": []}]
)
def test_an_answer_without_its_lists_is_not_an_empty_queue(body: dict[str, Any]) -> None:
    assert read_queue(body) is None


def test_every_recorded_queue_is_read_completely() -> None:
    bodies = [
        event["response"]["json"]
        for session in SESSIONS
        for event in events(session)
        if event.get("http") == "GET" and event["path"] == "/queue" and "response" in event
    ]
    assert any(body["queue_running"] for body in bodies)
    for body in bodies:
        queue = read_queue(body)
        assert queue is not None
        listed = body["queue_running"] + body["queue_pending"]
        assert [(each.number, each.prompt_id, each.client_id) for each in queue.entries] == [
            (number, prompt_id, extra["client_id"]) for number, prompt_id, _, extra, _ in listed
        ]
