"""Create the artifacts that show a run on Prefect's pages."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import httpx
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.logging import get_run_logger

from previs.publishing.publish import links_until
from previs.publishing.views import (
    Progress,
    contact_sheets,
    overview,
    progress_sheet,
    row_pages,
    shot_rows,
)
from previs.publishing.views.labels import labels
from previs.publishing.views.wording import cell
from previs.records.manifest import Manifest
from previs.records.takes import Frame
from previs.rendering.progress import RunProgress
from previs.store import Store
from previs.store.addresses import kind_of, local_path
from tasks.part import this_part

_UPDATE_EVERY = 2.0
_UNCHANGED_UPDATE_EVERY = 30.0
_PROGRESS = "Progress of the run."
_LAST_UPDATE_SECONDS = 10.0
_HASHED = re.compile(r"(?:^|-)[0-9a-f]{8}$")
_MOST_TABLES = 20
_SHEET, _SHOTS, _FILM = "contact-sheet", "shots", "animatic"


def artifact_key(board: str, kind: str, page: int = 1) -> str:
    """Return the key of a board's artifact. Prefect accepts lower-case letters, digits and dashes.

    Boards never share a key: it ends with a hash of the board's name if it cannot hold the name itself, or if the name
    ends as if it did.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", board.lower()).strip("-")[:40]
    if plain != board or _HASHED.search(plain):
        plain = f"{plain}-{hashlib.sha256(board.encode()).hexdigest()[:8]}".lstrip("-")
    return f"{plain}-{kind}" if page == 1 else f"{plain}-{kind}-{page}"


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
    artifact = _ProgressArtifact(key)
    while True:
        last, now = over.is_set(), progress.snapshot()
        with log_failures():
            await artifact.show(now, last=last)
        if last:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UPDATE_EVERY):
                await over.wait()


@dataclass(slots=True)
class _ProgressArtifact:
    """Write a run's progress, at once if takes moved on, else twice a minute: each write is an event in Prefect."""

    key: str
    artifact: UUID | None = None
    shown: Progress | None = None

    async def show(self, progress: Progress, *, last: bool) -> None:
        """Write the progress, unless it is nearly what is shown."""
        if self.artifact is None:
            sheet = progress_sheet(progress)
            self.artifact = await acreate_markdown_artifact(sheet, key=self.key, description=_PROGRESS)
        elif last or self._is_news(progress):
            async with get_client() as client:
                await client.update_artifact(self.artifact, ArtifactUpdate(data=progress_sheet(progress)))
        else:
            return
        self.shown = progress

    def _is_news(self, progress: Progress) -> bool:
        before = self.shown
        if before is None or progress.elapsed - before.elapsed >= _UNCHANGED_UPDATE_EVERY:
            return True
        return replace(progress, elapsed=before.elapsed) != before


@contextlib.contextmanager
def log_failures() -> Iterator[None]:
    """Log a failed request to Prefect's server and continue: a missing artifact must not fail a run."""
    try:
        yield
    except httpx.HTTPError as error:
        get_run_logger().warning("an artifact could not be written: %s", type(error).__name__)


def link_to_board(page: str) -> str:
    """Return a Markdown link to a board's page, or its path if it is a file: browsers open no file from a web page."""
    return _link("Board", page)


def _link(name: str, address: str) -> str:
    return f"{name}: `{cell(local_path(address))}`" if kind_of(address) == "file" else f"[{name}]({address})"


async def show_film(board: str, address: str) -> None:
    """Create the artifact that leads to a board's animatic."""
    await acreate_markdown_artifact(_link("Animatic", address), key=artifact_key(board, _FILM))


async def show_board(manifest: Manifest, links: Mapping[str, str], store: Store, page: str) -> None:
    """Create the board's artifacts: the contact sheet and the table of shots, each in pages that a browser shows fast.

    The sheet embeds its pictures, unless the store's links are public web links.
    """

    def picture(frame: Frame) -> str | None:
        link = links[frame.key]
        return link if store.public and link.startswith("https://") and frame.kind == "image" else frame.thumbnail

    until = links_until(manifest, store)
    words = "Links to the board and its frames work until {until}; run again for new ones."
    note = labels(manifest.lang)(words, until=until) if until else None
    after = f"\n\n{note}" if note else ""
    # From any artifact's page, this leads to another one's, in both of Prefect's UIs.
    sheets = await asyncio.to_thread(
        contact_sheets,
        manifest,
        picture=picture,
        link=lambda number: f"../key/{artifact_key(manifest.board, _SHEET, number)}",
        note=note,
    )
    # A run's page shows the first paragraph of a description, with Markdown pictures; it drops <img>.
    small = await asyncio.to_thread(overview, manifest)
    embedded = f" ![]({small})" if small else ""
    tables = list(row_pages(shot_rows(manifest, link=lambda frame: local_path(links[frame.key]))))
    link = link_to_board(page)
    for number, sheet in enumerate(sheets, 1):
        about = _description(manifest.board, _SHEET, number, len(sheets), f"{link}{embedded}") + after
        await acreate_markdown_artifact(sheet, key=artifact_key(manifest.board, _SHEET, number), description=about)
    for number, rows in enumerate(tables[:_MOST_TABLES], 1):
        about = _description(manifest.board, _SHOTS, number, len(tables), link) + after
        await acreate_table_artifact(rows, key=artifact_key(manifest.board, _SHOTS, number), description=about)


def _description(board: str, kind: str, number: int, pages: int, first: str) -> str:
    """Return the description of a page of an artifact; that of the first begins with ``first`` and names the others."""
    if pages == 1:
        return first
    if number > 1:
        return f"Page {number} of {pages}; the first is `{artifact_key(board, kind)}`."
    last = min(pages, _MOST_TABLES)
    others = " to ".join(f"`{artifact_key(board, kind, each)}`" for each in sorted({2, last}))
    rest = "" if last == pages else "; the board's page shows the rest"
    return f"{first}\n\nPage 1 of {pages}; the others are {others}{rest}."
