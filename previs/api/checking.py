"""Check takes against the servers of a farm."""

from collections.abc import Collection, Mapping

from previs.comfyui.protocol.graph import class_types
from previs.farm.pool import Farm
from previs.planning.plan import PlannedTake
from previs.planning.preflight import Report, check_plan


async def check_takes(
    takes: Collection[PlannedTake], farm: Farm, packs: Mapping[str, str] | None = None, *, needed: bool
) -> Report:
    """Compare the graphs of takes with the node classes and models of every server that answers.

    Args:
        takes: Takes to render.
        farm: Servers to ask.
        packs: Custom node packs by node class, for the report.
        needed: Whether to wait for a server; otherwise the report is empty if none is up.

    Raises:
        NoServer, AccessDenied: An answer is needed, and no server gives one.
    """
    servers = await farm.classes(class_types(take.graph for take in takes), needed=needed)
    away = [server.name for server in farm.servers if server.name not in servers]
    return check_plan(takes, servers, packs, unreachable={name: f"{name} could not be asked" for name in away})
