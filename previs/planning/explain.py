"""Explain why a take must be rendered, by comparing it with the last run of its board; pure."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from previs.planning.cache import Found, usable
from previs.planning.diff import changes, summarize
from previs.planning.frame_qc import shown_record
from previs.planning.plan import PlannedTake, TakeFrame
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import TakeRecord

NEW_SHOT: Final = "new shot"
NEW_TAKE: Final = "new take"
NEW_OF_TAKE: Final = "new pass"
REFRESHED: Final = "a refresh was asked for"
MARKED: Final = "frame QC marked it: it is rendered once more with another seed"


@dataclass(frozen=True, slots=True)
class LastRun:
    """Hold the takes of a board's last run; empty if there was no run.

    Attributes:
        shots: Shots by their labels.
        frames: Frames of all takes, by the takes' fingerprints and by their own SHA-256.
    """

    shots: Mapping[str, ShotEntry] = field(default_factory=dict)
    frames: dict[str, TakeFrame] = field(default_factory=dict)


def last_run(manifest: Manifest | None) -> LastRun:
    """Return the last run of a board, from its manifest if it has one."""
    shots = {str(shot.shot_id): shot for shot in manifest.shots} if manifest else {}
    frames: dict[str, TakeFrame] = {}
    for label, shot in shots.items():
        for take in shot.renders:
            named = TakeFrame(label, take.take, take.planned_fingerprint, take.pass_name)
            known = (take.fingerprint, take.planned_fingerprint, *(frame.sha256 for frame in take.frames))
            frames |= dict.fromkeys(known, named)
    return LastRun(shots, frames)


def why(take: PlannedTake, last: LastRun, *, known: str = "") -> tuple[str, ...]:
    """Return why a take that is not cached must be rendered, as at least one sentence.

    Args:
        take: Take as planned, without the frames that it builds on.
        last: Last run of the board.
        known: Reason that is known without the last run, such as an unusable record; empty if there is none.
    """
    if known or take.render_nonce:
        return (known or REFRESHED,)
    shot = last.shots.get(take.shot.label)
    if shot is None:
        return (NEW_SHOT,)
    entry = shot.render_of(take.number, take.pass_name)
    if entry is None:
        return (NEW_OF_TAKE if take.pass_name else NEW_TAKE,)
    if entry.planned_fingerprint == take.fingerprint:
        return (_why_not_stored(entry),)
    if not entry.graph:
        return ("the last run did not record what it was made from",)
    derived = take.shot.seed is None and shot.shot.get("seed") in (None, -1)
    frames = ChainMap({frame.fingerprint: frame for frame in take.builds_on}, last.frames)
    found = changes(entry, take, derived=derived, frames=frames)
    return summarize(found) or ("this version of previs gives the same graph another fingerprint",)


def to_render(takes: Iterable[PlannedTake], found: Mapping[str, Found]) -> dict[str, str]:
    """Return the takes that must be rendered, by label, with the reason that is known without the last run.

    A reason is empty if only the last run can show it.

    Args:
        takes: Takes of a plan, each after those that it builds on.
        found: Stored results of the takes, by fingerprint.
    """
    reasons: dict[str, str] = {}
    pictures: dict[str, str] = {}
    for take in takes:
        record = shown_record(take, found)
        if record is None:
            one = found.get(take.fingerprint)
            known = one.reason if one and not take.render_nonce else ""
            reasons[take.label] = MARKED if usable(take, found) else known
            continue
        later = [frame.label for frame in take.builds_on if frame.label in reasons]
        before = [frame.label for frame in take.builds_on if pictures.get(frame.label) != _source(record, frame)]
        if later or before:
            tense = "is" if later else "was"
            reasons[take.label] = f"{(later or before)[0]}, which it builds on, {tense} rendered again"
        elif record.picture:
            pictures[take.label] = record.picture.sha256
    return reasons


def _source(record: TakeRecord, frame: TakeFrame) -> str | None:
    return record.sources.get(frame.fingerprint)


def _why_not_stored(entry: TakeEntry) -> str:
    if entry.frames:
        return "its record is gone"
    sentence = "it was skipped in the last run" if entry.outcome == "skipped" else "it failed in the last run"
    return f"{sentence}: {entry.error}" if entry.error else sentence
