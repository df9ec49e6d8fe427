"""Remove from a store what no kept run refers to, or say what that would be."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from previs.boards.prune import prune
from previs.boards.retention import Removal, Rule
from previs.command.output import printable
from previs.command.places import store_of
from previs.publishing.views.wording import plural


@dataclass(frozen=True, slots=True)
class PruneOrder:
    """What a person asked for; see the command's help."""

    store: str | None
    rule: Rule = field(default_factory=Rule)
    really: bool = False


async def prune_store(order: PruneOrder) -> int:
    """Print what goes, with counts and bytes, and remove it if that was asked for.

    Returns:
        What the command exits with: 0, or 1 if nothing may be removed now, or not all was.

    Raises:
        StoreRefused, StoreTrouble: the store cannot be read or written to.
    """
    async with await store_of(order.store) as store:
        found = await prune(store, order.rule, really=order.really)
    for sentence in found.obstacles:
        sys.stderr.write(printable(sentence) + "\n")
    if found.obstacles:
        sys.stderr.write("not all was removed\n" if any(found.removal.stages) else "nothing is removed\n")
        return 1
    _print(found.removal)
    kept = f"{plural(found.kept, 'run')} kept"
    if not any(found.removal.stages):
        sys.stdout.write(f"{kept}; there is nothing to remove\n")
    elif found.done:
        sys.stdout.write(f"{kept}; {decimal(found.removal.size)} removed\n")
    else:
        sys.stdout.write(f"{kept}; nothing was removed: --yes removes {decimal(found.removal.size)}\n")
    return 0


def _print(removal: Removal) -> None:
    rows: list[tuple[str, int, Mapping[str, int]]] = [
        ("runs", removal.runs, {**removal.pages, **removal.manifests}),
        ("frames", len(removal.frames), removal.frames),
        ("records of takes", len(removal.records), removal.records),
        ("pictures used", len(removal.inputs), removal.inputs),
        ("shot lists", len(removal.lists), removal.lists),
        ("claims", len(removal.claims), removal.claims),
    ]
    table = Table(box=None, pad_edge=False)
    table.add_column("kind")
    table.add_column("count", justify="right")
    table.add_column("size", justify="right")
    for kind, count, sizes in rows:
        if count:
            table.add_row(kind, str(count), decimal(sum(sizes.values())))
    if table.row_count:
        Console(highlight=False).print(table)
