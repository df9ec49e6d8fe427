"""Give each reader of foreign content good inputs, for the fuzzer to damage."""

import contextlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.made import pictures, workbooks
from benchmarks.recorded import LARGEST, answers, classes, files, graphs, messages, numbered
from previs.boards.picks import read_pick
from previs.comfyui.client.connection import retry_after
from previs.comfyui.protocol.check import findings
from previs.comfyui.protocol.classes import read_class
from previs.comfyui.protocol.frames import read_frame
from previs.comfyui.protocol.history import read_entry
from previs.comfyui.protocol.jobs import read_job
from previs.comfyui.protocol.models import header_hash
from previs.comfyui.protocol.prompt_state import PromptState
from previs.comfyui.protocol.queue import read_queue
from previs.comfyui.protocol.requirements import lacking, requirements_of
from previs.comfyui.protocol.validation_errors import classes_to_ask, faults_of
from previs.comfyui.protocol.wire import as_mapping, read_json
from previs.errors import WorkflowFaults
from previs.pictures import examine, playback, upright_png_or_jpeg, workflow_in
from previs.planning.cache import parse_record
from previs.records.manifest import read_manifest
from previs.screenplay import make_shot_list, read_screenplay
from previs.shots import read_chains, read_shot_list
from previs.workflow import (
    PlacedReference,
    ShotValues,
    open_workflow,
    read_bindings,
    read_workflow,
    saving_nodes,
    unsaved_outputs,
)

_SHOTS = (
    ShotValues("a city", "blur", 7, width=512, height=512, duration=2.0),
    ShotValues("", None, 2**64 - 1, duration=0.04, overrides={"seed": 1}),
    ShotValues("a {city|town}", None, 0, references=(PlacedReference("previs/a.png", "r", 0.5),)),
    ShotValues("a city", None, 12),
)


@dataclass(frozen=True)
class Reader:
    """Represent a reader of foreign content.

    Attributes:
        read: Reads an input; may raise errors of previs, and no others.
        good: Returns inputs that can be read, by name.
        share: Part of all inputs that it gets, compared with the others; slow readers get few.
    """

    read: Callable[[bytes, str], object]
    good: Callable[[], dict[str, bytes]]
    share: int


def _read_list(content: bytes, name: str) -> None:
    read_chains(read_shot_list(content, name=name))


def _lists() -> dict[str, bytes]:
    given = files("examples/*.yaml", "examples/*.csv", "examples/upstream.json")
    listed = json.dumps(yaml.safe_load(given["night-city.yaml"]), default=str, ensure_ascii=False)
    table = "| Shot # | Description | Duration |\n|---|:-:|---|\n| 1 | fog \\| **rain** | 5s |\n| 2 | a<br>hand | 3 |\n"
    lines = '{"shot_id": 1, "prompt": "fog", "duration": 3}\n{"shot_id": 2, "prompt": "rain", "duration": 2.5}\n'
    fenced = f"Here it is:\n\n```json\n{listed}\n```\nDone.\n"
    made = {"night-city.json": listed, "lines.jsonl": lines, "table.md": table, "answer.md": fenced}
    return {**given, **{name: text.encode() for name, text in made.items()}}


def _read_workflow(content: bytes, name: str) -> None:
    opened = open_workflow(content, name=name)
    workflow = opened.read(
        {each: read_class(each, classes()[each]) if each in classes() else None for each in opened.classes}
    )
    workflow.report()
    for shot in _SHOTS:
        with contextlib.suppress(WorkflowFaults):
            saving_nodes(workflow.bind(shot))
            workflow.report(shot)


def _editor_files() -> dict[str, bytes]:
    templates = (Path(each.locate()) for each in importlib.metadata.files("comfyui-workflow-templates-json") or [])
    files = [each for each in templates if each.suffix == ".json" and not each.name.startswith("index")]
    return {each.name: each.read_bytes() for each in files if each.stat().st_size <= LARGEST}


def _read_classes(content: bytes, name: str) -> None:
    try:
        value = as_mapping(read_json(content))
    except (ValueError, RecursionError):
        return
    described, graph = as_mapping(value.get("classes")), dict(as_mapping(value.get("graph")))
    known = {each: read_class(each, rules) if isinstance(rules, dict) else None for each, rules in described.items()}
    for each in findings(graph, known):
        str(each.fault)
    workflow = read_workflow(graph, name=name, classes=known)
    for shot in _SHOTS:
        with contextlib.suppress(WorkflowFaults):
            bound = workflow.bind(shot)
            workflow.report(shot)
            lacking(requirements_of(bound), known)
            saving_nodes(bound, known)
            unsaved_outputs(bound, known)
            [str(each.fault) for each in findings(bound, known)]


def _described_graphs() -> dict[str, bytes]:
    pairs = [
        {"graph": graph, "classes": {each: classes()[each] for each in used if each in classes()}}
        for graph in graphs()
        if (used := {node["class_type"] for node in graph.values()})
    ]
    return numbered(pairs)


def _workflows() -> dict[str, bytes]:
    return {**files("examples/workflows/*.json"), **numbered(list(graphs()))}


def _read_metadata(content: bytes, name: str) -> None:
    open_workflow(workflow_in(content, name=name), name=name)


def _read_picture(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame"
        path.write_bytes(content)
        playback(path, examine(path, name=name))


def _read_reference(content: bytes, name: str) -> None:
    upright_png_or_jpeg(content, uri=name)


def _read_script(content: bytes, name: str) -> None:
    make_shot_list(read_screenplay(content, name))


def _read_message(content: bytes, _: str) -> None:
    state = PromptState("p")
    for message in (content, content.decode(errors="replace")):
        state.on_frame(read_frame(message), 0.0)
    state.accept()
    state.on_history(None, absent_from_queue=True)


def _messages() -> dict[str, bytes]:
    metadata = json.dumps({"prompt_id": "p", "node_id": "3"}).encode()
    preview = b"\0\0\0\4" + len(metadata).to_bytes(4) + metadata + b"\xff\xd8\xff"
    return {**numbered(messages()), "preview": preview, "older preview": b"\0\0\0\1\0\0\0\1\xff\xd8\xff"}


def _read_answer(content: bytes, _: str) -> None:
    """Read JSON as each answer of a server."""
    try:
        value = as_mapping(read_json(content))
    except (ValueError, RecursionError):
        return
    for each in (value, *map(as_mapping, value.values())):
        read_entry(each)
        read_job(each)
        read_queue(each)
        header_hash(each)
        classes_to_ask(each)
        for fault in faults_of(each, {}, {"KSampler": each}):
            str(fault)


def _answers() -> dict[str, bytes]:
    asked = [
        ("GET", "/history"),
        ("GET", "/api/jobs"),
        ("GET", "/queue"),
        ("GET", "/system_stats"),
        ("POST", "/prompt"),
    ]
    return numbered([each for request in asked for status in (200, 400) for each in answers(*request, status)])


def _read_header(content: bytes, _: str) -> None:
    retry_after(content.decode("latin-1"))


def _headers() -> dict[str, bytes]:
    return {"seconds": b"120", "date": b"Wed, 21 Oct 2026 07:28:00 GMT", "zone": b"Wed, 21 Oct 2026 07:28:00 -0730 (x)"}


_FRAME = {
    "key": "frames/ab/ab.png",
    "sha256": "ab" * 32,
    "size": 3,
    "media_type": "image/png",
    "width": 8,
    "height": 8,
}


def _records() -> dict[str, bytes]:
    attempt = {"at": "2026-01-01T00:00:00Z", "server": "http://a", "error": "e"}
    record = {"schema": "previs.take/1", "fingerprint": "f", "seed": 7, "prompt_id": "p", "server": "http://a"}
    record |= {"seconds": 1.5, "finished": "2026-01-01T00:00:00Z", "frames": [_FRAME], "attempts": [attempt]}
    pick = {"schema": "previs.pick/1", "shot_id": "f", "take": 2, "fingerprint": "f", "picked": "2026-01-01T00:00:00Z"}
    return {"record": json.dumps(record).encode(), "pick": json.dumps(pick).encode()}


def _read_record(content: bytes, name: str) -> None:
    if name == "pick":
        read_pick("picks/b/f.json", content)
    else:
        parse_record(content, "f")


def _manifests() -> dict[str, bytes]:
    take = {"take": 1, "outcome": "rendered", "fingerprint": "f", "seed": 7, "frames": [_FRAME], "graph": graphs()[0]}
    shot = {
        "shot_id": "a",
        "success": True,
        "image_url": "a",
        "prompt": "p",
        "duration": 2,
        "shot": {},
        "takes": [take],
    }
    manifest = {"schema": "previs.manifest/2", "board": "b", "run": "r", "number": 1, "started": "2026-01-01T00:00:00Z"}
    manifest |= {"finished": "2026-01-01T00:00:00Z", "workflow": {}, "servers": ["http://a"], "shots": [shot]}
    return {"manifest": json.dumps(manifest).encode()}


def _read_manifest(content: bytes, name: str) -> None:
    manifest = read_manifest(content, name=name)
    str(manifest.duration)
    list(manifest.failed)


def _read_bindings(content: bytes, name: str) -> None:
    read_bindings(content, name=name)


READERS = {
    "lists": Reader(_read_list, _lists, 12),
    "workbooks": Reader(_read_list, workbooks, 6),
    "workflows": Reader(_read_workflow, _workflows, 4),
    "editor files": Reader(_read_workflow, _editor_files, 2),
    "node classes": Reader(_read_classes, _described_graphs, 2),
    "bindings": Reader(_read_bindings, lambda: files("examples/workflows/*.yaml"), 4),
    "metadata": Reader(_read_metadata, pictures, 10),
    "Fountain": Reader(_read_script, lambda: files("examples/*.fountain"), 6),
    "Final Draft": Reader(_read_script, lambda: files("examples/*.fdx"), 6),
    "frames": Reader(_read_picture, pictures, 10),
    "references": Reader(_read_reference, pictures, 10),
    "histories": Reader(_read_answer, _answers, 15),
    "messages": Reader(_read_message, _messages, 10),
    "headers": Reader(_read_header, _headers, 2),
    "manifests": Reader(_read_manifest, _manifests, 8),
    "records": Reader(_read_record, _records, 8),
}
"""All readers, by name."""


def variants(good: dict[str, bytes]) -> Iterator[tuple[str, bytes, Any]]:
    """Yield each good input with its name and, if it is JSON or YAML, what it holds."""
    for name, content in good.items():
        held = None
        with contextlib.suppress(ValueError):
            held = json.loads(content)
        if name.endswith(".yaml"):
            held = yaml.safe_load(content)
        yield name, content, held
