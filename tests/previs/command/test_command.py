"""The command runs as a process with arguments, output, signals and an exit code."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Serve
from tests.ports import two_free_ports
from tests.previs.command.conftest import Ended

PREVIS = str(Path(sys.executable).parent / "previs")
SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 64, "height": 64, "steps": 4}
STANDARD_INPUT = ("-",)
PATIENCE = 60
HOSTILE = "\x1b[2A\x1b[2K\x9b31m\u202eevil"


@contextlib.asynccontextmanager
async def running(*arguments: str, folder: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        PREVIS, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, env=os.environ | environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def previs(*arguments: str, folder: Path, given: str = "", **environment: str) -> Ended:
    async with running(*arguments, folder=folder, **environment) as process, asyncio.timeout(PATIENCE):
        out, err = await process.communicate(given.encode())
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return path.name


def shots(*prompts: str, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"shot_id": f"SH{number:02d}", "prompt": prompt, "duration": 1.0} | fields
        for number, prompt in enumerate(prompts, 1)
    ]


async def test_simulators_serve_on_the_given_ports_and_fail_as_their_script_says_until_stopped(
    tmp_path: Path,
) -> None:
    port = two_free_ports()
    urls = [f"http://127.0.0.1:{port + number}" for number in range(2)]
    script = write(tmp_path / "storm.json", [{"after_requests": 1, "set": {"refuse": 1, "retry_after": 3}}])
    arguments = ["simulate", "--port", str(port), "--servers", "2", "--seconds", "0.1", "--script", script]
    async with (
        running(*arguments, folder=tmp_path) as process,
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient() as client,
    ):
        assert process.stdout
        assert [(await process.stdout.readline()).decode().strip() for _ in urls] == urls
        for url in urls:
            assert "comfyui_version" in (await client.get(f"{url}/system_stats")).json()["system"]
            answers = [await client.get(f"{url}/queue") for _ in range(2)]
            assert [answer.status_code for answer in answers] == [503, 200]
            assert answers[0].headers["retry-after"] == "3"
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.smoke
async def test_json_is_utf_8_whatever_the_terminals_encoding(tmp_path: Path) -> None:
    async with running("boards", "--store", "夜", "--json", folder=tmp_path, PYTHONIOENCODING="ascii") as process:
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["store"].endswith("夜")
    assert "夜".encode() in out


class Runs:
    """Runs lists against a simulated server, with boards in a folder."""

    def __init__(self, folder: Path, url: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.options = ["--farm", url, "--store", "boards", "--workflow", write(folder / "settings.json", SETTINGS)]

    async def run(self, *arguments: str, given: str = "") -> Ended:
        return await previs("run", *self.options, *arguments, folder=self.folder, given=given, **self.environment)

    def local_servers(self) -> list[Path]:
        """Return the files of servers that the command has started."""
        return list(Path(self.environment["PREFECT_HOME"]).glob("previs-server*"))


async def test_a_board_with_every_frame_ends_with_0_and_its_url_and_with_one_missing_ends_with_1_and_names_the_shot(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "坏"
    simulator.faults.fail_message = f"\x1b]0;owned\x07{HOSTILE}"
    runs = Runs(tmp_path, url, prefect_environment)
    ended = await runs.run(write(tmp_path / "雨夜.json", shots("城市", "雨")))
    assert ended.code == 0, ended
    lines = ended.out.splitlines()
    assert {line.partition(" in ")[0] for line in lines if line.startswith("rendered")} == {
        f"rendered SH0{number} · take 1 on {url}" for number in (1, 2)
    }
    assert "2 shots: 2 takes rendered, 0 cached" in lines
    [board] = [line for line in lines if line.startswith("board: file://")]
    assert board.endswith("/index.html")
    assert list((tmp_path / "boards" / "boards" / "雨夜").iterdir())
    assert "starting" not in ended.out
    assert runs.local_servers() == []
    listed = shots("城市", "雨", "坏", notes="备" * 100_000)
    listed[2]["shot_id"] = "SH\u202eevil"
    too_large_for_prefect = json.dumps(listed, ensure_ascii=False)
    assert len(too_large_for_prefect.encode()) > 600_000
    options = ["--board", f"雨夜{HOSTILE}", "--takes", "2", "--only", "SH02", "--only", "SH\u202eevil", "--verbose"]
    again = await runs.run(*STANDARD_INPUT, *options, given=too_large_for_prefect)
    assert again.code == 1, again
    assert "cached   SH02 · take 1" in again.out.splitlines()
    assert "rendered SH02 · take 2" in again.out
    assert "SH01 · take 2" not in again.out
    assert r"1 of 3 shots failed: SH\u202eevil" in again.out.splitlines()
    assert "board: file://" in again.out
    assert "Traceback" not in again.out + again.err
    # In a log without colours every escape comes from outside.
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", again.out + again.err) is None
    shown = r"failed on " + url + r": \x1b]0;owned\x07\x1b[2A\x1b[2K\x9b31m\u202eevil"
    assert shown in again.out
    # Prefect writes the error's repr, which doubles backslashes.
    assert shown in again.err.replace("\\\\", "\\")
    assert r"SH\u202eevil · take 1: node" in again.out
    [kept] = (tmp_path / "boards" / "lists").iterdir()
    assert json.loads(kept.read_text("utf-8")) == json.loads(too_large_for_prefect)
    places = ["boards", "claims", "frames", "lists", "takes"]
    assert sorted(entry.name for entry in (tmp_path / "boards").iterdir()) == places


async def test_a_run_that_is_interrupted_ends_with_130_and_frees_its_server(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    simulator, url = await simulate()
    simulator.faults.stall_on = "坏"
    runs = Runs(tmp_path, url, prefect_environment)
    arguments = ["run", write(tmp_path / "shots.json", shots("坏", "坏 2", "坏 3")), *runs.options]
    async with running(*arguments, folder=tmp_path, **prefect_environment) as process, asyncio.timeout(PATIENCE):
        while simulator.queue.remaining < 2:
            assert process.returncode is None
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in (out + err).decode()
    assert simulator.queue.remaining == 0
    assert len(simulator.interrupted) == 1
