"""Delete what no kept run uses, or list it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.filesize import decimal
from rich.table import Table

from previs.boards.prune import prune
from previs.boards.retention import Removal, Rule
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_line
from previs.publishing.views.wording import plural


@dataclass(frozen=True, slots=True)
class PruneOrder:
    """Hold the options of ``previs prune``; see its help."""

    store: str | None
    rule: Rule = field(default_factory=Rule)
    delete: bool = False


async def prune_store(order: PruneOrder) -> int:
    """Print what goes, delete it if the order says so, and return the exit code: 1 if something prevents deletion.

    Raises:
        StoreRefused, StoreUnavailable: The store cannot be read or written to.
    """
    async with await option_store(order.store) as store:
        found = await prune(store, order.rule, really=order.delete)
    for sentence in found.obstacles:
        write_error(sentence)
    if found.obstacles:
        write_error("not everything was deleted" if any(found.removal.stages) else "nothing was deleted")
        return 1
    _print(found.removal)
    kept = f"{plural(found.kept, 'run')} kept"
    if not any(found.removal.stages):
        write_line(f"{kept}; there is nothing to delete")
    elif found.done:
        write_line(f"{kept}; {decimal(found.removal.size)} deleted")
    else:
        write_line(f"{kept}; nothing was deleted: --yes deletes {decimal(found.removal.size)}")
    return 0


def _print(removal: Removal) -> None:
    rows: list[tuple[str, int, Mapping[str, int]]] = [
        ("runs", removal.runs, {**removal.pages, **removal.manifests}),
        ("frames", len(removal.frames), removal.frames),
        ("records of takes", len(removal.records), removal.records),
        ("pictures used", len(removal.inputs), removal.inputs),
        ("shot lists", len(removal.lists), removal.lists),
        ("leases", len(removal.claims), removal.claims),
        ("unfinished files", len(removal.unfinished), removal.unfinished),
    ]
    table = Table(box=None, pad_edge=False)
    table.add_column("kind")
    table.add_column("count", justify="right")
    table.add_column("size", justify="right")
    for kind, count, sizes in rows:
        if count:
            table.add_row(kind, str(count), decimal(sum(sizes.values())))
    if table.row_count:
        console().print(table)
