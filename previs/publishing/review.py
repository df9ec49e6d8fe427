"""What a person says of a run's takes: which are chosen, and which shots are to be made again; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from previs.records.manifest import Manifest, ShotEntry
from previs.shots import Shot, ShotList, read_shot_list

_SOURCE: Final = "the list as it was reviewed"


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """What somebody said.

    Attributes:
        chosen: numbers of takes, by shot_id as text.
        again: new prompts, by shot_id as text; an empty one asks for one more take with the prompt as it is.
    """

    chosen: Mapping[str, int] = field(default_factory=dict)
    again: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.chosen or self.again)


def revised(shot_list: ShotList, answer: ReviewAnswer, manifest: Manifest) -> ShotList:
    """The list with new prompts, and with one more take of shots that are wanted again as they are.

    Args:
        shot_list: of the run.
        answer: of its takes.
        manifest: of the run.

    Raises:
        ShotListFaults: prompts or numbers of takes that no shot may have.
    """
    entries = {str(shot.shot_id): shot for shot in manifest.shots}
    shots = [shot.given() | _changes(shot, answer, entries.get(shot.label)) for shot in shot_list.shots]
    return read_shot_list(shot_list.model_dump(mode="json", exclude_unset=True) | {"shots": shots}, name=_SOURCE)


def _changes(shot: Shot, answer: ReviewAnswer, entry: ShotEntry | None) -> dict[str, Any]:
    prompt = answer.again.get(shot.label)
    if prompt is None:
        return {}
    if prompt and prompt != shot.prompt:
        return {"prompt": prompt}
    return {"takes": max((take.take for take in entry.takes), default=0) + 1 if entry else 1}
