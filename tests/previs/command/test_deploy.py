"""Deploying refuses impossible options in a sentence, before anything is registered."""

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from previs.command.deploy import DeployOrder
from tasks.process import _deploy
from tests.ports import free_port
from tests.previs.command.conftest import Call
from tests.previs.command.test_command import previs

pytestmark = pytest.mark.usefixtures("no_threads_left")


async def test_without_a_server_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    ended = await previs("deploy", folder=tmp_path, PREFECT_HOME=str(tmp_path / "prefect"))
    assert (ended.code, ended.out) == (2, "")
    assert "previs server start" in ended.err
    assert "export PREFECT_API_URL=" in ended.err


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("no-such.yaml", "the job variables in no-such.yaml cannot be read: "),
        ("list.json", "the job variables in list.json are no object of names and values"),
        ("broken.yaml", "the job variables in broken.yaml cannot be read: "),
        ("secret.yaml", "the job variables in secret.yaml hold a placeholder {{ … }}: "),
    ],
)
def test_job_variables_that_cannot_be_used_are_refused(call: Call, tmp_path: Path, file: str, sentence: str) -> None:
    (tmp_path / "list.json").write_text(json.dumps([1]))
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "secret.yaml").write_text("env: {KEY: '{{ prefect.blocks.secret.key }}'}")
    ended = call("deploy", "--job-variables", file)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"cannot deploy: {sentence}")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cron": "at one"}, "the nightly run cannot have this schedule: cron: "),
        ({"timezone": "Mars"}, "the nightly run cannot have this schedule: timezone: "),
    ],
)
async def test_an_invalid_schedule_is_refused(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], sentence: str
) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        assert await _deploy(DeployOrder("storyboards", "process", **options).parameters()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(sentence)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("p1", "process", "i"), "work pool p1 is for processes, which start no image: "),
        (("p2", "docker"), "work pool p2 is of type docker: with --image, "),
        (("p3", "spaceship", "i"), "Prefect has no work pools of type 'spaceship'"),
    ],
)
async def test_a_pool_that_does_not_fit_is_refused_and_not_made(
    prefect_environment: dict[str, str], capsys: pytest.CaptureFixture[str], options: tuple[str, ...], sentence: str
) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_environment["PREFECT_API_URL"]}):
        assert await _deploy(DeployOrder(*options).parameters()) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"cannot deploy: {sentence}")
    assert "work pool" not in output.out
