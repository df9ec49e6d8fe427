"""Build the answers of newer servers to ``GET /api/jobs/{id}``, like their ``comfy_execution/jobs.py``."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from previs.simulator.journal import Outcome, outcome_of
from previs.simulator.prompts import Prompt, Queue

Job = dict[str, Any]
"""One job; keys without a value are left out."""

_STATUSES: dict[Outcome, str] = {"success": "completed", "failed": "failed", "interrupted": "cancelled"}
_PREVIEWABLE = frozenset({"images", "video", "audio"})
_TIMES = {
    "execution_start": "execution_start_time",
    "execution_success": "execution_end_time",
    "execution_error": "execution_end_time",
    "execution_interrupted": "execution_end_time",
}


def job_of(prompt_id: str, queue: Queue) -> Job | None:
    """Return a prompt's job from the history, or else from the queue; None if the prompt is unknown."""
    if prompt_id in queue.history:
        return _ended(prompt_id, queue.history[prompt_id])
    if queue.running and queue.running.prompt_id == prompt_id:
        return _queued(queue.running, "in_progress")
    return next((_queued(prompt, "pending") for prompt in queue.pending if prompt.prompt_id == prompt_id), None)


def _queued(prompt: Prompt, status: Literal["in_progress", "pending"]) -> Job:
    number, prompt_id, _, extra, _ = prompt.as_list()
    return _pruned({**_head(prompt_id, status, number, extra), "outputs_count": 0, "workflow_id": _workflow_id(extra)})


def _ended(prompt_id: str, entry: Mapping[str, Any]) -> Job:
    number, _, graph, extra, _ = entry["prompt"]
    status = entry["status"]
    messages = {kind: content for kind, content in status["messages"] if kind in _TIMES}
    files = list(_files(entry["outputs"]))
    job = {
        **_head(prompt_id, _STATUSES[outcome_of(entry)], number, extra),
        **{_TIMES[kind]: content["timestamp"] for kind, content in messages.items()},
        "execution_error": messages.get("execution_error"),
        "outputs_count": len(files),
        "preview_output": _preview(files),
        "workflow_id": _workflow_id(extra),
    }
    result = {"outputs": entry["outputs"], "execution_status": status}
    return {**_pruned(job), **result, "workflow": {"prompt": graph, "extra_data": extra}}


def _head(prompt_id: str, status: str, number: float, extra: Mapping[str, Any]) -> Job:
    return {"id": prompt_id, "status": status, "priority": number, "create_time": extra.get("create_time")}


def _pruned(job: Job) -> Job:
    return {key: value for key, value in job.items() if value is not None}


def _workflow_id(extra: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the client posted
    information = extra.get("extra_pnginfo")
    workflow = information.get("workflow") if isinstance(information, dict) else None
    return workflow.get("id") if isinstance(workflow, dict) else None


def _files(outputs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each file with its node and its key; ``animated`` is a flag, not a file."""
    for node, made in outputs.items():
        for media, files in made.items():
            if media != "animated":
                yield from ({**file, "nodeId": node, "mediaType": media} for file in files)


def _preview(files: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first file that can be shown; prefer saved files to temporary ones."""
    shown = [file for file in files if file["mediaType"] in _PREVIEWABLE]
    return next((file for file in shown if file["type"] == "output"), shown[0] if shown else None)
