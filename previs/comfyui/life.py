"""The life of a prompt as a state machine; pure.

Frames are hints, the history is the truth: a life ends only by a history entry, or by being in neither queue nor
history after the server had accepted it. It takes frames and answers in any order, with gaps and repeats.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from previs.comfyui.frames import Ending, Executed, Executing, Frame, Other, Started, Status, Step
from previs.comfyui.history import End, Loss, Success, output_files, read_entry


class Phase(Enum):
    """Where a prompt is."""

    SUBMITTED = "submitted"
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Life:
    """One prompt, from the moment before it is posted; frames may come before the answer to the post does.

    Times are seconds of one clock of the caller's; this class never reads a clock.

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
        self.phase = Phase.SUBMITTED
        self.node: str | None = None
        self.step = 0
        self.steps = 0
        self.running_since: float | None = None
        self.last_frame: float | None = None
        self.end: End | None = None
        self.ending = False
        self.over = False
        self._succeeded = False
        self._outputs: dict[str, dict[str, Any]] = {}

    def accept(self) -> None:
        """The server has it, by its answer or by its queue or history."""
        if self.phase is Phase.SUBMITTED:
            self.phase = Phase.WAITING

    def see_frame(self, frame: Frame, now: float) -> None:
        """A frame about this prompt came."""
        if self.end is not None or isinstance(frame, Status | Other):
            return
        self.last_frame = now
        self._run(now)
        match frame:
            case Started():
                # A second execution_start: the same id was posted twice, or this is its next run after a missed end.
                self.ending = self.over = self._succeeded = False
                self._outputs.clear()
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
                self._succeeded = succeeded

    def see_queue(self, place: str | None, now: float) -> None:
        """The queue was read: it is ``running`` there, ``pending``, or not there at all."""
        if self.end is None and place == "running":
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
        elif absent_from_queue:
            # An entry that was evicted: what the frames told is all there is.
            files = output_files(self._outputs)
            self._finish(Success(files) if self._succeeded and files else Loss())

    def _run(self, now: float) -> None:
        if self.phase in {Phase.SUBMITTED, Phase.WAITING}:
            self.phase = Phase.RUNNING
            self.running_since = now

    def _finish(self, end: End) -> None:
        self.phase = Phase.ENDED
        self.end = end
