"""The life of a prompt as a state machine; pure.

planned → uploaded → submitted → waiting → running → ended. It only goes forward, and may leave out what was not seen.
Frames are hints, the history is the truth: a life ends only by a history entry, or by being in neither queue nor
history after the server had accepted it. It takes frames and answers in any order, with gaps and repeats.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from previs.comfyui.protocol.frames import Ending, Executed, Executing, Frame, Other, Started, Status, Step
from previs.comfyui.protocol.history import End, Loss, Success, output_files, read_entry


class Phase(Enum):
    """Where a prompt is: what has been done about it, then what its server does."""

    PLANNED = "planned"
    UPLOADED = "uploaded"
    SUBMITTED = "submitted"
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


_ORDER = {phase: number for number, phase in enumerate(Phase)}


class PromptState:
    """One prompt, from the moment that it is planned for a server until its end there.

    Frames may come before the answer to the post does. Times are seconds of one clock of the caller's; this class
    never reads a clock.

    Attributes:
        phase: where it is.
        node: the node that runs now, if a frame told.
        step: steps done by that node, of ``steps``.
        running_since: when it was first known to run.
        last_frame: when the last frame about it came.
        end: how it ended; set once and never changed.
        ending: whether a frame told that it is over, so that the history should be read soon.
        over: whether a frame told that its history entry exists, so that the history should be read now.
    """

    def __init__(self, prompt_id: str) -> None:
        self.prompt_id = prompt_id
        self.phase = Phase.PLANNED
        self.node: str | None = None
        self.step = 0
        self.steps = 0
        self.running_since: float | None = None
        self.last_frame: float | None = None
        self.end: End | None = None
        self.ending = False
        self.over = False
        self._heard_from_start = False
        self._succeeded = False
        self._outputs: dict[str, dict[str, Any]] = {}

    def upload(self) -> None:
        """All files that its graph names are on the server."""
        self._advance(Phase.UPLOADED)

    def submit(self) -> None:
        """It is being posted; whether the server has it is not known yet."""
        self._advance(Phase.SUBMITTED)

    def accept(self) -> None:
        """The server has it, by its answer or by its queue or history."""
        self._advance(Phase.WAITING)

    @property
    def accepted(self) -> bool:
        """Whether the server is known to have had it."""
        return _ORDER[self.phase] >= _ORDER[Phase.WAITING]

    def see_frame(self, frame: Frame, now: float) -> None:
        """A frame about this prompt came."""
        if self.end is not None or isinstance(frame, Status | Other):
            return
        self.last_frame = now
        self._run(now)
        match frame:
            case Started():
                # A second execution_start: the same id was posted twice, or this is its next run after a missed end.
                self.ending = self.over = False
                self._heard_from_start = True
            case Executing(node=None):
                self.over = True
            case Executing(node=node):
                self.node, self.step, self.steps = node, 0, 0
            case Step(node=node, value=value, maximum=maximum):
                self.node, self.step, self.steps = node, value, maximum
            case Executed(node=node, output=output):
                self._outputs[node] = output
            case Ending(succeeded=succeeded):
                self.ending = True
                self._succeeded = succeeded and self._heard_from_start

    def see_gap(self) -> None:
        """The socket was opened anew: frames about it may have been missed, and are not sent again."""
        self._heard_from_start = False

    def see_queue(self, place: str | None, now: float) -> None:
        """The queue was read: it is ``running`` there, ``pending``, or not there at all."""
        if self.end is None and place is not None:
            self.accept()
            if place == "running":
                self._run(now)

    def see_history(self, entry: Mapping[str, Any] | None, *, absent_from_queue: bool) -> None:
        """The history was read.

        Args:
            entry: the prompt's own entry, if there is one.
            absent_from_queue: whether the queue, read *after* the server had accepted the prompt and *before* the
                history, no longer held it. Only then does a missing entry mean anything: pending, running and unknown
                prompts have none either.
        """
        if self.end is not None:
            return
        if entry is not None:
            self._finish(read_entry(entry))
        elif absent_from_queue and self.accepted:
            # An entry that was evicted: frames are all there is, and after a gap they may tell of only some files.
            files = output_files(self._outputs)
            self._finish(Success(files) if self._succeeded and files else Loss())

    def _advance(self, phase: Phase) -> None:
        if _ORDER[phase] > _ORDER[self.phase]:
            self.phase = phase

    def _run(self, now: float) -> None:
        self._advance(Phase.RUNNING)
        if self.running_since is None:
            self.running_since = now

    def _finish(self, end: End) -> None:
        self._advance(Phase.ENDED)
        self.end = end
