"""Publish the manifest, the page and the artifacts of a run."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from prefect.logging import get_run_logger

from blocks.asking import asking_prefect
from previs.planning.plan import Plan
from previs.planning.schedule import TakeResult
from previs.publishing.publish import Published, lasting_addresses, links_of, publish
from previs.publishing.results import RunIdentity, failure_message, make_manifest, missing_shots, result_of
from previs.publishing.views.wording import plural
from previs.records.manifest import Manifest
from previs.rendering.context import RunContext
from previs.rendering.progress import BoardPublished, emit
from tasks.artifacts import show_board
from tasks.part import this_part
from tasks.retries import step

NOWHERE: Final = Published("", "", "")


@dataclass(frozen=True, slots=True)
class Board:
    """Hold a run's board.

    Attributes:
        manifest: Record of the run.
        published: Paths and URLs of the board's files; those of a part are empty.
        shots: Result for an upstream system, one entry per shot.
        failure: Sentence that says which shots failed and why; None if every shot has its frames.
        message: Sentence that counts the shots and the takes.
        address: Address of the page without a signature, which may be shown anywhere.
    """

    manifest: Manifest
    published: Published
    shots: list[dict[str, Any]]
    failure: str | None
    message: str
    address: str = ""


@step("publish", retries=5)
async def publish_board(plan: Plan, results: list[TakeResult], identity: RunIdentity, context: RunContext) -> Board:
    """Write the run's manifest and page, and create its artifacts; a part has none, only its result."""
    store = context.store
    frames = [frame for result in results if result.record for frame in result.record.frames]
    links = await links_of(frames, store)
    manifest = make_manifest(
        plan,
        results,
        identity,
        lasting_addresses(frames, links, store),
        finished=datetime.now(UTC),
        servers=(server.name for server in context.farm.servers),
        problems=(*context.farm.problems, *missing_shots(plan, results)),
    )
    outcomes = [result.outcome for result in results]
    rendered = f"{plural(outcomes.count('rendered'), 'take')} rendered"
    joined = f", {count} joined" if (count := outcomes.count("joined")) else ""
    marked = f", {count} marked by frame QC" if (count := len(manifest.marked)) else ""
    message = f"{plural(len(manifest.shots), 'shot')}: {rendered}{joined}, {outcomes.count('cached')} cached{marked}"
    failure = failure_message(manifest) if manifest.failed else None
    if this_part():
        return Board(manifest, NOWHERE, [], failure, message)
    published = await publish(manifest, links, store)
    get_run_logger().info("board: %s", published.page)
    if published.notice:
        get_run_logger().warning("the page does not mark what changed since the last run: %s", published.notice)
    with asking_prefect():
        await show_board(manifest, links, store, published.link)
    # A signed link would stay in terminals and in logs of whatever ran the command.
    address = published.link if store.public else published.page
    emit(BoardPublished(address, published.manifest, failure or message, complete=failure is None))
    return Board(manifest, published, result_of(manifest, links), failure, message, address)
