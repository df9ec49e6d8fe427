"""Publish the shots of a board to Kitsu, several at a time; what fails costs no other shot."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from previs.errors import PrevisError, RecordUnreadable
from previs.ingest.decoding import scaled
from previs.ingest.stored_files import spill_frame
from previs.kitsu.client import Kitsu
from previs.kitsu.plan import MARK, BoardShot, Entity, Step, frame_mark, shot_data, task_mark
from previs.pictures.spill import SpillFolder
from previs.publishing.views.wording import cell
from previs.records.manifest import Manifest
from previs.store import Store

Report = Callable[[int, int], None]
"""Receives the number of finished shots and the number of all shots."""

_AT_ONCE: Final = 4
# requests holds a whole file in memory while it sends it.
_LARGE: Final = 64_000_000
_LARGEST: Final = (4096, 4096)
_TWINS: Final = str.maketrans("@#", "＠＃")
# What Kitsu makes pictures and films of; other files have no thumbnail there.
_SUFFIXES: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Hold where a board is published to.

    Attributes:
        project: The project.
        episode: The episode; None for a project without.
        task_type: Type of the tasks with the previews.
        status: Status of new tasks.
        sets_status: Whether tasks get this status with each preview; else they keep theirs.
        sequences: Sequences that are there, by name.
    """

    project: Entity
    episode: Entity | None
    task_type: Entity
    status: Entity
    sets_status: bool
    sequences: dict[str, Entity]


@dataclass(slots=True)
class Published:
    """Hold what was published.

    Attributes:
        created, updated, uploaded: Names of the shots that were made or changed, or got a preview.
        others_shown: Names of shots that keep a main preview which somebody else chose.
        failed: Reasons, by the name of the shot.
    """

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    uploaded: list[str] = field(default_factory=list)
    others_shown: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


async def publish(
    store: Store,
    manifest: Manifest,
    steps: Sequence[Step],
    kitsu: Kitsu,
    target: Target,
    report: Report = lambda *_: None,
) -> Published:
    """Do what was planned, and return what was done.

    A frame counts as uploaded only when its task remembers it, so a publication that was cut off is completed by the
    next one.

    Args:
        store: Store with the board's frames.
        manifest: Record of the run.
        steps: Plan of :func:`previs.kitsu.plan.make_plan`.
        kitsu: Connection that has logged in.
        target: Where the board is published to.
        report: Callback for progress.

    Raises:
        KitsuRefused, KitsuUnavailable: A sequence cannot be created.
    """
    left = [step for step in steps if not step.is_idle]
    await asyncio.to_thread(_make_sequences, kitsu, target, left)
    work = _Work(store, manifest, target, Published())
    waiting = iter(left)
    done = 0

    async def worker(connection: Kitsu) -> None:
        nonlocal done
        for step in waiting:
            try:
                await work.publish(step, connection)
            except PrevisError as error:
                work.published.failed[step.shot.name] = str(error)
            done += 1
            report(done, len(left))

    with ExitStack() as stack:
        connections = [stack.enter_context(kitsu.another()) for _ in range(min(_AT_ONCE, len(left)))]
        with work.spill:
            async with asyncio.TaskGroup() as group:
                for connection in connections:
                    group.create_task(worker(connection))
    return work.published


def _make_sequences(kitsu: Kitsu, target: Target, steps: Sequence[Step]) -> None:
    for name in dict.fromkeys(step.shot.sequence for step in steps):
        if name not in target.sequences:
            target.sequences[name] = kitsu.new_sequence(target.project, name, target.episode)


@dataclass(frozen=True, slots=True)
class _Work:
    """Publish shots, each by one worker."""

    store: Store
    manifest: Manifest
    target: Target
    published: Published
    spill: SpillFolder = field(default_factory=SpillFolder)
    one_large: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def publish(self, step: Step, kitsu: Kitsu) -> None:
        """Create or change the shot of a step, and upload its frame."""
        path = await self._file(step.shot) if step.uploads else None
        try:
            is_large = path is not None and path.stat().st_size > _LARGE
            async with self.one_large if is_large else contextlib.nullcontext():
                await asyncio.to_thread(self._write, step, kitsu, path)
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    async def _file(self, shot: BoardShot) -> Path:
        """Return a temporary file that Kitsu makes a preview of."""
        assert shot.frame is not None  # noqa: S101 - the step uploads it
        stored = await spill_frame(self.store, shot.frame, self.spill)
        if stored is None:
            raise RecordUnreadable(shot.frame.key, f"it is missing from {self.store.name}: run the list again")
        suffix = _SUFFIXES.get(shot.frame.media_type)
        if suffix is not None:
            return stored.path.rename(stored.path.with_suffix(suffix))
        target = self.spill.new().path.with_suffix(".jpg")
        try:
            await scaled(stored.path, target, box=_LARGEST, uri=shot.frame.key)
        finally:
            stored.path.unlink(missing_ok=True)
        return target

    def _write(self, step: Step, kitsu: Kitsu, path: Path | None) -> None:
        shot = self._shot(step, kitsu)
        if path is None:
            return
        task = step.task or kitsu.new_task(shot, self.target.task_type, self.target.status)
        status = self.target.status["id"] if self.target.sets_status else task["task_status_id"]
        preview = kitsu.upload(task, status, self._comment(step.shot), path)
        # A shot may show work of another department by now.
        if shot.get("preview_file_id") in (None, task_mark(step.task).get("preview")):
            kitsu.show(preview)
        else:
            self.published.others_shown.append(step.shot.name)
        mark = frame_mark(step.shot, preview, board=self.manifest.board, run=self.manifest.run)
        kitsu.remember(task, {MARK: mark})
        self.published.uploaded.append(step.shot.name)

    def _shot(self, step: Step, kitsu: Kitsu) -> Entity:
        shot, sequence = step.shot, self.target.sequences[step.shot.sequence]
        if step.existing is None:
            fields: dict[str, Any] = {name: shot.fields[name] for name in ("nb_frames", "description")}
            data = shot_data(shot.fields, self.manifest.board)
            made = kitsu.new_shot(self.target.project, sequence, shot.name, fields | {"data": data})
            self.published.created.append(shot.name)
            return made
        if step.changes:
            changes = dict(step.changes)
            if "parent_id" in changes:
                changes["parent_id"] = sequence["id"]
            kitsu.update_shot(step.existing, changes)
            self.published.updated.append(shot.name)
        return step.existing

    def _comment(self, shot: BoardShot) -> str:
        number = f", run {self.manifest.number}" if self.manifest.number else ""
        take = f", take {shot.take.take}" if shot.take else ""
        name = f", {shot.take.pass_name}" if shot.take and shot.take.pass_name else ""
        # Kitsu shows comments as Markdown, mentions people after @, and copies comments to the tasks named after #.
        return cell(f"{self.manifest.title or self.manifest.board}{number}{take}{name}").translate(_TWINS)
