"""Connect to simulated servers, and make shots."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import previs
from previs.simulator import Simulator

SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 64, "height": 64, "steps": 4}
WITH_REFERENCES = SETTINGS | {"controlnet": "diffusers_xl_canny_full.safetensors", "reference_strength": 0.8}
EXAMPLES = Path(__file__).parents[3] / "examples"


def shot(shot_id: int | str = 1, prompt: str = "", *urls: str, **fields: Any) -> dict[str, Any]:
    """Return a shot in the form that upstream systems send."""
    references = [{"url": url, "reference_id": f"ref_{number}"} for number, url in enumerate(urls, 1)]
    return {"shot_id": shot_id, "prompt": prompt or f"夜 {shot_id}", "references": references, "duration": 3.0} | fields


@contextlib.asynccontextmanager
async def session_of(store: Path, *urls: str, **settings: Any) -> AsyncIterator[previs.Session]:
    async with previs.connect(*urls, store=store, **settings) as session:
        yield session


def most_in_work(simulators: Iterable[Simulator]) -> int:
    """Return the most prompts that servers of one process held at any moment, all together."""
    events = [(event.seconds, number, event) for number, each in enumerate(simulators) for event in each.journal]
    held: set[tuple[int, str]] = set()
    most = 0
    for _, number, event in sorted(events, key=lambda each: each[0]):
        if event.kind == "posted":
            held.add((number, event.prompt_id))
        elif event.kind in {"ended", "deleted"}:
            held.discard((number, event.prompt_id))
        elif event.kind == "restarted":
            held = {each for each in held if each[0] != number}
        most = max(most, len(held))
    return most
