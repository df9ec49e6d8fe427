"""Register everything with a Prefect server, which is done by a process that knows Prefect."""

import asyncio
import json
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml

from previs.errors import DeploymentRefused, SourceNotFound

_PLACEHOLDER: Final = "{{"


@dataclass(frozen=True, slots=True)
class DeployOrder:
    """What a person asked for; see the command's help."""

    pool: str
    type: str
    image: str | None = None
    job_variables: Path | None = None
    at_once: int | None = None
    after: tuple[str, ...] = ()
    cron: str | None = None
    timezone: str | None = None

    def wanted(self) -> dict[str, Any]:
        """The order as the other process reads it.

        Raises:
            DeploymentRefused: the file of job variables cannot be used.
        """
        wanted = {name: getattr(self, name) for name in self.__slots__}
        return wanted | {"job_variables": _read(self.job_variables) if self.job_variables else {}}


def _read(path: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DeploymentRefused(f"the job variables in {path} cannot be read: {error}") from error
    if not isinstance(read, dict):
        raise DeploymentRefused(f"the job variables in {path} are no object of names and values")
    if _PLACEHOLDER in json.dumps(read, default=str):
        # Prefect fills them in while it deploys, secrets in plain text, and drops those that it does not know.
        remedy = "keep it in the work pool, as docs/deploying.md says"
        raise DeploymentRefused(f"the job variables in {path} hold a placeholder {_PLACEHOLDER} … }}}}: {remedy}")
    return read


async def deploy_checkout(order: DeployOrder) -> int:
    """Deploy, and show what was done; what the command exits with.

    Raises:
        DeploymentRefused: the file of job variables cannot be used.
        SourceNotFound: there is no checkout.
    """
    if find_spec("flows") is None:
        raise SourceNotFound("prefect.yaml", "run previs from a checkout of its repository, as its README says")
    line = json.dumps(order.wanted(), default=str)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flows", "deploy", stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(line.encode() + b"\n")
    return process.returncode or 0
