"""Track the state of one prompt as a state machine; pure.

planned → uploaded → submitted → waiting → running → ended. States only move forward, and unseen states are skipped.
Frames are hints; the history decides. A prompt ends only by its history entry, or by being in neither queue nor history
after the server had accepted it. Frames and answers may arrive in any order, with gaps and repeats.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from previs.comfyui.protocol.frames import Ending, Executed, Executing, Frame, Other, Started, Status, Step
from previs.comfyui.protocol.history import End, Loss, Success, output_files, read_entry


class Phase(Enum):
    """Name the phases of a prompt: first what the client does, then what the server does."""

    PLANNED = "planned"
    UPLOADED = "uploaded"
    SUBMITTED = "submitted"
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


_ORDER = {phase: number for number, phase in enumerate(Phase)}


class PromptState:
    """Track one prompt, from the moment it is planned for a server until it ends there.

    Frames may arrive before the answer to the post. Times are seconds of one clock of the caller's; this class never
    reads a clock.

    Attributes:
        node: Node that runs now, if a frame named it.
        step: Steps done by that node, out of ``steps``.
        running_since: Time at which the prompt was first seen running.
        end: How the prompt ended; set once and never changed.
    """

    def __init__(self, prompt_id: str) -> None:
        self.prompt_id = prompt_id
        self.phase = Phase.PLANNED
        self.node: str | None = None
        self.step = 0
        self.steps = 0
        self.running_since: float | None = None
        self.end: End | None = None
        self._has_all_frames = False
        self._succeeded = False
        self._outputs: dict[str, dict[str, Any]] = {}

    def upload(self) -> None:
        """Record that the server has all files that the graph names."""
        self._advance(Phase.UPLOADED)

    def submit(self) -> None:
        """Record that the graph is being posted; whether the server has it is not known yet."""
        self._advance(Phase.SUBMITTED)

    def accept(self) -> None:
        """Record that the server has the prompt, by its answer, its queue or its history."""
        self._advance(Phase.WAITING)

    @property
    def accepted(self) -> bool:
        """Return whether the server is known to have had the prompt."""
        return _ORDER[self.phase] >= _ORDER[Phase.WAITING]

    def on_frame(self, frame: Frame, now: float) -> None:
        """Apply a frame about this prompt."""
        if self.end is not None or isinstance(frame, Status | Other):
            return
        self._run(now)
        match frame:
            case Started():
                self._has_all_frames = True
            case Executing(node=str() as node):
                self.node, self.step, self.steps = node, 0, 0
            case Step(node=node, value=value, maximum=maximum):
                self.node, self.step, self.steps = node, value, maximum
            case Executed(node=node, output=output):
                self._outputs[node] = output
            case Ending(succeeded=succeeded):
                self._succeeded = succeeded and self._has_all_frames

    def on_reconnect(self) -> None:
        """Record that the socket opened again: frames may have been missed, and servers do not resend them."""
        self._has_all_frames = False

    def on_queue(self, place: str | None, now: float) -> None:
        """Apply a read of the queue, in which the prompt is ``running``, ``pending`` or absent (None)."""
        if self.end is None and place is not None:
            self.accept()
            if place == "running":
                self._run(now)

    def on_history(self, entry: Mapping[str, Any] | None, *, absent_from_queue: bool) -> None:
        """Apply a read of the history.

        Args:
            entry: The prompt's own entry, if any.
            absent_from_queue: Whether the queue, read *after* the server accepted the prompt and *before* the history,
                no longer held it. Only then does a missing entry mean a lost prompt: pending, running and unknown
                prompts have no entry either.
        """
        if self.end is not None:
            return
        if entry is not None:
            self._finish(read_entry(entry))
        elif absent_from_queue and self.accepted:
            # The entry was evicted. Only frames are left, and after a gap they may name only some of the files.
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
