"""A run starts the local server, which stays for the next one."""

import asyncio
from pathlib import Path

import httpx
import pytest

from previs.daemon import running_server, stop_server
from tests.conftest import Serve
from tests.prefect_server import migrated
from tests.previs.command.test_command import SETTINGS, previs, shots, write


async def test_commands_at_once_start_one_server_which_survives_them_and_is_found_and_stopped(
    simulate: Serve, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = await simulate()
    home = tmp_path / "prefect"
    home.mkdir()
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(home))
    options = ["--farm", url, "--store", "boards", "--workflow", write(tmp_path / "settings.json", SETTINGS)]
    words = ["run", write(tmp_path / "list.json", shots("雨")), *options]
    try:
        with migrated(tmp_path_factory, home / "prefect.db"):
            ended, started = await asyncio.gather(
                previs(*words, folder=tmp_path), previs("server", "start", folder=tmp_path)
            )
        server = running_server(home)
        assert server is not None, (ended, started)
        assert (ended.code, started.code) == (0, 0), (ended, started)
        said = f"starting a Prefect server at {server.address}, which stays until: previs server stop\n"
        assert (said in ended.out) != started.out.startswith("started: ")
        again = await previs(*words, folder=tmp_path)
        assert again.out.startswith("cached ")
        shown = await previs("server", "status", folder=tmp_path)
        assert f"export PREFECT_API_URL={server.api}\n" in shown.out
        assert running_server(home) == server
        async with httpx.AsyncClient() as client:
            of_other_names = await client.get(f"{server.api}/health", headers={"host": "evil.example"})
            runs = await client.post(f"{server.api}/flow_runs/count", json={})
        assert (of_other_names.status_code, runs.json()) == (400, 2)
        sockets = (await asyncio.to_thread(Path("/proc/net/tcp").read_text, "ascii")).split()
        port = f":{server.port:04X}"
        assert {each for each in sockets if each.endswith(port)} == {f"0100007F{port}"}
    finally:
        stopped = stop_server(home)
    assert stopped == server
    assert running_server(home) is None
