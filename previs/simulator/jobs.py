"""Build the answers of newer servers to ``GET /api/jobs`` and ``/api/jobs/{id}``, like ``comfy_execution/jobs.py``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from previs.simulator.journal import Outcome, outcome_of
from previs.simulator.prompts import Prompt, Queue

Job = dict[str, Any]
"""One job; keys without a value are left out."""

_STATUSES: dict[Outcome, str] = {"success": "completed", "failed": "failed", "interrupted": "cancelled"}
_ALL_STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
_PREVIEWABLE = frozenset({"images", "video", "audio"})
_TIMES = {
    "execution_start": "execution_start_time",
    "execution_success": "execution_end_time",
    "execution_error": "execution_end_time",
    "execution_interrupted": "execution_end_time",
}


class WrongQueryError(Exception):
    """Report a parameter of ``GET /api/jobs`` that ComfyUI refuses, with its sentence."""


def jobs_of(queue: Queue, query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page of all jobs, the newest first unless the query says otherwise; raise WrongQueryError."""
    wanted = _statuses(query.get("status", ""))
    order, first = query.get("sort_order", "desc").lower(), query.get("sort_by", "created_at").lower()
    if first not in _SORTED_BY:
        raise WrongQueryError("sort_by must be 'created_at' or 'execution_duration'")
    if order not in ("asc", "desc"):
        raise WrongQueryError("sort_order must be 'asc' or 'desc'")
    limit, offset = _number(query, "limit"), max(0, _number(query, "offset") or 0)
    if limit is not None and limit <= 0:
        raise WrongQueryError("limit must be a positive integer")
    jobs = [job for job in _all_jobs(queue) if job["status"] in wanted]
    if query.get("workflow_id"):
        jobs = [job for job in jobs if job.get("workflow_id") == query["workflow_id"]]
    jobs.sort(key=_SORTED_BY[first], reverse=order == "desc")
    page = jobs[offset:] if limit is None else jobs[offset : offset + limit]
    has_more = offset + len(page) < len(jobs)
    return {"jobs": page, "pagination": {"offset": offset, "limit": limit, "total": len(jobs), "has_more": has_more}}


def _statuses(text: str) -> list[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in _ALL_STATUSES]
    if wrong:
        valid = ", ".join(_ALL_STATUSES)
        raise WrongQueryError(f"Invalid status value(s): {', '.join(wrong)}. Valid values: {valid}")
    return names or list(_ALL_STATUSES)


def _number(query: Mapping[str, str], name: str) -> int | None:
    try:
        return int(query[name]) if name in query else None
    except ValueError as error:
        raise WrongQueryError(f"{name} must be an integer") from error


def _all_jobs(queue: Queue) -> Iterator[Job]:
    if queue.running:
        yield _queued(queue.running, "in_progress")
    yield from (_queued(prompt, "pending") for prompt in queue.pending)
    yield from (_ended(prompt_id, entry) for prompt_id, entry in queue.history.items())


def _duration(job: Job) -> int:
    return int(job.get("execution_end_time", 0) - job.get("execution_start_time", 0))


_SORTED_BY: dict[str, Callable[[Job], int]] = {
    "created_at": lambda job: int(job.get("create_time", 0)),
    "execution_duration": _duration,
}


def job_of(prompt_id: str, queue: Queue) -> Job | None:
    """Return a prompt's job from the history, or else from the queue; None if the prompt is unknown."""
    if prompt_id in queue.history:
        entry = queue.history[prompt_id]
        _, _, graph, extra, _ = entry["prompt"]
        result = {"outputs": entry["outputs"], "execution_status": entry["status"]}
        return {**_ended(prompt_id, entry), **result, "workflow": {"prompt": graph, "extra_data": extra}}
    if queue.running and queue.running.prompt_id == prompt_id:
        return _queued(queue.running, "in_progress")
    return next((_queued(prompt, "pending") for prompt in queue.pending if prompt.prompt_id == prompt_id), None)


def _queued(prompt: Prompt, status: Literal["in_progress", "pending"]) -> Job:
    number, prompt_id, _, extra, _ = prompt.as_list()
    counts = {"outputs_count": 0, "previewable_outputs_count": 0}
    return _pruned({**_head(prompt_id, status, number, extra), **counts, "workflow_id": _workflow_id(extra)})


def _ended(prompt_id: str, entry: Mapping[str, Any]) -> Job:
    number, _, _, extra, _ = entry["prompt"]
    status = entry["status"]
    messages = {kind: content for kind, content in status["messages"] if kind in _TIMES}
    files = list(_files(entry["outputs"]))
    return _pruned(
        {
            **_head(prompt_id, _STATUSES[outcome_of(entry)], number, extra),
            **{_TIMES[kind]: content["timestamp"] for kind, content in messages.items()},
            "execution_error": messages.get("execution_error"),
            "outputs_count": len(files),
            "previewable_outputs_count": sum(file["mediaType"] in _PREVIEWABLE for file in files),
            "preview_output": _preview(files),
            "workflow_id": _workflow_id(extra),
        }
    )


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
