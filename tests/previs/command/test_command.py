"""The command as a person runs it: a process with words, lines and an exit code."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Serve

PREVIS = str(Path(sys.executable).parent / "previs")
SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 64, "height": 64, "steps": 4}
STANDARD_INPUT = ("-",)
PATIENCE = 60


@dataclass(frozen=True)
class Ended:
    """A command that came to its end."""

    code: int
    out: str
    err: str


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


def two_free_ports() -> int:
    """The first of two neighbours; nobody else should take them in the meantime."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            second.bind(("127.0.0.1", port + 1))
            return port


async def test_help_tells_what_there_is(tmp_path: Path) -> None:
    ended = await previs("--help", folder=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert [word for word in ("run", "demo", "simulate") if word not in ended.out] == []


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("run", ["--workflow", "--farm", "--store", "--board", "--only", "--takes", "--refresh", "--verbose"]),
        ("demo", ["--folder", "--servers", "--seconds", "--verbose"]),
        ("simulate", ["--port", "--servers", "--seconds", "--script"]),
    ],
)
async def test_help_of_a_command_tells_its_options(command: str, options: list[str], tmp_path: Path) -> None:
    ended = await previs(command, "--help", folder=tmp_path, COLUMNS="200")
    assert ended.code == 0
    assert [option for option in options if option not in ended.out] == []


@pytest.mark.parametrize(
    "arguments", [["rnu"], ["run"], ["run", "a.json", "--takse", "2"], ["run", "a.json", "--takes", "two"]]
)
async def test_what_cannot_be_understood_is_told_without_a_traceback(arguments: list[str], tmp_path: Path) -> None:
    ended = await previs(*arguments, folder=tmp_path)
    assert ended.code not in (0, 130)
    assert ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err


async def test_simulators_serve_on_the_ports_asked_for_until_they_are_stopped(tmp_path: Path) -> None:
    port = two_free_ports()
    urls = [f"http://127.0.0.1:{port + number}" for number in range(2)]
    arguments = ["simulate", "--port", str(port), "--servers", "2", "--seconds", "0.1"]
    async with (
        running(*arguments, folder=tmp_path) as process,
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient() as client,
    ):
        for url in urls:
            while True:
                with contextlib.suppress(httpx.ConnectError):
                    assert "comfyui_version" in (await client.get(f"{url}/system_stats")).json()["system"]
                    break
                assert process.returncode is None
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out.decode().split(), err.decode()) == (0, urls, "")


async def test_simulators_do_wrong_as_a_script_says(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := two_free_ports())}"
    script = write(tmp_path / "storm.json", [{"after_requests": 1, "set": {"refuse": 1, "retry_after": 3}}])
    async with (
        running("simulate", "--port", str(port), "--script", script, folder=tmp_path) as process,
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient() as client,
    ):
        assert process.stdout
        assert (await process.stdout.readline()).decode().split() == [url]
        answers = [await client.get(f"{url}/queue") for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert answers[1].headers["retry-after"] == "3"


async def test_a_script_with_faults_ends_with_2_and_serves_nothing(tmp_path: Path) -> None:
    script = write(tmp_path / "storm.json", [{"after_requests": 1, "set": {"refus": 1}}])
    ended = await previs("simulate", "--script", script, folder=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "storm.json cannot be read: it is no script of cues:\n"
        "  - cue 1, set, refus: no such fault: did you mean refuse?\n"
    )


async def test_standard_input_that_is_no_json_is_bad_input(tmp_path: Path) -> None:
    ended = await previs("run", *STANDARD_INPUT, folder=tmp_path, given="shots: []")
    assert ended.code == 2
    assert ended.err.startswith("standard input has 1 fault:\n")
    assert "Traceback" not in ended.err


class Runs:
    """Runs lists against a simulated server, with boards in a folder."""

    def __init__(self, folder: Path, url: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.place = ["--farm", url, "--store", "boards", "--workflow", write(folder / "settings.json", SETTINGS)]

    async def run(self, *arguments: str, given: str = "") -> Ended:
        return await previs("run", *self.place, *arguments, folder=self.folder, given=given, **self.environment)


async def test_a_board_with_every_frame_ends_with_0_and_tells_where_it_is(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    _, url = await simulate()
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
    again = await runs.run("雨夜.json", "--only", "SH02", "--takes", "2")
    assert again.code == 0, again
    assert "cached   SH02 · take 1" in again.out.splitlines()
    assert "rendered SH02 · take 2" in again.out
    assert "SH01 · take 2" not in again.out


async def test_a_board_with_a_frame_missing_ends_with_1_and_names_the_shot(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "坏"
    ended = await Runs(tmp_path, url, prefect_environment).run(write(tmp_path / "shots.json", shots("城市", "坏")))
    assert ended.code == 1, ended
    assert "1 of 2 shots failed: SH02" in ended.out.splitlines()
    assert "board: file://" in ended.out
    assert "Traceback" not in ended.out + ended.err


async def test_a_list_that_is_not_there_ends_with_2_and_says_so(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    simulator, url = await simulate()
    ended = await Runs(tmp_path, url, prefect_environment).run("none.json")
    assert ended.code == 2, ended
    assert f"{tmp_path / 'none.json'} cannot be read: there is no such file" in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err
    assert simulator.posted == []


async def test_faults_of_a_list_end_with_2_and_are_all_told(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    _, url = await simulate()
    bad = write(tmp_path / "shots.json", shots("城市", "雨", duration=0))
    ended = await Runs(tmp_path, url, prefect_environment).run(bad)
    assert ended.code == 2, ended
    assert f"{tmp_path / 'shots.json'} has 2 faults:" in ended.out + ended.err


async def test_a_list_too_large_for_prefect_goes_from_standard_input_through_the_store(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    _, url = await simulate()
    given = json.dumps(shots("城市", "雨", notes="备" * 100_000), ensure_ascii=False)
    assert len(given.encode()) > 600_000
    ended = await Runs(tmp_path, url, prefect_environment).run(*STANDARD_INPUT, given=given)
    assert ended.code == 0, ended
    [kept] = (tmp_path / "boards" / "lists").iterdir()
    assert json.loads(kept.read_text("utf-8")) == json.loads(given)
    assert "2 shots: 2 takes rendered, 0 cached" in ended.out


async def test_a_small_list_from_standard_input_stays_out_of_the_store(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    _, url = await simulate()
    ended = await Runs(tmp_path, url, prefect_environment).run(*STANDARD_INPUT, given=json.dumps(shots("城市")))
    assert ended.code == 0, ended
    assert sorted(entry.name for entry in (tmp_path / "boards").iterdir()) == ["boards", "claims", "frames", "takes"]


async def test_a_run_that_is_interrupted_ends_with_130_and_frees_its_server(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    simulator, url = await simulate()
    simulator.faults.stall_on = "坏"
    runs = Runs(tmp_path, url, prefect_environment)
    arguments = ["run", write(tmp_path / "shots.json", shots("坏", "坏 2", "坏 3")), *runs.place]
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
