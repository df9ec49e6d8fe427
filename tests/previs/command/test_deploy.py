"""Deploying refuses in a sentence what cannot be, before anything is registered."""

import json
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.previs.command.test_command import Ended, previs


async def deploy(folder: Path, *options: str, **environment: str) -> Ended:
    return await previs("deploy", *options, folder=folder, PREFECT_HOME=str(folder / "prefect"), **environment)


async def test_without_a_server_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    ended = await deploy(tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "prefect server start" in ended.err
    assert "export PREFECT_API_URL=" in ended.err


async def test_a_server_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    ended = await deploy(tmp_path, PREFECT_API_URL=url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"Prefect at {url} is unavailable: it cannot be reached (")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cron", "at one"], "the nightly run cannot be due then: cron: "),
        (["--timezone", "Mars"], "the nightly run cannot be due then: timezone: "),
        (["--job-variables", "no-such.yaml"], "the job variables in no-such.yaml cannot be read: "),
        (["--job-variables", "list.json"], "the job variables in list.json are no object of names and values"),
        (["--job-variables", "broken.yaml"], "the job variables in broken.yaml cannot be read: "),
        (["--job-variables", "secret.yaml"], "the job variables in secret.yaml hold a placeholder {{ … }}: "),
    ],
)
async def test_what_cannot_be_read_or_be_due_is_refused(tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "list.json").write_text(json.dumps([1]))
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "secret.yaml").write_text("env: {KEY: '{{ prefect.blocks.secret.key }}'}")
    ended = await deploy(tmp_path, *options, PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"cannot deploy: {said}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pool", "p1", "--image", "i"], "work pool p1 is for processes, which start no image: "),
        (["--pool", "p2", "--type", "docker"], "work pool p2 is of type docker: say with --image "),
        (["--pool", "p3", "--type", "spaceship", "--image", "i"], "Prefect knows no work pool of type 'spaceship'"),
    ],
)
async def test_a_pool_that_does_not_fit_is_refused_and_not_made(
    tmp_path: Path, prefect_environment: dict[str, str], options: list[str], said: str
) -> None:
    url = prefect_environment["PREFECT_API_URL"]
    ended = await deploy(tmp_path, *options, PREFECT_API_URL=url)
    assert ended.code == 2
    assert ended.err.startswith(f"cannot deploy: {said}")
    assert "work pool" not in ended.out
