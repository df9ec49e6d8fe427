"""Sessions recorded against a real ComfyUI 0.3.64, as the tests of the protocol read them."""

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "recordings"
SESSIONS = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "object_info")


def events(session: str) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((FOLDER / f"{session}.json").read_text("utf-8"))
    return list(content["events"])


def message(event: dict[str, Any]) -> str | bytes:
    """The WebSocket message of an event; of a preview, whose picture was not recorded, all that was."""
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
