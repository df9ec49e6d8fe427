"""Check the example for Docker Compose: its parts fit together, Prefect knows its settings, and it holds no secret."""

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import Settings
from pydantic import AliasChoices, BaseModel

from blocks import ComfyUIFarm, S3FrameStore
from previs.store import S3Settings
from previs.store.s3_connection import make_client

HOME = Path(__file__).parents[2]
FOLDER = HOME / "examples" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
EXAMPLE = dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / "example.env").read_text("utf-8"), re.MULTILINE))
SECRETS = {"DATABASE_PASSWORD", "API_PASSWORD", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}


def names_of(model: type[BaseModel], prefix: str) -> set[str]:
    """Return the names of the environment variables that Prefect reads into a model of settings."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= names_of(field.annotation, f"{prefix}{name}_")
        aliases = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else ()
        found |= {f"{prefix}{name}".upper()} | {alias.upper() for alias in aliases if isinstance(alias, str)}
    return found


def test_prefect_knows_every_setting() -> None:
    known = names_of(Settings, "prefect_")
    assert {"PREFECT_API_URL", "PREFECT_HOME"} <= known
    used = {name for service in SERVICES.values() for name in service.get("environment", ())}
    assert {name for name in used if name.startswith("PREFECT")} <= known


def test_secrets_come_from_the_environment_file_alone_and_must_be_set() -> None:
    used = re.findall(r"\$\{(\w+)(:[?-])", TEXT)
    assert {name for name, end in used if end == ":?"} == set(EXAMPLE)
    assert {name for name, end in used if end == ":-"} == {"S3_BUCKET"}
    assert {name for name, value in EXAMPLE.items() if not value} == SECRETS | {"STUDIO_HOST"}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|ACCESS_KEY|AUTH", name):
                assert re.fullmatch(r"(previs:)?\$\{\w+:\?[\w .]+\}", value), name
    ignored = (HOME / ".gitignore").read_text("utf-8").splitlines()
    assert "/examples/compose/.env" in ignored


def test_each_part_waits_for_what_it_needs() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert SERVICES[name]["restart"].startswith("on-failure")
    inside = {"http://prefect:4200/": "prefect", "@database:5432/": "database"}
    assert all(name in SERVICES and address in TEXT for address, name in inside.items())
    volumes = {each.partition(":")[0] for service in SERVICES.values() for each in service.get("volumes", ())}
    assert volumes == set(yaml.safe_load(TEXT)["volumes"])


def test_what_a_person_reaches_is_published_on_the_port_that_addresses_name() -> None:
    published = {each for service in SERVICES.values() for each in service.get("ports", ())}
    named = set(re.findall(r"\$\{STUDIO_HOST:[^}]*\}:(\d+)", TEXT))
    assert published == {f"{port}:{port}" for port in named}


def test_every_python_that_a_health_check_runs_can_be_compiled() -> None:
    checks = [service["healthcheck"]["test"] for service in SERVICES.values() if "healthcheck" in service]
    programs = [check[3] for check in checks if check[1:3] == ["python", "-c"]]
    assert len(programs) == 2
    for program in programs:
        compile(program, "health check", "exec")


@pytest.mark.usefixtures("prefect_api")
async def test_setup_makes_what_is_missing_and_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch, settings: S3Settings
) -> None:
    command = shlex.split(SERVICES["setup"]["command"][2])
    main = runpy.run_path(str(HOME / command[1]))["main"]
    assert settings.access_key_id
    assert settings.secret_access_key
    environment = {
        "COMFYUI_SERVERS": "http://render-01:8188  http://render-02:8188",
        "S3_BUCKET": f"{settings.bucket}-2",
        "S3_ENDPOINT_URL": settings.endpoint_url,
        "S3_ACCESS_KEY_ID": settings.access_key_id.get_secret_value(),
        "S3_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
    }
    assert set(environment) | {"S3_BUCKET"} == {
        name for name in SERVICES["setup"]["environment"] if not name.startswith("PREFECT")
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    try:
        await main()
        monkeypatch.setenv("COMFYUI_SERVERS", "http://render-03:8188")
        await main()
        farm, store = await ComfyUIFarm.aload("default"), await S3FrameStore.aload("default")
    finally:
        # Runs of other tests would use them.
        await ComfyUIFarm.adelete("default")
        await S3FrameStore.adelete("default")
    assert farm.servers == ["http://render-01:8188", "http://render-02:8188"]
    assert store.bucket == environment["S3_BUCKET"]
    client = make_client(settings)
    client.head_bucket(Bucket=store.bucket)
    client.close()
