"""Make the manifest and the other results of a run from the results of its takes; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from previs.planning.frame_qc import board_marks
from previs.planning.plan import Plan
from previs.planning.schedule import TakeResult
from previs.publishing.views.labels import language_of
from previs.publishing.views.wording import one_line, shorten
from previs.records.manifest import BindingEntry, Manifest, PassEntry, ShotEntry, TakeEntry, representative
from previs.records.marks import Mark, Retried
from previs.shots import Shot
from previs.store.addresses import shown
from previs.store.credentials import without_credentials
from previs.text.listing import first_of
from previs.text.visible import visible
from previs.workflow import STAYS, BindingRow

_MOST_NAMES = 20
_BOARD, _LONGEST_BOARD = "board:", 100
_OWN_FIELDS = frozenset(("title", "fps", "prompt_template"))


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Identify a run; the fields are those of the manifest."""

    board: str
    run: str
    started: datetime
    workflow: dict[str, Any] | str
    number: int | None = None
    workflows: Mapping[str, dict[str, Any] | str] = field(default_factory=dict)


def name_run(started: datetime, identity: str) -> str:
    """Return a run's name within its board: its start and a part of its identity, so that names sort by time.

    Milliseconds keep runs of the same second apart: the board's latest run is the one that sorts last.
    """
    return f"{started:%Y%m%d-%H%M%S}-{started.microsecond // 1000:03d}-{identity[:8]}"


def board_tag(board: str) -> str:
    """Return the tag of all flow runs of a board in Prefect."""
    return visible(f"{_BOARD}{shorten(one_line(board), _LONGEST_BOARD)}")


def make_manifest(
    plan: Plan,
    results: Iterable[TakeResult],
    run: RunIdentity,
    addresses: Mapping[str, str],
    *,
    finished: datetime,
    servers: Iterable[str] = (),
    problems: Iterable[str] = (),
) -> Manifest:
    """Return the record of a run, without shots that were not selected and are not in the store.

    Args:
        plan: Plan of the run.
        results: Results of every selected take, and of other takes that the store has.
        run: Identity of the run.
        addresses: URLs of frames, by their keys.
        finished: Time at which the last take finished.
        servers: Names of the servers.
        problems: Problems of the run beyond those of its shots.
    """
    of_take = {result.take.label: result for result in results}
    ordered = [of_take[take.label] for take in plan.takes if take.label in of_take]
    by_shot = groupby(ordered, key=lambda result: result.take.shot.label)
    shot_list = plan.shot_list
    marks = board_marks(ordered, shot_list.aspect)
    return Manifest(
        board=run.board,
        run=run.run,
        number=run.number,
        title=shot_list.title,
        fps=shot_list.fps,
        lang=shot_list.lang or language_of(shot.prompt for shot in shot_list.shots),
        started=run.started,
        finished=finished,
        shot_list=without_credentials(shot_list.given_fields(exclude=_OWN_FIELDS)),
        prompt_template=shot_list.prompt_template,
        workflow=run.workflow,
        workflows=dict(run.workflows),
        looks=dict(plan.looks),
        bindings=tuple(_binding(row, name) for name, rows in plan.bindings.items() for row in rows),
        servers=tuple(servers),
        problems=(*plan.notices, *problems),
        shots=tuple(_shot(list(of_shot), plan.chosen.get(label), addresses, marks) for label, of_shot in by_shot),
    )


def missing_shots(plan: Plan, results: Iterable[TakeResult]) -> tuple[str, ...]:
    """Return a sentence about the shots that are not on the board: not selected, and not in the store as listed."""
    present = {result.take.shot.label for result in results}
    missing = [shot.label for shot in plan.shot_list.shots if shot.label not in present]
    if not missing:
        return ()
    count = "1 shot is" if len(missing) == 1 else f"{len(missing)} shots are"
    named = first_of(missing, _MOST_NAMES)
    return (f"{count} not on the board: not selected, and not rendered yet as listed: {named}",)


def result_of(manifest: Manifest, links: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return one object per shot for the upstream system, with links that a person can open now."""
    return [
        {
            "shot_id": shot.shot_id,
            "success": shot.success,
            "image_url": links[shot.shown.frames[0].key] if shot.shown and shot.shown.frames else None,
            "prompt": shot.prompt,
            "takes": [_take_result(take, links) for take in shot.takes],
        }
        | ({"passes": [_pass_result(each, links) for each in shot.passes]} if shot.passes else {})
        for shot in manifest.shots
    ]


def _pass_result(made: PassEntry, links: Mapping[str, str]) -> dict[str, Any]:
    return {"name": made.name} | _take_result(made, links)


def _take_result(take: TakeEntry, links: Mapping[str, str]) -> dict[str, Any]:
    return {
        "take": take.take,
        "outcome": take.outcome,
        "seed": take.seed,
        "image_urls": [links[frame.key] for frame in take.frames],
        "error": take.error,
    } | ({"marks": [mark.kind for mark in take.marks]} if take.marks else {})


def failure_message(manifest: Manifest) -> str:
    """Return which shots failed, and why the first five did."""
    failed = manifest.failed
    reasons = [
        f"{visible(str(shot.shot_id))}: {next((take.error for take in shot.renders if take.error), 'no frame')}"
        for shot in failed[:5]
    ]
    names = visible(", ".join(str(shot.shot_id) for shot in failed))
    return f"{len(failed)} of {len(manifest.shots)} shots failed: {names}\n" + "\n".join(reasons)


def _shot(
    results: list[TakeResult], picked: int | None, addresses: Mapping[str, str], marks: Mapping[str, tuple[Mark, ...]]
) -> ShotEntry:
    shot = results[0].take.shot
    made = [(each.take.pass_name, _take(each, addresses, marks.get(each.take.label, ()))) for each in results]
    takes = tuple(each for name, each in made if not name)
    passes = tuple(PassEntry(name=name, **dict(each)) for name, each in made if name)
    shown_take = representative(takes, passes, picked)
    return ShotEntry(
        shot_id=shot.shot_id,
        success=all(take.frames for take in (*takes, *passes)),
        image_url=shown_take.image_url if shown_take else None,
        prompt=shot.prompt,
        duration=shot.duration,
        sequence=shot.sequence or shot.scene,
        workflow=shot.workflow,
        uses=shot.uses,
        picked=picked,
        shot=_given(shot),
        takes=takes,
        passes=passes,
    )


def _binding(row: BindingRow, workflow: str | None) -> BindingEntry:
    return BindingEntry(
        workflow=workflow,
        what=row.what,
        node_id=row.node_id,
        title=row.title,
        class_type=row.class_type,
        input=row.input,
        rule=row.rule,
        now=None if row.now is STAYS else row.now,
    )


def _given(shot: Shot) -> dict[str, Any]:
    """Return the shot as given, without the signatures of URLs: a record is kept longer and shared more widely."""
    given = shot.given()
    for reference in given.get("references", ()):
        reference["url"] = shown(reference["url"])
    masked: dict[str, Any] = without_credentials(given)
    return masked


def _take(result: TakeResult, addresses: Mapping[str, str], marks: tuple[Mark, ...]) -> TakeEntry:
    record = result.record
    return TakeEntry(
        take=result.take.number,
        outcome=result.outcome,
        fingerprint=result.take.fingerprint,
        seed=result.take.seed,
        server=record.server if record else None,
        comfyui=record.comfyui if record else None,
        prompt_id=record.prompt_id if record else None,
        waiting=record.waiting if record else None,
        seconds=record.seconds if record else None,
        uploading=record.uploading if record else None,
        frames=record.frames if record else (),
        image_url=addresses[record.frames[0].key] if record and record.frames else None,
        error=result.error,
        marks=marks,
        retried=_retried(result),
        attempts=result.attempts or (record.attempts if record else ()),
        graph=dict(result.take.graph),
        inputs=record.inputs if record else (),
        bound=result.take.bound,
    )


def _retried(result: TakeResult) -> Retried | None:
    """Return the render that is not shown, if frame QC had the take rendered once more."""
    if result.retried is None:
        return None
    other = result.retried.other
    return Retried(
        shown="second" if result.take.retry_of else "first",
        marks=result.retried.marks,
        fingerprint=other.take.fingerprint,
        seed=other.take.seed,
        frames=other.record.frames if other.record else (),
        error=other.error,
    )
