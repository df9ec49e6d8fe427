"""Commands about what Prefect runs by itself: registering the flows with its server."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from previs.command.deploy import DeployOrder, deploy_checkout
from previs.command.options import Count


def deploy(
    *,
    pool: str = "storyboards",
    type: str = "process",  # noqa: A002 - the option's name
    image: str | None = None,
    job_variables: Path | None = None,
    at_once: Count | None = None,
    after: Annotated[list[str] | None, Parameter(negative="")] = None,
    cron: str | None = None,
    timezone: str | None = None,
) -> int:
    """Register block types, work pool and all deployments with the Prefect server at PREFECT_API_URL.

    It can be done again at any time, as after each change of the checkout. When the nightly run is due, how many boards
    are made at once, and after which flows, stays as it was set. Give --pool, --image and --job-variables each time.

    Parameters
    ----------
    pool
        The work pool whose workers run the flows. It is made if it is not there.
    type
        Of a pool that has to be made: process, docker, kubernetes, or another that Prefect knows.
    image
        The image that holds this checkout, for pools that start containers; see docs/deploying.md.
    job_variables
        A YAML or JSON file of variables for the pool's jobs, such as examples/pools/kubernetes.yaml.
    at_once
        How many boards are made at once; further runs wait. Default: 2, or what is set already.
    after
        Name of a flow that returns a shot list or its place: each completed run of it starts one of
        storyboard/after-NAME. Give it once for each flow; flows that were given earlier stay.
    cron
        When the nightly run is due, such as "30 22 * * *". Default: 01:00, or what is set already.
    timezone
        Of that time, such as Asia/Shanghai. Default: Etc/UTC, or what is set already.
    """
    order = DeployOrder(pool, type, image, job_variables, at_once, tuple(after or ()), cron, timezone)
    return asyncio.run(deploy_checkout(order))
