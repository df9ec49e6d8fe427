"""The journal has each prompt's events, in order."""

import asyncio
import time

from previs.simulator import Simulator
from tests.previs.simulator.sessions import text_to_image, visit


def told(simulator: Simulator) -> list[tuple[str, str, str | None]]:
    return [(event.kind, event.prompt_id, event.outcome) for event in simulator.journal]


def quick() -> Simulator:
    return Simulator(seconds=0, draw=False, previews=False)


async def test_a_prompt_is_posted_started_sampled_and_ended() -> None:
    simulator, before = quick(), time.monotonic()
    async with visit(simulator) as visitor:
        await visitor.render(text_to_image(), prompt_id="a")
        await visitor.render(text_to_image(), prompt_id="cached")
    assert told(simulator) == [
        ("posted", "a", None),
        ("started", "a", None),
        ("sampled", "a", None),
        ("ended", "a", "success"),
        ("posted", "cached", None),
        ("started", "cached", None),
        ("ended", "cached", "success"),
    ]
    times = [event.seconds for event in simulator.journal]
    assert before <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.monotonic()


async def test_failed_interrupted_and_deleted_prompts_are_distinguished() -> None:
    simulator = quick()
    simulator.faults.fail_on, simulator.faults.stall_on = "rain", "city"
    async with visit(simulator) as visitor:
        await visitor.render(text_to_image(text="rain"), prompt_id="bad")
        await visitor.submit(text_to_image(), prompt_id="stopped")
        for prompt_id in ("one", "two"):
            await visitor.submit(text_to_image(), prompt_id=prompt_id)
        await visitor.hear("progress")
        await visitor.http.post("/queue", json={"delete": ["one", "unknown"]})
        await visitor.http.post("/queue", json={"clear": True})
        await visitor.http.post("/interrupt", json={"prompt_id": "stopped"})
        await visitor.ended("stopped")
    ends = {event.prompt_id: event.outcome for event in simulator.journal if event.kind == "ended"}
    assert ends == {"bad": "failed", "stopped": "interrupted"}
    deletions = [("deleted", "one", None), ("deleted", "two", None)]
    assert told(simulator)[-4:] == [*deletions, ("interrupted", "stopped", None), ("ended", "stopped", "interrupted")]


async def test_a_restart_is_recorded_and_the_running_prompt_has_no_end() -> None:
    simulator = quick()
    simulator.faults.stall_on = "city"
    async with visit(simulator) as visitor:
        await visitor.submit(text_to_image(), prompt_id="lost")
        await visitor.hear("progress")
        simulator.restart()
        await asyncio.wait_for(visitor.socket.wait_closed(), 5)
    assert told(simulator)[-1] == ("restarted", "", None)
    assert "ended" not in [event.kind for event in simulator.journal]


async def test_the_lists_agree_with_the_journal() -> None:
    simulator = quick()
    async with visit(simulator) as visitor:
        for prompt_id in ("a", "a", "b"):
            await visitor.render(text_to_image(), prompt_id=prompt_id)
    for kind in ("posted", "started", "sampled", "interrupted", "deleted"):
        assert getattr(simulator, kind) == [event.prompt_id for event in simulator.journal if event.kind == kind]
    assert simulator.started == ["a", "a", "b"]
