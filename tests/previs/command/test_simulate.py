"""Simulated servers as the command serves them, with and without a script."""

from pathlib import Path

import httpx
import pytest

from previs.command.simulate import read_cues, simulators
from previs.errors import SourceNotFound
from previs.simulator import Cue


async def test_each_server_plays_the_script_by_its_own_count() -> None:
    script = [Cue(after_requests=1, set={"refuse": 1, "refuse_status": 429})]
    async with simulators(2, seconds=0, script=script) as urls, httpx.AsyncClient() as client:
        for url in urls:
            assert [(await client.get(f"{url}/queue")).status_code for _ in range(3)] == [200, 429, 200]


async def test_the_servers_are_of_the_version_asked_for() -> None:
    async with simulators(1, seconds=0, version="0.33.0") as [url], httpx.AsyncClient() as client:
        answer = (await client.get(f"{url}/system_stats")).json()
    assert answer["system"]["comfyui_version"] == "0.33.0"


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "雨.yaml"
    path.write_text("- {after_prompts: 2, restart: true}\n", "utf-8")
    assert read_cues(path) == (Cue(after_prompts=2, restart=True),)


def test_a_missing_script_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"none\.json cannot be read: No such file or directory"):
        read_cues(tmp_path / "none.json")


def test_each_fault_of_a_script_is_reported_with_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "storm.json"
    path.write_text('[{"after_seconds": 1, "set": {"refus": 1, "retry_after": -1}}]')
    with pytest.raises(SourceNotFound) as refused:
        read_cues(path)
    assert str(refused.value) == (
        f"{path} cannot be read: it is no script of cues:\n"
        "  - cue 1, set, retry_after: -1: input should be greater than or equal to 0\n"
        "  - cue 1, set, refus: no such fault: did you mean refuse?"
    )
