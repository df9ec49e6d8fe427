"""Define the commands that register the flows with Prefect and control its local server."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from pathlib import Path
from typing import Literal

from previs.command.options import Count, Names


def deploy(
    *,
    pool: str = "storyboards",
    type: str = "process",  # noqa: A002 - the option's name
    image: str | None = None,
    job_variables: Path | None = None,
    at_once: Count | None = None,
    after: Names = None,
    cron: str | None = None,
    timezone: str | None = None,
) -> int:
    """Register the deployments with Prefect.

    Registers block types, the work pool and all deployments with the Prefect server at PREFECT_API_URL. Repeat it after
    each change of the checkout. Schedule, limit and the flows of --after stay as they were set; give --pool, --image
    and --job-variables each time.

    Parameters
    ----------
    pool
        Work pool whose workers run the flows; created if it does not exist.
    type
        Type of a new pool: process, docker, kubernetes, or another that Prefect knows.
    image
        Image that holds the checkout, for pools that start containers; see docs/deploying.md.
    job_variables
        YAML or JSON file of variables for the pool's jobs, such as examples/pools/kubernetes.yaml.
    at_once
        Boards rendered at once; further runs wait. Default: 2, or what is set already.
    after
        Name of a flow that returns a shot list, or its path or URL; each completed run of that flow starts
        storyboard/after-NAME. Repeat it for each flow; flows that were given earlier stay.
    cron
        Schedule of the nightly run, such as "30 22 * * *". Default: 01:00 every night, or what is set already.
    timezone
        Time zone of that schedule, such as Asia/Shanghai. Default: Etc/UTC, or what is set already.
    """
    from previs.command.deploy import DeployOrder, deploy_checkout

    order = DeployOrder(pool, type, image, job_variables, at_once, tuple(after or ()), cron, timezone)
    return asyncio.run(deploy_checkout(order))


def server(action: Literal["start", "stop", "status"], /) -> int:
    """Start, stop or show the Prefect server of this machine that stays.

    previs run starts it when it is needed, unless PREFECT_API_URL or Prefect's profile names a server. It listens on
    127.0.0.1 only, and keeps its data where PREFECT_HOME says. Exit code 1 of status means that none runs.

    Parameters
    ----------
    action
        start, stop or status.
    """
    import subprocess
    import sys

    from previs.command.checkout import require_checkout

    require_checkout("flows", "flows/storyboard.py")
    words = [sys.executable, "-m", "flows", "server", action]
    return subprocess.run(words, check=False).returncode  # noqa: S603 - our own command
