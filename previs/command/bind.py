"""Show which inputs of a workflow take which values of a shot, and write a bindings file."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from previs.comfyui.protocol.graph import Graph
from previs.command.console import console
from previs.command.farm_and_store import farm_addresses
from previs.command.inquiry import Inquiry
from previs.command.output import write_error, write_json
from previs.errors import Fault, WorkflowFaults
from previs.ingest.load import load_inputs
from previs.ingest.reader import SourceReader
from previs.ingest.workflow_files import bindings_uri, read_workflow_at
from previs.planning.make_plan import RunOptions, make_plan
from previs.shots import ShotList, read_chains
from previs.store.addresses import kind_of, local_path, shown
from previs.text.visible import visible
from previs.workflow import STAYS, BindingRow, Report, SavedGraph, Workflow, saving_nodes, unsaved_outputs

SCHEMA = "previs.bind/1"
_LONGEST = 60
_INDENT, _NAMES = 4, len("to come")


@dataclass(frozen=True, slots=True)
class BindOrder:
    """Hold the options of ``previs bind``; see its help."""

    graph: str
    shot: str | None = None
    farm: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    write: bool = False
    as_json: bool = False


async def show_bindings(order: BindOrder) -> int:
    """Print the bindings, write them if the order says so, and return the exit code.

    Raises:
        WorkflowFaults: The workflow cannot be read or is ambiguous, or the bindings file cannot be written.
        FixTheInput, TryAgain: Something else cannot be read.
    """
    async with SourceReader() as sources, Inquiry(await farm_addresses(order.farm)) as inquiry:
        if order.shot is None:
            workflow: Workflow = await read_workflow_at(order.graph, sources, inquiry)
            report, label = workflow.report(), ""
            graph = workflow.graph if isinstance(workflow, SavedGraph) else {}
        else:
            inputs = await load_inputs(order.shot, order.graph, sources, None, inquiry, of_shots=False)
            workflow, label = inputs.workflows[None].workflow, inputs.shot_list.shots[0].label
            shots = await asyncio.to_thread(_with_sources, inputs.shot_list, label)
            options = RunOptions(overrides=order.overrides)
            given = shots, inputs.workflows, inputs.pictures
            plan = await asyncio.to_thread(make_plan, *given, options=options)
            report, graph = Report(plan.takes[0].rows, tuple(plan.notices)), plan.takes[0].graph
    report = replace(report, notices=(*report.notices, *_nothing_kept(graph)))
    if order.farm:
        report = replace(report, notices=(*report.notices, *inquiry.failed.values()))
    if order.as_json:
        _print_json(order.graph, label, report)
    else:
        _print_blocks(order.graph, label, report)
    if order.write:
        await asyncio.to_thread(_write, order.graph, workflow)
    return 0


def _nothing_kept(graph: Graph) -> list[str]:
    """Return why no frame would come of a graph; nothing if an output saves, or if there is no graph."""
    if saving_nodes(graph):
        return []
    return [f"nothing would be kept: {each.fault(graph)}" for each in unsaved_outputs(graph)]


def _with_sources(shot_list: ShotList, label: str) -> ShotList:
    """Return a list of one shot and the shots that it builds on, that shot first."""
    needed = read_chains(shot_list).needed([label])
    kept = sorted((shot for shot in shot_list.shots if shot.label in needed), key=lambda shot: shot.label != label)
    return shot_list.model_copy(update={"shots": tuple(kept)})


def _print_json(graph: str, label: str, report: Report) -> None:
    content = {
        "schema": SCHEMA,
        "graph": shown(graph),
        "shot_id": label or None,
        "bindings": [_as_json(row) for row in report.rows],
        "notices": list(report.notices),
    }
    write_json(content)


def _as_json(row: BindingRow) -> dict[str, Any]:
    """Return a row without the values that it does not have or change."""
    return {name: value for name, value in asdict(row).items() if value is not STAYS}


def _print_blocks(graph: str, label: str, report: Report) -> None:
    """Print one block for each binding, readable on a terminal of 80 columns."""
    printed = console()
    printed.print(Text(visible(f"{shown(graph)}{f' · shot {label}' if label else ''}"), style="bold"))
    for row in report.rows:
        printed.print(_heading(row))
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_column(width=_NAMES)
        block.add_column(overflow="fold")
        block.add_row("rule", Text(visible(row.rule)))
        block.add_row("now", Text(visible(_value(row.now))))
        if label:
            block.add_row("to come", Text(visible(_value(row.to_come))))
        printed.print(Padding(block, (0, 0, 0, _INDENT), expand=False))
    for notice in report.notices:
        printed.print(Text(f"note: {visible(notice, lines=True)}"), soft_wrap=True)


def _heading(row: BindingRow) -> Text:
    title = f' "{row.title}"' if row.title else ""
    where = f": node {row.node_id} ({row.class_type}{title}), {row.input}" if row.node_id else ""
    return Text(visible(row.what), style="bold").append(visible(where), style="not bold")


def _value(value: object) -> str:
    if value is STAYS:
        return "—"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _write(graph: str, workflow: Workflow) -> None:
    """Write the bindings file beside a graph on this machine.

    Raises:
        WorkflowFaults: The file exists, or cannot be written.
    """
    if not isinstance(workflow, SavedGraph):
        raise _not_written(graph, "settings have no bindings: their names say what goes where")
    if kind_of(graph) not in {"path", "file"}:
        raise _not_written(graph, "a bindings file is only written beside a file on this machine: copy the graph here")
    path = Path(local_path(bindings_uri(graph)))
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(workflow.bindings_text())
    except FileExistsError as error:
        raise _not_written(graph, f"{path} already exists: edit it, or move it away") from error
    except OSError as error:
        raise _not_written(graph, f"{path} cannot be written: {os.strerror(error.errno or 0)}") from error
    write_error(f"written: {path}")


def _not_written(graph: str, remedy: str) -> WorkflowFaults:
    return WorkflowFaults(shown(graph), (Fault("the bindings file", "", "", remedy),))
