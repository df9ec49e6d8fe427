"""Show what a run would do: which takes are there already, which would be rendered, why, and how long that takes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from previs.boards.picks import picks
from previs.boards.runs import each_manifest, runs_of
from previs.comfyui.protocol.graph import class_types
from previs.command.inquiry import Inquiry
from previs.command.output import write_json
from previs.command.places import servers_of, store_of
from previs.errors import NotInStore
from previs.ingest.load import DEFAULT_WORKFLOW, load_inputs
from previs.ingest.reader import SourceReader
from previs.planning.cache import known_takes
from previs.planning.estimate import PastTakes, longest_chain, whole_run
from previs.planning.explain import last_run, to_render, why
from previs.planning.plan import PlannedTake, take_label
from previs.planning.planner import Wishes, make_plan
from previs.publishing.views.timecode import spell
from previs.publishing.views.wording import one_line, plural
from previs.records.manifest import Manifest
from previs.store import S3Store, Store

SCHEMA: Final = "previs.plan/1"

_RUNS_READ = 3
_MOST_ROWS = 50
_MARK = 12
_TO_THE_SECOND = 10


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One take of a plan.

    Attributes:
        shot_id: as the list has it.
        cached: whether it is in the store, and would not be rendered.
        why: it would be rendered, in sentences; empty for a cached one.
        seconds: that it is estimated to need; 0 for a cached one, none where nothing is known.
    """

    shot_id: int | str
    take: int
    fingerprint: str
    cached: bool
    why: tuple[str, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class _Sums:
    """What rows come to.

    Attributes:
        renders: fewer than takes to render where some have one fingerprint.
        seconds: of the whole run; none where nothing is known.
    """

    takes: int
    cached: int
    to_render: int
    renders: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """What a person asked for; see the command's help."""

    shots: str
    workflow: str | None = None
    farm: tuple[str, ...] = ()
    store: str | None = None
    board: str = ""
    wishes: Wishes = field(default_factory=Wishes)
    max_age: timedelta | None = None
    every: bool = False
    as_json: bool = False


async def plan_shots(order: PlanOrder) -> int:
    """Print what a run would do; nothing is rendered, and nothing written.

    Raises:
        FixTheInput, TryAgain: something cannot be read, or the workflow does not fit.
    """
    notices: list[str] = []
    not_before = None if order.max_age is None else datetime.now(UTC) - order.max_age
    async with await store_of(order.store) as store, Inquiry(await servers_of(order.farm)) as inquiry:
        async with SourceReader(store.settings if isinstance(store, S3Store) else None) as sources:
            given = await load_inputs(order.shots, order.workflow or DEFAULT_WORKFLOW, sources, store, inquiry)
        board = order.board or given.name
        plan = make_plan(
            given.shot_list,
            given.workflow,
            given.pictures,
            given.workflow_pictures,
            wishes=order.wishes,
            picks=await picks(store, board, say=notices.append),
            render_nonce="again",
        )
        wanted = [take for take in plan.sources_first() if take.label in plan.wanted]
        servers = await inquiry(class_types(take.graph for take in wanted), needed=False)
        found = await known_takes(wanted, store, inquiry.model_hashes, not_before=not_before)
        past = await _last_runs(store, board)
    reasons = to_render(wanted, found)
    rows = _rows([take for take in plan.takes if take.label in plan.wanted], reasons, past)
    notices += [*plan.notices, *inquiry.failed.values()]
    longest = longest_chain(wanted, {take_label(str(row.shot_id), row.take): row.seconds for row in rows})
    show_plan(rows, servers=len(servers), longest=longest, notices=notices, every=order.every, as_json=order.as_json)
    return 0


async def _last_runs(store: Store, board: str) -> list[Manifest]:
    """The board's last runs, the last one first; what cannot be read is left out."""
    try:
        places = (await runs_of(store, board))[:_RUNS_READ]
    except NotInStore:
        return []
    read = await each_manifest(store, places, lambda _, manifest: manifest)
    return [manifest for place in places if isinstance(manifest := read.get(place), Manifest)]


def _rows(takes: Sequence[PlannedTake], reasons: Mapping[str, str], past: Sequence[Manifest]) -> list[PlannedRow]:
    last, times = last_run(past[0] if past else None), PastTakes(past)
    return [
        PlannedRow(
            shot_id=take.shot.shot_id,
            take=take.number,
            fingerprint=take.fingerprint,
            cached=take.label not in reasons,
            why=why(take, last, known=reasons[take.label]) if take.label in reasons else (),
            seconds=times.seconds(take) if take.label in reasons else 0.0,
        )
        for take in takes
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
    """Print a plan: what it comes to, then its takes.

    Args:
        rows: all takes, in the plan's order.
        servers: how many would share the work; 0 where none could be asked.
        longest: seconds of takes that wait for each other.
        notices: what else a person should know, in sentences.
        every: show all takes; without it, only what would be rendered, and of very much the first part.
        as_json: for programs: always everything.
    """
    sums = _sums(rows, servers, longest)
    if as_json:
        content = asdict(sums) | {"servers": servers, "notices": list(notices), "rows": [asdict(row) for row in rows]}
        write_json({"schema": SCHEMA} | content)
        return
    console = Console(highlight=False)
    console.print(Text(_summary(sums, servers)), soft_wrap=True)
    shown = [row for row in rows if every or not row.cached]
    first = shown if every else shown[:_MOST_ROWS]
    if first:
        console.print(_table(first))
    if more := len(shown) - len(first):
        console.print(Text(f"and {more} more to render: --all shows them"), soft_wrap=True)
    for notice in notices:
        console.print(Text(f"note: {one_line(notice)}"), soft_wrap=True)


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
    """The plan in one line: ``200 takes: 199 cached, 1 to render, about 12 s on 2 servers``."""
    parts = [f"{sums.cached} cached", f"{sums.to_render} to render"]
    if sums.renders < sums.to_render:
        parts[1] += f" ({plural(sums.renders, 'render')}, as some are equal)"
    if sums.to_render:
        on = plural(max(servers, 1), "server")
        long = "for an unknown time" if sums.seconds is None else f"about {_spelt(sums.seconds)}"
        parts.append(f"{long} on {on}")
    return f"{plural(sums.takes, 'take')}: {', '.join(parts)}"


def _table(rows: Sequence[PlannedRow]) -> Table:
    table = Table()
    for heading in ("shot", "take", "fingerprint", "why", "estimated"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "estimated" else "left")
    for row in rows:
        seconds = "unknown" if row.seconds is None else _spelt(row.seconds)
        why = "cached" if row.cached else "\n".join(one_line(sentence) for sentence in row.why)
        words = (one_line(str(row.shot_id)), str(row.take), row.fingerprint[:_MARK], why, seconds)
        table.add_row(*(Text(word) for word in words))
    return table


def _spelt(seconds: float) -> str:
    return spell(round(seconds) if seconds >= _TO_THE_SECOND else round(seconds, 1))
