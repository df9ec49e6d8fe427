"""What a person says of a run's takes: which are chosen, and which shots are to be made again; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from previs.manifest import Manifest, ShotEntry
from previs.shots import Shot, ShotList


@dataclass(frozen=True, slots=True)
class Verdict:
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


def revised(shot_list: ShotList, verdict: Verdict, manifest: Manifest) -> ShotList:
    """The list with new prompts, and with one more take of shots that are wanted again as they are.

    Args:
        shot_list: of the run.
        verdict: of its takes.
        manifest: of the run.
    """
    entries = {str(shot.shot_id): shot for shot in manifest.shots}
    shots = [_revised(shot, verdict, entries.get(shot.label)) for shot in shot_list.shots]
    return shot_list.model_copy(update={"shots": tuple(shots)})


def _revised(shot: Shot, verdict: Verdict, entry: ShotEntry | None) -> Shot:
    prompt = verdict.again.get(shot.label)
    if prompt is None:
        return shot
    if prompt and prompt != shot.prompt:
        return shot.model_copy(update={"prompt": prompt})
    return shot.model_copy(update={"takes": max((take.take for take in entry.takes), default=0) + 1 if entry else 1})
