"""Give what real servers answered, and the example files, for the fuzzer and the tests."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_RECORDINGS = (ROOT / "tests" / "recordings", ROOT / "tests" / "recordings-0.33.0")
LARGEST = 40_000
"""Bytes of a good input: a small one shows as much as a large one, sooner."""


def files(*patterns: str) -> dict[str, bytes]:
    """Return the small files of the checkout that match the patterns, by name."""
    found = (path for pattern in patterns for path in sorted(ROOT.glob(pattern)))
    return {path.name: path.read_bytes() for path in found if path.stat().st_size <= LARGEST}


@cache
def _events() -> list[dict[str, Any]]:
    sessions = (path for folder in _RECORDINGS for path in sorted(folder.glob("*.json")) if path.stem != "object_info")
    return [event for path in sessions for event in json.loads(path.read_bytes())["events"]]


def answers(method: str, path: str, status: int = 200) -> list[Any]:
    """Return the recorded JSON answers to requests whose path begins so."""
    asked = (each for each in _events() if each.get("http") == method and each["path"].startswith(path))
    given = (each.get("response") or {} for each in asked)
    return [each["json"] for each in given if each.get("status") == status and "json" in each]


def messages() -> list[dict[str, Any]]:
    """Return the recorded texts of WebSocket messages."""
    return [each["text"] for each in _events() if each.get("ws") == "recv" and "text" in each]


def numbered(values: list[Any]) -> dict[str, bytes]:
    """Return the small ones of these values as JSON, each once, by number."""
    texts = dict.fromkeys(json.dumps(value, ensure_ascii=False).encode() for value in values)
    return {f"answer {number}": text for number, text in enumerate(text for text in texts if len(text) <= LARGEST)}


@cache
def classes() -> dict[str, Any]:
    """Return the node classes of a real server, as it describes them."""
    content: dict[str, Any] = json.loads(gzip.decompress((_RECORDINGS[1] / "object_info.json.gz").read_bytes()))
    return content


@cache
def graphs() -> tuple[dict[str, Any], ...]:
    """Return graphs in API format: the recorded ones, and ComfyUI's templates."""
    lines = gzip.decompress((_RECORDINGS[1] / "exported.jsonl.gz").read_bytes()).splitlines()
    posted = [each["json"].get("prompt") for each in _events() if each.get("path") == "/prompt" and "json" in each]
    cases = [json.loads(text) for text in files("tests/cases/graphs/*.json").values()]
    found = [*(json.loads(line)["graph"] for line in lines), *posted, *(each for each in cases if "nodes" not in each)]
    return tuple(each for each in found if _is_graph(each) and len(json.dumps(each)) <= LARGEST)


def _is_graph(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) and "class_type" in each for each in value.values())
