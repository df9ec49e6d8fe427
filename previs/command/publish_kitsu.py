"""Publish a board to Kitsu."""

import asyncio
import getpass
import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from previs.boards.picks import picks
from previs.boards.runs import load_manifest, name_of
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_line
from previs.errors import Fault, KitsuRefused, NotInStore, ShotListFaults
from previs.kitsu.answers import is_private
from previs.kitsu.client import Kitsu, Login
from previs.kitsu.plan import BoardShot, Step, board_shots, make_plan
from previs.kitsu.publish import Published, Target, publish
from previs.publishing.views.wording import one_line, plural
from previs.records.manifest import Manifest
from previs.store import Store
from previs.text.listing import first_of
from previs.text.similar import closest

HOST, EMAIL, PASSWORD, TOKEN = "KITSU_HOST", "KITSU_EMAIL", "KITSU_PASSWORD", "KITSU_TOKEN"
_NAMED: Final = 20
_OF_FILE: Final = ("email", "password", "token")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class KitsuOrder:
    """Hold the options of ``previs publish kitsu``; see its help."""

    store: str | None
    board: str
    project: str
    run: str | None = None
    host: str | None = None
    episode: str = ""
    sequence: str = ""
    task_type: str = "Storyboard"
    status: str = ""
    shots: tuple[str, ...] = ()
    first_frame: int = 1
    login: Path | None = None
    dry_run: bool = False


async def publish_board(order: KitsuOrder) -> int:
    """Publish the board, print a summary and return the exit code: 1 if a shot could not be published.

    Raises:
        NotInStore: The store has no such board, run or shot.
        RecordUnreadable: The manifest cannot be used.
        ShotListFaults: The file of the login cannot be used.
        KitsuRefused: The login is rejected, or Kitsu lacks what an option names.
        KitsuUnavailable: Kitsu does not answer as it should.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    host = order.host or os.environ.get(HOST, "")
    if not host:
        raise KitsuRefused("an unknown address", f"give its URL with --host, or in {HOST}")
    async with await option_store(order.store) as store:
        board = await name_of(store, order.board)
        manifest, _ = await load_manifest(store, board, order.run)
        chosen = await picks(store, board, warn=write_error)
        taken = {shot: pick.take for shot, pick in chosen.items()}
        shots = board_shots(manifest, taken, sequence=order.sequence, first_frame=order.first_frame)
        _check_names(order.shots, shots, store, board)
        with Kitsu(host) as kitsu:
            if not is_private(kitsu.host):
                write_error(f"warning: {kitsu.host} gets the login without encryption: use https://")
            await asyncio.to_thread(lambda: kitsu.log_in(_login(order.login)))
            try:
                return await _publish(order, store, manifest, shots, kitsu)
            finally:
                await asyncio.to_thread(kitsu.log_out)


async def _publish(
    order: KitsuOrder, store: Store, manifest: Manifest, shots: Sequence[BoardShot], kitsu: Kitsu
) -> int:
    target, steps = await asyncio.to_thread(_planned, order, manifest, shots, kitsu)
    where = f"run {manifest.run} → {one_line(str(target.project['name']))}"
    if order.dry_run:
        for step in steps:
            if not step.is_idle:
                write_line(f"{step.shot.name}: {_todo(step, target)}")
        write_line(f"{where}: nothing was published; {_counts(steps)}")
        _write_notes(steps, Published())
        return 0
    columns = (TextColumn("shots"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        made = await publish(
            store, manifest, steps, kitsu, target, lambda done, of: progress.update(bar, completed=done, total=of)
        )
    idle = sum(step.is_idle and not step.skipped for step in steps)
    parts = [
        plural(len(steps), "shot"),
        f"{len(made.created)} new",
        f"{len(made.updated)} changed",
        f"{plural(len(made.uploaded), 'picture')} uploaded",
        f"{idle} unchanged",
        *([f"{len(made.failed)} failed"] if made.failed else []),
    ]
    write_line(f"{where}: {', '.join(parts)}")
    _write_notes(steps, made)
    return 1 if made.failed else 0


def _planned(
    order: KitsuOrder, manifest: Manifest, shots: Sequence[BoardShot], kitsu: Kitsu
) -> tuple[Target, list[Step]]:
    project = kitsu.project(order.project)
    episode = kitsu.episode(project, order.episode)
    task_type = kitsu.task_type(project, order.task_type)
    status = kitsu.status(kitsu.statuses(project), order.status)
    found = kitsu.found(project, episode, task_type)
    sequences = {str(each["name"]): each for each in found.sequences}
    wanted = {one_line(each) for each in order.shots}
    steps = make_plan(shots, found, manifest.board, wanted=wanted)
    return Target(project, episode, task_type, status, bool(order.status), sequences), steps


def _todo(step: Step, target: Target) -> str:
    parts = []
    if step.existing is None:
        new = "" if step.shot.sequence in target.sequences else "new "
        parts.append(f"new shot in the {new}sequence {step.shot.sequence}")
    elif step.changes:
        names = [name for name in step.changes if name != "data"]
        names += [name for name in step.changes.get("data", {}) if name in step.shot.fields]
        parts.append(f"{', '.join(names).replace('parent_id', f'sequence {step.shot.sequence}')} changed")
    if step.uploads and step.shot.frame is not None:
        take = f"take {step.shot.take.take}" if step.shot.take else "a take"
        parts.append(f"{take} uploaded ({step.shot.frame.size / 1_000_000:.1f} MB)")
    return ", ".join(parts)


def _counts(steps: Sequence[Step]) -> str:
    new = sum(step.existing is None and not step.skipped for step in steps)
    changed = sum(bool(step.changes) and not step.skipped for step in steps)
    uploads = sum(step.uploads and not step.skipped for step in steps)
    pictures = plural(uploads, "picture")
    return f"of {plural(len(steps), 'shot')}, {new} would be new, {changed} changed; {pictures} to upload"


def _write_notes(steps: Sequence[Step], made: Published) -> None:
    for step in steps:
        if step.skipped:
            write_error(f"note: shot {step.shot.name} is left out: {step.skipped}")
    kept = [f"{step.shot.name} ({', '.join(step.kept)})" for step in steps if step.kept]
    without = [step.shot.name for step in steps if step.shot.frame is None and not step.skipped]
    for names, what in (
        (kept, "values that somebody changed in Kitsu are kept"),
        (without, "no picture yet"),
        (made.others_shown, "the main preview is one that somebody else chose, and is kept"),
    ):
        if names:
            write_error(f"note: {what}: {first_of(names, _NAMED)}")
    for name, reason in list(made.failed.items())[:_NAMED]:
        write_error(f"shot {name} is not published: {reason}")
    if len(made.failed) > _NAMED:
        write_error(f"and {len(made.failed) - _NAMED} more: {first_of(list(made.failed)[_NAMED:], _NAMED)}")


def _check_names(wanted: Sequence[str], shots: Sequence[BoardShot], store: Store, board: str) -> None:
    names = [shot.name for shot in shots]
    for each in wanted:
        if one_line(each) not in names:
            near = closest(each, names) or names
            raise NotInStore(store.name, f"shot {each!r} on board {board!r}", f"it has {first_of(near, _NAMED)}")


def _login(path: Path | None) -> Login:
    """Return how to log in: of a file, else of the environment, else as somebody types it.

    Raises:
        ShotListFaults: The file cannot be used.
        KitsuRefused: There is no login.
    """
    if path is not None:
        return Login(**_of_file(path))
    if token := os.environ.get(TOKEN):
        return Login(token=token)
    email, password = os.environ.get(EMAIL, ""), os.environ.get(PASSWORD, "")
    if not (email and password) and sys.stdin.isatty():
        email = email or input("E-mail address in Kitsu: ")
        password = getpass.getpass("Password: ")
    if not (email and password):
        raise KitsuRefused("this address", f"set {EMAIL} and {PASSWORD}, or {TOKEN} of a bot, or give --login FILE")
    return Login(email, password)


def _of_file(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_mode & _OTHERS:
            write_error(f"warning: others on this machine may read {path}: chmod 600 it")
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        # The text of a JSON error is without the file's.
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise _not_login(path, str(reason)) from None
    fields = {name: content.get(name) for name in _OF_FILE} if isinstance(content, dict) else {}
    given = {name: value for name, value in fields.items() if isinstance(value, str) and value}
    if "token" in given or {"email", "password"} <= given.keys():
        return given
    raise _not_login(path, "it has neither email and password nor token")


def _not_login(path: Path, reason: str) -> ShotListFaults:
    remedy = f'{reason}: give a JSON file such as {{"email": "…", "password": "…"}} or {{"token": "…"}}'
    return ShotListFaults("the login", (Fault("--login", "", str(path), remedy),))
