"""Register the deployments with Prefect, in a process that may import Prefect."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from previs.command.checkout import require_checkout
from previs.errors import DeploymentRefused

_PLACEHOLDER: Final = "{{"


@dataclass(frozen=True, slots=True)
class DeployOrder:
    """Hold the options of ``previs deploy``; see its help."""

    pool: str
    type: str
    image: str | None = None
    job_variables: Path | None = None
    at_once: int | None = None
    after: tuple[str, ...] = ()
    cron: str | None = None
    timezone: str | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the options with the content of the job variables file.

        Raises:
            DeploymentRefused: The file cannot be used.
        """
        options = {name: getattr(self, name) for name in self.__slots__}
        return options | {"job_variables": _read(self.job_variables) if self.job_variables else {}}


def _read(path: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DeploymentRefused(f"the job variables in {path} cannot be read: {error}") from error
    if not isinstance(read, dict):
        raise DeploymentRefused(f"the job variables in {path} are no object of names and values")
    if _PLACEHOLDER in json.dumps(read, default=str):
        # While it deploys, Prefect replaces placeholders, secrets in plain text, and drops unknown ones.
        remedy = "keep it in the work pool, as docs/deploying.md says"
        raise DeploymentRefused(f"the job variables in {path} hold a placeholder {_PLACEHOLDER} … }}}}: {remedy}")
    return read


async def deploy_checkout(order: DeployOrder) -> int:
    """Deploy, print what was registered and return the exit code.

    Raises:
        DeploymentRefused: The file of job variables cannot be used.
        SourceNotFound: The command does not run in a checkout.
    """
    require_checkout("flows", "prefect.yaml")
    line = json.dumps(order.parameters(), default=str)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flows", "deploy", stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(line.encode() + b"\n")
    return process.returncode or 0
