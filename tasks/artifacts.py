"""Create the artifacts that show a run on Prefect's pages."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from uuid import UUID

import httpx
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.logging import get_run_logger

from previs.publishing.publish import links_until
from previs.publishing.views import contact_sheet, overview, progress_sheet, shot_rows
from previs.publishing.views.wording import cell
from previs.records.manifest import Manifest
from previs.records.takes import Frame
from previs.rendering.progress import RunProgress
from previs.store import Store
from previs.store.addresses import kind_of, local_path
from tasks.part import this_part

_UPDATE_EVERY = 2.0
_PROGRESS = "Progress of the run."
_LAST_UPDATE_SECONDS = 10.0


def artifact_key(board: str, kind: str) -> str:
    """Return the key of a board's artifact. Prefect accepts lower-case letters, digits and dashes.

    Boards never share a key: it ends with a hash of the board's name if it cannot hold the name itself.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", board.lower()).strip("-")[:40]
    if plain != board:
        plain = f"{plain}-{hashlib.sha256(board.encode()).hexdigest()[:8]}".lstrip("-")
    return f"{plain}-{kind}"


@contextlib.asynccontextmanager
async def live_progress(progress: RunProgress, board: str) -> AsyncIterator[asyncio.Event]:
    """Keep the run's progress artifact up to date until the event that is yielded is set, or the context ends.

    Failures never reach the run.
    """
    part = this_part()
    kind = f"part-{part.number}-progress" if part else "progress"
    over = asyncio.Event()
    updating = asyncio.create_task(_keep_up_to_date(progress, artifact_key(board, kind), over))
    try:
        yield over
    finally:
        over.set()
        try:
            await asyncio.wait([updating], timeout=_LAST_UPDATE_SECONDS)
        finally:
            updating.cancel()


async def _keep_up_to_date(progress: RunProgress, key: str, over: asyncio.Event) -> None:
    """Write the artifact until the run is over, and then once more."""
    artifact: UUID | None = None
    while True:
        last = over.is_set()
        with log_failures():
            if artifact is None:
                artifact = await acreate_markdown_artifact(
                    progress_sheet(progress.snapshot()), key=key, description=_PROGRESS
                )
            else:
                await _update(artifact, progress)
        if last:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UPDATE_EVERY):
                await over.wait()


async def _update(artifact: UUID, progress: RunProgress) -> None:
    async with get_client() as client:
        await client.update_artifact(artifact, ArtifactUpdate(data=progress_sheet(progress.snapshot())))


@contextlib.contextmanager
def log_failures() -> Iterator[None]:
    """Log a failed request to Prefect's server and continue: a missing artifact must not fail a run."""
    try:
        yield
    except httpx.HTTPError as error:
        get_run_logger().warning("an artifact could not be written: %s", type(error).__name__)


def link_to_board(page: str) -> str:
    """Return a Markdown link to a board's page, or its path if it is a file: browsers open no file from a web page."""
    return f"Board: `{cell(local_path(page))}`" if kind_of(page) == "file" else f"[Board]({page})"


async def show_board(manifest: Manifest, links: Mapping[str, str], store: Store, page: str) -> None:
    """Create the board's artifacts: the contact sheet and the table of shots.

    The sheet embeds its pictures, unless the store's links are public web links.
    """
    board = manifest.board

    def picture(frame: Frame) -> str | None:
        link = links[frame.key]
        return link if store.public and link.startswith("https://") and frame.kind == "image" else frame.thumbnail

    until = links_until(manifest, store)
    note = f"Links to the board and its frames work until {until}; run again for new ones." if until else None
    link, after = link_to_board(page), f"\n\n{note}" if note else ""
    sheet = contact_sheet(manifest, picture=picture, note=note)
    rows = shot_rows(manifest, link=lambda frame: links[frame.key])
    # A run's page shows the first paragraph of a description, with Markdown pictures; it drops <img>.
    small = await asyncio.to_thread(overview, manifest)
    embedded = f" ![]({small})" if small else ""
    await asyncio.gather(
        acreate_markdown_artifact(sheet, key=artifact_key(board, "contact-sheet"), description=link + after),
        acreate_table_artifact(rows, key=artifact_key(board, "shots"), description=link + embedded + after),
    )
