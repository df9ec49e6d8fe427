"""Check what holds for every session with ComfyUI 0.3.64 or 0.33.0, recorded or simulated.

A session is a list of events: ``{"ws": "open"|"send"|"recv"|"close", …}`` and ``{"http": METHOD, "path", "response"}``.
The checks raise ``AssertionError``; :func:`outline` is what two sessions of one scenario have in common.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

Event = dict[str, Any]
Session = list[Event]
Value = Any
"""Any JSON value."""

MESSAGE_KEYS = {
    "execution_start": {"prompt_id", "timestamp"},
    "execution_cached": {"nodes", "prompt_id", "timestamp"},
    "execution_success": {"prompt_id", "timestamp"},
    "execution_interrupted": {"prompt_id", "node_id", "node_type", "executed", "timestamp"},
    "execution_error": {
        "prompt_id",
        "node_id",
        "node_type",
        "executed",
        "exception_message",
        "exception_type",
        "traceback",
        "current_inputs",
        "current_outputs",
        "timestamp",
    },
}
ENDS = ("execution_success", "execution_error", "execution_interrupted")
STATE_KEYS = {"value", "max", "state", "node_id", "prompt_id", "display_node_id", "parent_node_id", "real_node_id"}
FEATURE_KEYS = {
    "0.3.64": {"supports_preview_metadata", "max_upload_size"},
    "0.33.0": {
        "supports_preview_metadata",
        "supports_model_type_tags",
        "max_upload_size",
        "extension",
        "node_replacements",
        "assets",
    },
}
JOB_KEYS = {"id", "status", "priority", "create_time", "outputs_count", "previewable_outputs_count"}
JOB_TIMES = {"execution_start_time", "execution_end_time"}
TIMES = ("timestamp", "create_time", *JOB_TIMES)
HEADERS = ("content-type", "content-length", "content-disposition", "etag", "last-modified", "accept-ranges")
SHORTENED = ("\\u2026", "ComfyUI/")
"""What the recordings leave out: history entries, and paths of the machine."""

_RUN = re.compile(
    r"execution_start execution_cached "
    r"(?:running executing (?:step (?:preview4 progress|progress preview1|progress) )*(?:executed )?finished "
    r"|(?:executed )?finished )*"
    r"(?:execution_success "
    r"|running executing (?:step (?:preview4 progress|progress preview1|progress) )*execution_(?:error|interrupted) )"
    r"status ended "
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def check(session: Session, version: str = "0.3.64") -> None:
    """Check a session against everything that is known of the protocol of a version."""
    for event in session:
        if event.get("ws") == "recv":
            check_frame(event, version)
        elif "response" in event:
            check_answer(event)
            check_jobs(event)
    check_order(session)
    check_states(session)
    check_histories(session, version)
    check_numbers(session)


def check_frame(event: Event, version: str) -> None:
    """Check that a frame has the keys of its type, and no others."""
    if "binary" in event:
        binary = event["binary"]
        assert binary["image_head_base64"].startswith("/9j/"), "previews are JPEG"
        if binary["event_type"] == 4:
            identity = STATE_KEYS - {"value", "max", "state"}
            assert set(binary["metadata"]) == identity | {"image_type"}
            assert binary["metadata"]["image_type"] == "image/jpeg"
        else:
            assert binary["event_type"] == 1
        return
    frame = event["text"]
    assert set(frame) == {"type", "data"}
    keys, content = set(frame["data"]), frame["data"]
    match frame["type"]:
        case "status":
            assert keys - {"sid"} == {"status"}
            assert set(content["status"]) == {"exec_info"}
            assert set(content["status"]["exec_info"]) == {"queue_remaining"}
        case "feature_flags":
            assert keys == FEATURE_KEYS[version]
        case "progress":
            assert keys == {"value", "max", "prompt_id", "node"}
            assert 1 <= content["value"] <= content["max"]
        case "progress_state":
            assert keys == {"prompt_id", "nodes"}
        case "executing":
            alone = {"node", "prompt_id"} if content["node"] is None else {"node"}  # the latter after a reconnection
            assert keys in ({"node", "display_node", "prompt_id"}, alone)
        case "executed":
            assert keys == {"node", "display_node", "output", "prompt_id"}
            check_output(content["output"])
        case kind:
            assert keys == MESSAGE_KEYS[kind]
            assert isinstance(content["timestamp"], int)


def check_output(output: dict[str, Any]) -> None:
    assert set(output) <= {"images", "animated"}
    for file in output["images"]:
        assert set(file) == {"filename", "subfolder", "type"}
        assert re.fullmatch(r".+_\d{5}_\.(png|webp|mp4)", file["filename"])
        assert file["type"] in ("output", "temp")
    assert output.get("animated", [True]) == [True]


def check_answer(event: Event) -> None:
    """Check that an answer has aiohttp's form: ASCII JSON with its length, or nothing, or a file with its headers."""
    response = event["response"]
    headers = {name.lower(): value for name, value in response["headers"].items()}
    if "json" in response:
        assert headers["content-type"] == "application/json; charset=utf-8"
        text = json.dumps(response["json"])
        if not any(sign in text for sign in SHORTENED):
            assert headers["content-length"] == str(len(text))
        if response["status"] == 400:
            assert set(response["json"]) == {"error", "node_errors"}
            assert set(response["json"]["error"]) == {"type", "message", "details", "extra_info"}
    elif "body" in response:
        assert headers["content-length"] == str(response["body"]["bytes"])
        assert headers["accept-ranges"] == "bytes"
        assert headers["last-modified"].endswith("GMT")
        assert re.fullmatch(rf'"[0-9a-f]+-{response["body"]["bytes"]:x}"', headers["etag"])
        assert re.fullmatch(r'filename=".+"', headers["content-disposition"])
    elif response["status"] == 500:
        assert response["text"] == "500 Internal Server Error\n\nServer got itself in trouble"
        assert headers == {"content-type": "text/plain; charset=utf-8", "content-length": str(len(response["text"]))}
    else:
        assert (response["text"], headers) == ("", {"content-length": "0"})


def check_jobs(event: Event) -> None:
    """Check the keys of each job, and that the list has the newest first."""
    path = event["path"].partition("?")[0]
    if not path.startswith("/api/jobs") or event["http"] != "GET" or event["response"]["status"] != 200:
        return
    content = event["response"]["json"]
    if path == "/api/jobs":
        assert set(content) == {"jobs", "pagination"}
        page = content["pagination"]
        assert (page["total"], page["has_more"], page["offset"]) == (len(content["jobs"]), False, 0)
        times = [job["create_time"] for job in content["jobs"]]
        assert times == sorted(times, reverse=True)
    for job in content["jobs"] if path == "/api/jobs" else [content]:
        check_job(job, alone=path != "/api/jobs")


def check_job(job: dict[str, Any], *, alone: bool) -> None:
    more = {
        "pending": set(),
        "in_progress": set(),
        "completed": {*JOB_TIMES, "preview_output"},
        "failed": {*JOB_TIMES, "execution_error"},
        "cancelled": JOB_TIMES,
    }[job["status"]]
    result = {"outputs", "execution_status", "workflow"} if alone and more else set()
    assert set(job) == JOB_KEYS | more | result
    assert all(isinstance(job[name], int) for name in TIMES if name in job)


def check_order(session: Session) -> None:
    """Check that the frames of each complete run come in the order of the grammar."""
    for frames, is_whole in runs(session):
        sentence = "".join(f"{word} " for word in map(_word, frames))
        assert not is_whole or _RUN.fullmatch(sentence), sentence


def _word(frame: dict[str, Any]) -> str:
    if "event_type" in frame:
        return f"preview{frame['event_type']}"
    if frame["type"] == "progress_state":
        state = list(frame["data"]["nodes"].values())[-1]
        stepping = state["state"] == "running" and isinstance(state["value"], int)
        return "step" if stepping else str(state["state"])
    if frame["type"] == "executing" and frame["data"]["node"] is None:
        return "ended"
    return str(frame["type"])


def runs(session: Session) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """Yield the frames of each run, and whether one socket got all of them.

    ``status`` frames concern all prompts; only the one at the end of a run is kept.
    """
    frames: list[dict[str, Any]] = []
    is_seen_whole = False
    for event in session:
        if event.get("ws") in ("open", "close"):
            if frames:
                yield frames, False
            frames, is_seen_whole = [], False
        if event.get("ws") != "recv":
            continue
        frame = event.get("text") or event["binary"]
        if frame.get("type") == "execution_start":
            assert not frames, "two runs at a time"
            is_seen_whole = True
        is_end = bool(frames) and frames[-1].get("type") in ENDS
        if frame.get("type") not in ("status", "feature_flags") or is_end:
            frames.append(frame)
        if is_seen_whole and frame.get("type") == "executing" and frame["data"]["node"] is None:
            yield frames, True
            frames = []
    if frames:
        yield frames, False


def check_states(session: Session) -> None:
    """Check that nodes only join and advance, that ``executing`` names the running node, and that ids agree."""
    for frames, _ in runs(session):
        before: dict[str, Any] = {}
        for frame in frames:
            if frame.get("type") == "progress_state":
                nodes = frame["data"]["nodes"]
                assert list(nodes)[: len(before)] == list(before)
                for node, state in nodes.items():
                    assert set(state) == STATE_KEYS
                    assert state["node_id"] == state["display_node_id"] == state["real_node_id"] == node
                    assert state["prompt_id"] == frame["data"]["prompt_id"]
                    assert state["state"] in ("running", "finished")
                    if state["state"] == "finished":
                        assert state["value"] == state["max"]
                    if node in before and before[node]["state"] == "finished":
                        assert state == before[node]
                before = nodes
            elif frame.get("type") == "executing" and before and frame["data"]["node"] is not None:
                assert list(before)[-1] == frame["data"]["node"]


def check_histories(session: Session, version: str) -> None:
    """Check the form of history entries, and that they agree with the frames of the last run."""
    told = {frames[0]["data"]["prompt_id"]: frames for frames, is_whole in runs(session) if is_whole}
    for event in session:
        if "/history/" not in event.get("path", "") or "response" not in event:
            continue
        for prompt_id, entry in event["response"]["json"].items():
            assert set(entry) == {"prompt", "outputs", "status", "meta"}
            assert entry["prompt"][1] == prompt_id
            assert [type(part) for part in entry["prompt"][2:]] == [dict, dict, list]
            assert ("create_time" in entry["prompt"][3]) == (version == "0.33.0")
            assert set(entry["status"]) == {"status_str", "completed", "messages"}
            identities = [
                {"node_id": n, "display_node": n, "parent_node": None, "real_node_id": n} for n in entry["meta"]
            ]
            assert list(entry["meta"].values()) == identities
            assert set(entry["meta"]) == set(entry["outputs"])
            last = entry["status"]["messages"][-1][0]
            succeeded = last == "execution_success"
            assert (entry["status"]["status_str"], entry["status"]["completed"]) == (
                ("success", True) if succeeded else ("error", False)
            )
            if prompt_id in told:
                check_entry_against_frames(entry, told[prompt_id])


def check_entry_against_frames(entry: dict[str, Any], frames: list[dict[str, Any]]) -> None:
    messages = [[frame["type"], frame["data"]] for frame in frames if frame.get("type") in MESSAGE_KEYS]
    assert entry["status"]["messages"] == messages
    outputs = {f["data"]["node"]: f["data"]["output"] for f in frames if f.get("type") == "executed"}
    assert entry["outputs"] == outputs


def check_numbers(session: Session) -> None:
    """Check that accepted prompts get rising numbers."""
    numbers = [event["response"]["json"]["number"] for event in session if is_accepted(event)]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)


def is_accepted(event: Event) -> bool:
    return (event.get("http"), event.get("path"), event.get("response", {}).get("status")) == ("POST", "/prompt", 200)


def outline(session: Session) -> dict[str, Any]:
    """Return what every session of the same scenario has in common.

    Left out is what depends on the time a step takes (the number of steps told, and of ``status`` frames among them),
    on the machine (memory, versions, sizes) and on what the server did before (numbers); the order of output nodes,
    and of what ComfyUI keeps in sets, is random in ComfyUI.
    """
    names = {}
    for found in _UUID.findall(json.dumps([event for event in session if event.get("path") == "/prompt"])):
        names.setdefault(found, f"prompt-{len(names) + 1}")
    return {
        "sockets": [event["ws"] for event in session if event.get("ws") in ("open", "send", "close")],
        "greetings": [
            _masked(event["text"], names) for event in session if "sid" in event.get("text", {}).get("data", {})
        ],
        "runs": [_run_outline(frames, names) for frames, _ in runs(session)],
        "remaining": _remaining(session),
        "answers": [_answer_outline(event, names) for event in session if "http" in event],
    }


def _remaining(session: Session) -> list[int]:
    """Return the queue lengths in ``status`` frames, without repeats."""
    told = [event["text"]["data"]["status"]["exec_info"]["queue_remaining"] for event in session if _is_status(event)]
    return [length for place, length in enumerate(told) if not place or told[place - 1] != length]


def _is_status(event: Event) -> bool:
    return event.get("ws") == "recv" and event.get("text", {}).get("type") == "status"


def _run_outline(frames: list[dict[str, Any]], names: dict[str, str]) -> list[Any]:
    """Return the words of a run by node, without repeated steps, output nodes in order of their ids."""
    blocks: list[tuple[str, list[Any]]] = []
    for frame in frames:
        word = _word(frame)
        if word == "status":
            continue
        node, told = _told(frame, word, names)
        if not blocks or blocks[-1][0] != node:
            blocks.append((node, []))
        if told not in blocks[-1][1]:
            blocks[-1][1].append(told)
    first = next((place for place, (_, words) in enumerate(blocks) if _saves(words)), len(blocks))
    last = first + sum(_saves(words) for _, words in blocks)
    return blocks[:first] + sorted(blocks[first:last]) + blocks[last:]


def _saves(words: list[Any]) -> bool:
    return any(word[0] == "executed" for word in words)


def _told(frame: dict[str, Any], word: str, names: dict[str, str]) -> tuple[str, Any]:
    if "event_type" in frame:
        return str(frame.get("metadata", {}).get("node_id", "")), (word, sorted(frame.get("metadata", {})))
    content = frame["data"]
    if frame["type"] == "progress_state":
        node, state = list(content["nodes"].items())[-1]
        kinds = (type(state["value"]).__name__, type(state["max"]).__name__)
        return node, (word, *kinds, "" if word == "step" else repr((state["value"], state["max"])))
    if frame["type"] == "progress":
        return content["node"], (word, content["max"])
    return str(content.get("node")), (word, json.dumps(_masked(content, names), sort_keys=True))


def _answer_outline(event: Event, names: dict[str, str]) -> list[Any]:
    asked = [event["http"], _named(event["path"].split("max_items")[0], names)]
    if "response" not in event:
        return [*asked, "no connection"]
    response = event["response"]
    headers = {name.lower(): value for name, value in response["headers"].items()}
    held = [name for name in HEADERS if name in headers]
    told: list[Any] = [*asked, response["status"], held, headers.get("content-type")]
    if "body" in response:
        return [*told, _named(headers["content-disposition"], names), _kind(response["body"]["head_base64"])]
    if "json" in response:
        told.append(_content_outline(event["path"], response["json"], names))
    return [*told, headers["content-length"]] if response["status"] >= 400 else told


def _content_outline(path: str, content: Value, names: dict[str, str]) -> Value:
    if path.endswith("system_stats"):
        return _shape(content)
    if path.partition("?")[0] == "/api/jobs":
        return json.dumps([_masked(job, names) for job in content["jobs"] if job["id"] in names], sort_keys=True)
    return len(content) if "max_items" in path else json.dumps(_masked(content, names), sort_keys=True)


def _kind(head: str) -> str:
    start = base64.b64decode(head)
    signs = {b"PNG\r": "PNG", b"ftyp": "MP4", b"WEBP": "WEBP"}
    return next((kind for sign, kind in signs.items() if sign in start), head)


def _shape(value: Value) -> Value:
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return [_shape(each) for each in value[:1]]
    return type(value).__name__


def _named(text: str, names: dict[str, str]) -> str:
    for found, name in names.items():
        text = text.replace(found, name)
    text = re.sub(r"_\d{5}_", "_N_", text)
    text = re.sub(r"_temp_[0-9a-z]{5}_", "_temp_LETTERS_", text)
    return re.sub(r"'\S*input/", "'input/", text)


def _masked(value: Value, names: dict[str, str], key: str = "") -> Value:
    if key in (*TIMES, "number", "priority"):
        return type(value).__name__
    if key == "traceback":
        return [type(line).__name__ for line in value[:1]]
    if isinstance(value, dict):
        return {_named(name, names): _masked(each, names, name) for name, each in value.items()}
    if isinstance(value, list):
        return _masked_list([_masked(each, names) for each in value], key)
    return _named(value, names) if isinstance(value, str) else value


def _masked_list(parts: list[Value], key: str) -> list[Value]:
    if len(parts) == 5 and isinstance(parts[0], int) and isinstance(parts[2], dict):
        return ["number", *parts[1:4], sorted(parts[4])]
    if key in ("executed", "current_outputs", "dependent_outputs"):
        return sorted(parts)
    return sorted(parts, key=lambda reason: str(reason["details"])) if key == "errors" else parts
