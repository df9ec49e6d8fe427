"""Read sessions recorded with a real ComfyUI 0.3.64 and a real ComfyUI 0.33.0."""

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from previs.comfyui.protocol.frames import Frame, read_frame
from previs.comfyui.protocol.history import End, Failure, Interruption, Loss, OutputFile, Success

FOLDER = Path(__file__).parents[2] / "recordings"
NEWER = "0.33.0"


def _folder(version: str) -> Path:
    return FOLDER.with_name(f"{FOLDER.name}-{version}") if version else FOLDER


def _sessions(version: str) -> list[str]:
    start = f"{version}/" if version else ""
    return [start + path.stem for path in _folder(version).glob("*.json") if path.stem != "object_info"]


OLDER = sorted(_sessions(""))
SESSIONS = sorted(OLDER + _sessions(NEWER))
"""All recorded sessions; those with 0.33.0 begin with ``0.33.0/``."""


def events(session: str, version: str = "") -> list[dict[str, Any]]:
    """Return the events of a session; its version may be given apart."""
    start, _, name = session.rpartition("/")
    content: dict[str, Any] = json.loads((_folder(version or start) / f"{name}.json").read_text("utf-8"))
    return list(content["events"])


def files(*names: str, subfolder: str = "") -> Success:
    return Success(tuple(OutputFile(name, subfolder, "output") for name in names))


BROKEN_PICTURE = Failure(
    "1", "LoadImage", "PIL.UnidentifiedImageError", "cannot identify image file 'data/input/broken.png'"
)
BROKEN_PICTURE_NEWER = replace(BROKEN_PICTURE, message="cannot identify image file '/srv/ComfyUI/input/broken.png'")
BATCH = tuple(OutputFile(f"shot_0000{number}_.png", "boards/第1场", "output") for number in (1, 2))

ENDS: dict[str, list[End]] = {
    "client_chosen_prompt_id": [files("shot_00012_.png")],
    "delete_pending": [files("shot_00011_.png"), Loss()],
    "execution_error": [BROKEN_PICTURE],
    "image_only_graph": [files("plain_00001_.png")],
    "image_to_image_reference": [files("shot_00013_.png")],
    "interrupt_running": [Interruption()],
    "one_bad_output_among_two": [files("shot_00010_.png")],
    "previews_without_metadata": [files("shot_00016_.png")],
    "rejected_by_validation": [],
    "resubmit_fully_cached": [files("shot_00007_.png"), files("shot_00007_.png")],
    "server_facts": [],
    "server_killed_while_running": [Loss()],
    "several_outputs": [Success((*BATCH, OutputFile("anim_00001_.webp", "", "output")))],
    "socket_dropped_and_reopened": [files("shot_00014_.png")],
    "text_to_image_success": [files("shot_00017_.png")],
    "two_prompts_queued": [files("shot_00008_.png"), files("shot_00009_.png")],
    "upload_references": [],
    "video_output": [files("shot_00001_.mp4", subfolder="video")],
    "view_refusals": [],
    "0.33.0/client_chosen_prompt_id": [files("shot_00008_.png")],
    "0.33.0/delete_pending": [files("shot_00007_.png"), Loss()],
    "0.33.0/execution_error": [BROKEN_PICTURE_NEWER],
    "0.33.0/image_only_graph": [files("plain_00001_.png")],
    "0.33.0/image_to_image_reference": [files("shot_00009_.png")],
    "0.33.0/interrupt_running": [Interruption()],
    "0.33.0/interrupt_silent_node": [Interruption()],
    "0.33.0/jobs": [Interruption(), Loss(), files("shot_00011_.png")],
    "0.33.0/one_bad_output_among_two": [files("shot_00006_.png")],
    "0.33.0/previews_without_metadata": [files("shot_00001_.png")],
    "0.33.0/prompt_ids": [],
    "0.33.0/rejected_by_validation": [],
    "0.33.0/resubmit_fully_cached": [files("shot_00003_.png"), files("shot_00003_.png")],
    "0.33.0/server_facts": [],
    "0.33.0/several_outputs": [Success((*BATCH, OutputFile("anim_00001_.webp", "", "output")))],
    "0.33.0/silent_node": [files("shot_00013_.png")],
    "0.33.0/socket_dropped_and_reopened": [files("shot_00010_.png")],
    "0.33.0/text_to_image_success": [files("shot_00002_.png")],
    "0.33.0/two_prompts_queued": [files("shot_00004_.png"), files("shot_00005_.png")],
    "0.33.0/upload_references": [],
    "0.33.0/video_output": [files("shot_00001_.mp4", subfolder="video")],
    "0.33.0/view_refusals": [],
}
"""Ends of the accepted prompts of each session, in order; successes without their seconds.

In ``0.33.0/prompt_ids`` a prompt was accepted, but neither a frame nor an answer says how it ended.
"""


def without_seconds(end: object) -> object:
    return Success(end.files) if isinstance(end, Success) else end


def message(event: dict[str, Any]) -> str | bytes:
    """Return the WebSocket message of an event; of a preview only the recorded start of its image."""
    if "text" in event:
        return json.dumps(event["text"], ensure_ascii=False)
    binary = event["binary"]
    if binary["event_type"] == 4:
        metadata = json.dumps(binary["metadata"]).encode()
        return struct.pack(">II", 4, len(metadata)) + metadata + base64.b64decode(binary["image_head_base64"])
    return base64.b64decode(binary["head_base64"])


def exchanges(session: str, method: str, path: str) -> Iterator[dict[str, Any]]:
    for event in events(session):
        if event.get("http") == method and event["path"].partition("?")[0] == path:
            yield event


@dataclass(frozen=True, slots=True)
class Moment:
    """Represent an event of a session, and what the server would answer from then on.

    Attributes:
        frame: Frame that arrived.
        accepted: Prompt whose post was answered.
        opens: Whether the socket opened.
        answers: Whether the server answers requests.
        places: ``running`` or ``pending``, by the id of every prompt in the queue.
        entries: History entries by prompt id.
    """

    frame: Frame | None
    accepted: str | None
    opens: bool
    answers: bool
    places: Mapping[str, str]
    entries: Mapping[str, Mapping[str, Any]]


def moments(recorded: list[dict[str, Any]]) -> list[Moment]:
    """Return all events of a session, with the answers that its frames and exchanges imply."""
    server = _Server(recorded)
    for number, event in enumerate(recorded):
        if "http" in event:
            server.exchange(event)
        elif event["ws"] == "recv":
            server.send(number, event)
        else:
            server.connect(event)
    return server.moments


class _Server:
    """Rebuild the queue and history of a recorded server."""

    def __init__(self, recorded: list[dict[str, Any]]) -> None:
        self.moments: list[Moment] = []
        self._recorded = recorded
        self._answers = True
        self._running: str | None = None
        self._pending: list[str] = []
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._messages: list[list[Any]] = []
        self._outputs: dict[str, Any] = {}

    def exchange(self, event: dict[str, Any]) -> None:
        self._answers = "response" in event
        accepted = None
        if (event["http"], event["path"]) == ("POST", "/prompt") and event.get("response", {}).get("status") == 200:
            accepted = event["response"]["json"]["prompt_id"]
            self._pending.append(accepted)
        if event["path"].endswith("/cancel") and event["response"]["json"]["cancelled"]:
            self._pending = [prompt_id for prompt_id in self._pending if prompt_id not in event["path"]]
        if (event["http"], event["path"]) == ("POST", "/queue"):
            self._pending = [prompt_id for prompt_id in self._pending if prompt_id not in event["json"]["delete"]]
        self._note(accepted=accepted)

    def connect(self, event: dict[str, Any]) -> None:
        if event.get("code") == 1006:
            # Not closed by the client: the server was killed and lost its state.
            self._answers, self._running = False, None
            self._pending.clear()
            self._entries.clear()
        self._note(opens=event["ws"] == "open")

    def send(self, number: int, event: dict[str, Any]) -> None:
        frame = read_frame(message(event))
        kind, content = (event["text"]["type"], event["text"]["data"]) if "text" in event else ("binary", {})
        if kind == "execution_start":
            self._running = content["prompt_id"]
            self._pending.remove(content["prompt_id"])
            self._messages, self._outputs = [], {}
        if kind.startswith("execution_"):
            self._messages.append([kind, content])
        elif kind == "executed":
            self._outputs[content["node"]] = content["output"]
        elif kind == "executing" and content["node"] is None:
            prompt_id = content["prompt_id"]
            self._entries[prompt_id] = self._recorded_entry(number, prompt_id) or self._built_entry()
            self._running = None
            self._note()
        self._note(frame=frame)

    def _built_entry(self) -> dict[str, Any]:
        succeeded = self._messages[-1][0] == "execution_success"
        status = {"status_str": "success" if succeeded else "error", "completed": succeeded, "messages": self._messages}
        return {"outputs": self._outputs, "status": status}

    def _recorded_entry(self, number: int, prompt_id: str) -> dict[str, Any] | None:
        """Return the entry that the session read, unless the prompt ran again before."""
        for event in self._recorded[number:]:
            if (
                event.get("text", {}).get("type") == "execution_start"
                and event["text"]["data"]["prompt_id"] == prompt_id
            ):
                return None
            if event.get("path") == f"/history/{prompt_id}":
                return dict(event["response"]["json"][prompt_id])
        return None

    def _note(self, *, frame: Frame | None = None, accepted: str | None = None, opens: bool = False) -> None:
        places = dict.fromkeys(self._pending, "pending")
        if self._running is not None:
            places[self._running] = "running"
        self.moments.append(Moment(frame, accepted, opens, self._answers, places, dict(self._entries)))
