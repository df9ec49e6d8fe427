"""Check a whole shot list against every server of a farm, before anything is rendered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape

from previs.comfyui.protocol.graph import class_types
from previs.command.inquiry import Inquiry
from previs.command.output import write_json
from previs.command.places import servers_of
from previs.ingest.load import load_inputs
from previs.ingest.reader import SourceReader
from previs.planning.planner import Wishes, make_plan
from previs.planning.preflight import Report, check_plan

_COLOURS = {"error": "red", "warning": "yellow"}


@dataclass(frozen=True, slots=True)
class CheckOrder:
    """What a person asked for; see the command's help."""

    shots: str
    workflow: str
    farm: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    as_json: bool = False


async def check(order: CheckOrder) -> int:
    """Print what stands in the way of rendering.

    Returns:
        What the command exits with: 0 if nothing does, 1 if something does, 2 if no server could be asked.

    Raises:
        FixTheInput, TryAgain: something cannot be read; nothing is printed.
    """
    async with SourceReader() as sources, Inquiry(await servers_of(order.farm)) as inquiry:
        given = await load_inputs(order.shots, order.workflow, sources, None, inquiry)
        wishes = Wishes(overrides=order.overrides)
        plan = make_plan(given.shot_list, given.workflow, given.pictures, given.workflow_pictures, wishes=wishes)
        used = class_types(take.graph for take in plan.takes)
        servers = await inquiry(used, needed=False)
    report = check_plan(plan.takes, servers, plan.packs, unreachable=inquiry.failed)
    if order.as_json:
        write_json(report.as_json())
    else:
        _show(report, plan.notices)
    if not report.servers:
        return 2
    return 1 if report.errors else 0


def _show(report: Report, notices: Collection[str]) -> None:
    console = Console(highlight=False)
    for line in (*report.text().splitlines(), *(f"note: {notice}" for notice in notices)):
        word, colon, rest = line.partition(": ")
        colour = _COLOURS.get(word)
        told = f"[{colour}]{word}[/]{colon}{escape(rest)}" if colour else escape(line)
        console.print(told, soft_wrap=True)
