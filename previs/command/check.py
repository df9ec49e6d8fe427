"""Check a shot list against every server of a farm before anything is rendered."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from previs.comfyui.protocol.graph import class_types
from previs.command.console import console
from previs.command.farm_and_store import farm_addresses
from previs.command.inquiry import Inquiry
from previs.command.output import write_json
from previs.ingest.load import load_inputs
from previs.ingest.reader import SourceReader
from previs.planning.make_plan import RunOptions, make_plan
from previs.planning.preflight import Report, check_plan
from previs.text.visible import visible

_COLOURS = {"error": "red", "warning": "yellow"}


@dataclass(frozen=True, slots=True)
class CheckOrder:
    """Hold the options of ``previs check``; see its help."""

    shots: str
    workflow: str
    farm: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    as_json: bool = False


async def check_shots(order: CheckOrder) -> int:
    """Print what prevents rendering and return the exit code.

    Raises:
        FixTheInput, TryAgain: Something cannot be read; nothing is printed.
    """
    async with SourceReader() as sources, Inquiry(await farm_addresses(order.farm)) as inquiry:
        inputs = await load_inputs(order.shots, order.workflow, sources, None, inquiry)
        options = RunOptions(overrides=order.overrides)
        given = inputs.shot_list, inputs.workflows, inputs.pictures
        plan = await asyncio.to_thread(make_plan, *given, options=options)
        used = class_types(take.graph for take in plan.takes)
        servers = await inquiry(used, needed=False)
    report = check_plan(plan.takes, servers, plan.packs, unreachable=inquiry.failed)
    if order.as_json:
        write_json(report.as_json() | {"notices": list(plan.notices)})
    else:
        _print(report, plan.notices)
    if not report.servers:
        return 2
    return 1 if report.errors else 0


def _print(report: Report, notices: Collection[str]) -> None:
    printed = console()
    for line in (*report.text().splitlines(), *(f"note: {visible(notice, lines=True)}" for notice in notices)):
        word, colon, rest = line.partition(": ")
        printed.print(Text.assemble((word, _COLOURS.get(word, "")), f"{colon}{rest}"), soft_wrap=True)
