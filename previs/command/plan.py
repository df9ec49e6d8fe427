"""Show what a run would do: which takes are cached, which would be rendered, why, and for how long."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.table import Table
from rich.text import Text

from previs.boards.picks import picks
from previs.boards.runs import last_manifests
from previs.comfyui.protocol.graph import class_types
from previs.command.console import console
from previs.command.farm_and_store import farm_addresses, option_store
from previs.command.inquiry import Inquiry
from previs.command.output import write_json
from previs.ingest.load import load_inputs
from previs.ingest.reader import SourceReader
from previs.ingest.workflow_files import DEFAULT_WORKFLOW
from previs.planning.changed_looks import changed_looks
from previs.planning.estimate import PastTakes, longest_chain, whole_run
from previs.planning.explain import last_run, to_render, why
from previs.planning.make_plan import RunOptions, make_plan
from previs.planning.plan import PlannedTake, take_label
from previs.publishing.views.timecode import spell
from previs.publishing.views.wording import one_line, plural
from previs.records.manifest import Manifest
from previs.rendering.cache_lookup import cached_takes

SCHEMA: Final = "previs.plan/1"

_MOST_ROWS = 50
_FINGERPRINT_LENGTH = 12
_WHOLE_SECONDS_FROM = 10


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """Describe one take or pass of a plan.

    Attributes:
        shot_id: ID of the shot, as in the list.
        take: Number of the take; of a pass, that of the take it is made from.
        pass_name: Name of the pass; empty for a take itself.
        cached: Whether the store has the take, so that it would not be rendered.
        why: Reasons to render it, in sentences; empty for a cached take.
        seconds: Estimated seconds; 0 for a cached take, None if unknown.
        basis: What the estimate rests on; empty for a cached take, or if nothing is known.
    """

    shot_id: int | str
    take: int
    fingerprint: str
    cached: bool
    why: tuple[str, ...]
    seconds: float | None
    basis: str = ""
    pass_name: str = ""


@dataclass(frozen=True, slots=True)
class _Sums:
    """Hold totals of rows.

    Attributes:
        renders: Number of different fingerprints among the takes to render.
        seconds: Estimated seconds of the whole run; None if unknown.
    """

    takes: int
    cached: int
    to_render: int
    renders: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """Hold the options of ``previs plan``; see its help."""

    shots: str
    workflow: str | None = None
    farm: tuple[str, ...] = ()
    store: str | None = None
    board: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    max_age: timedelta | None = None
    every: bool = False
    as_json: bool = False


async def plan_shots(order: PlanOrder) -> int:
    """Print what a run would do, without rendering or writing, and return the exit code.

    Raises:
        FixTheInput, TryAgain: Something cannot be read, or the workflow does not fit.
    """
    notices: list[str] = []
    not_before = None if order.max_age is None else datetime.now(UTC) - order.max_age
    async with await option_store(order.store) as store, Inquiry(await farm_addresses(order.farm)) as inquiry:
        async with SourceReader.for_store(store) as sources:
            inputs = await load_inputs(order.shots, order.workflow or DEFAULT_WORKFLOW, sources, store, inquiry)
        board = order.board or inputs.name
        plan = await asyncio.to_thread(
            make_plan,
            inputs.shot_list,
            inputs.workflows,
            inputs.pictures,
            options=order.options,
            picks=await picks(store, board, warn=notices.append),
            render_nonce="again",
        )
        wanted = [take for take in plan.sources_first() if take.label in plan.wanted]
        servers = await inquiry(class_types(take.graph for take in wanted), needed=False)
        found = await cached_takes(wanted, store, inquiry.model_hashes, not_before=not_before)
        past = await last_manifests(store, board)
    reasons = to_render(wanted, found)
    rows = _rows([take for take in plan.takes if take.label in plan.wanted], reasons, past)
    last, missing = past[0] if past else None, [take for take in wanted if take.label in reasons]
    notices += [*changed_looks(last, plan.looks, missing), *plan.notices, *inquiry.failed.values()]
    longest = longest_chain(
        wanted, {take_label(str(row.shot_id), row.take, row.pass_name): row.seconds for row in rows}
    )
    show_plan(rows, servers=len(servers), longest=longest, notices=notices, every=order.every, as_json=order.as_json)
    return 0


def _rows(takes: Sequence[PlannedTake], reasons: Mapping[str, str], past: Sequence[Manifest]) -> list[PlannedRow]:
    last, times = last_run(past[0] if past else None), PastTakes(past)
    known = {take.label: times.estimate(take) for take in takes if take.label in reasons}
    return [
        PlannedRow(
            shot_id=take.shot.shot_id,
            take=take.number,
            pass_name=take.pass_name,
            fingerprint=take.fingerprint,
            cached=take.label not in reasons,
            why=why(take, last, known=reasons[take.label]) if take.label in reasons else (),
            seconds=(estimate.seconds if estimate else None) if take.label in reasons else 0.0,
            basis=estimate.basis if estimate else "",
        )
        for take, estimate in ((take, known.get(take.label)) for take in takes)
    ]


def show_plan(
    rows: Sequence[PlannedRow],
    *,
    servers: int,
    longest: float = 0.0,
    notices: Collection[str] = (),
    every: bool = False,
    as_json: bool = False,
) -> None:
    """Print a plan: a summary, then its takes.

    Args:
        rows: All takes, in the plan's order.
        servers: Number of servers that would share the work; 0 if no server answers.
        longest: Seconds of the longest chain of takes that wait for each other.
        notices: Notices of the plan, in sentences.
        every: Whether to show all takes; else the first 50 of those that would be rendered.
        as_json: Whether to print JSON, which always has all takes.
    """
    sums = _sums(rows, servers, longest)
    if as_json:
        content = asdict(sums) | {"servers": servers, "notices": list(notices), "rows": [asdict(row) for row in rows]}
        write_json({"schema": SCHEMA} | content)
        return
    printed = console()
    printed.print(Text(_summary(sums, servers)), soft_wrap=True)
    if basis := _basis(rows):
        printed.print(Text(basis), soft_wrap=True)
    shown = [row for row in rows if every or not row.cached]
    first = shown if every else shown[:_MOST_ROWS]
    if first:
        printed.print(_table(first))
    if more := len(shown) - len(first):
        printed.print(Text(f"and {more} more to render: --all shows them"), soft_wrap=True)
    for notice in notices:
        printed.print(Text(f"note: {one_line(notice)}"), soft_wrap=True)


def _sums(rows: Sequence[PlannedRow], servers: int, longest: float) -> _Sums:
    to_render = [row for row in rows if not row.cached]
    renders = {row.fingerprint: row.seconds for row in to_render}
    return _Sums(
        takes=len(rows),
        cached=len(rows) - len(to_render),
        to_render=len(to_render),
        renders=len(renders),
        seconds=whole_run(renders.values(), servers, longest),
    )


def _summary(sums: _Sums, servers: int) -> str:
    """Return the plan in one line: ``200 takes: 199 cached, 1 to render, about 12 s on 2 servers``."""
    parts = [f"{sums.cached} cached", f"{sums.to_render} to render"]
    if sums.renders < sums.to_render:
        parts[1] += f" ({plural(sums.renders, 'render')}, as some are equal)"
    if sums.to_render:
        on = plural(max(servers, 1), "server")
        duration = "for an unknown time" if sums.seconds is None else f"about {_duration(sums.seconds)}"
        parts.append(f"{duration} on {on}")
    return f"{plural(sums.takes, 'take')}: {', '.join(parts)}"


def _basis(rows: Sequence[PlannedRow]) -> str:
    """Return what the estimates rest on, with the number of takes for each."""
    counts = Counter(row.basis for row in rows if row.basis)
    named = ", ".join(f"{basis} ({count})" for basis, count in counts.most_common())
    return f"estimated from {named}" if named else ""


def _table(rows: Sequence[PlannedRow]) -> Table:
    table = Table()
    for heading in ("shot", "take", "fingerprint", "why", "estimated"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "estimated" else "left")
    for row in rows:
        seconds = "unknown" if row.seconds is None else _duration(row.seconds)
        why = "cached" if row.cached else "\n".join(one_line(sentence) for sentence in row.why)
        made = one_line(row.pass_name) or str(row.take)
        cells = (one_line(str(row.shot_id)), made, row.fingerprint[:_FINGERPRINT_LENGTH], why, seconds)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _duration(seconds: float) -> str:
    return spell(round(seconds) if seconds >= _WHOLE_SECONDS_FROM else round(seconds, 1))
