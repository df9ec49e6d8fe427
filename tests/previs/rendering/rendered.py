"""Render boards and publish them."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from previs.comfyui.protocol.graph import Graph
from previs.ingest.load import load_inputs
from previs.planning.make_plan import RunOptions, make_plan
from previs.planning.schedule import TakeResult
from previs.publishing.publish import lasting_addresses, links_of, publish
from previs.publishing.results import RunIdentity, make_manifest
from previs.records.manifest import Manifest
from previs.records.takes import TakeRecord
from previs.rendering.dispatch import TakeDispatcher
from previs.store import Store
from tests.previs.comfyui.graphs import graph
from tests.previs.rendering.contexts import context_of

STARTED = datetime(2026, 10, 31, 17, 40, tzinfo=UTC)
RUN = "20261031-174000-abcdef01"
BOARD = "夜景"
ORIENTATION, TURNED = 0x0112, 6


@dataclass(frozen=True, slots=True)
class Rendered:
    """Hold a published board.

    Attributes:
        uri: Path or URL of its manifest.
        url: URL of the server that rendered it.
    """

    store: Store
    manifest: Manifest
    uri: str
    url: str


def picture(*, turned: bool = False) -> bytes:
    """Return a JPEG that is uploaded unchanged, or one that is turned upright first."""
    made, file = Image.linear_gradient("L").resize((48, 32)), io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    made.save(file, "JPEG", **({"exif": exif} if turned else {}))
    return file.getvalue()


def from_picture() -> Graph:
    made = graph()
    made["10"] = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    made["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    return made


def shot(shot_id: int | str, *urls: str, **fields: Any) -> dict[str, Any]:
    references = [{"url": url, "reference_id": f"r{number}"} for number, url in enumerate(urls, 1)]
    return {"shot_id": shot_id, "prompt": f"镜头 {shot_id}", "duration": 2.0, "references": references} | fields


async def board_of(
    store: Store,
    url: str,
    folder: Path,
    *shots: dict[str, Any],
    workflow: Graph | None = None,
    takes: int = 1,
) -> Rendered:
    """Render shots as a run does, with references to files of a folder, and publish the board."""
    listed = folder / "shots.json"
    listed.write_text(json.dumps({"shots": shots}), "utf-8")
    records: dict[str, TakeRecord] = {}
    results = []
    async with context_of(store, url) as context:
        inputs = await load_inputs(str(listed), workflow or graph(), context.reader, store, context.farm.classes)
        plan = make_plan(inputs.shot_list, inputs.workflows, inputs.pictures, options=RunOptions(takes))
        for planned in plan.sources_first():
            frames = {each: found for each in planned.builds_on if (found := records[each.label].picture)}
            one = planned.with_sources(frames)
            records[one.label] = await TakeDispatcher(one, context).render()
            results.append(TakeResult(one, "rendered", records[one.label]))
    made = [frame for record in records.values() for frame in record.frames]
    links = await links_of(made, store)
    facts = RunIdentity(BOARD, RUN, STARTED, inputs.workflow_facts)
    addresses = lasting_addresses(made, links, store)
    manifest = make_manifest(plan, results, facts, addresses, finished=datetime.now(UTC), servers=[url])
    published = await publish(manifest, links, store)
    return Rendered(store, manifest, published.manifest, url)
