"""Switches for all that goes wrong with a server; they can be turned while it runs."""

import math
from dataclasses import dataclass, fields
from typing import Annotated

from pydantic import BeforeValidator, Field

ALWAYS = math.inf
"""A count that is never used up."""

Count = Annotated[float, Field(ge=0), BeforeValidator(lambda value: ALWAYS if value == "always" else value)]
"""How often something happens; in a script's file ``always`` is :data:`ALWAYS`."""
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Words = Annotated[tuple[str, ...], Field(strict=False)]
"""Also given as a list, for want of tuples in JSON."""


@dataclass(slots=True)
class Faults:
    """What a simulated server does wrong. Counts go down by one at each use; all others hold until changed.

    The types say what a script may set; values that a program sets are not checked.

    Attributes:
        refuse: how many requests get ``refuse_status`` instead of an answer.
        refuse_status: such as 503, 502 or 429.
        retry_after: seconds that refused answers tell in ``Retry-After``; without it they have no such header.
        hang_up: how many requests find their connection cut before any answer.
        only_paths: where set, ``refuse`` and ``hang_up`` concern requests alone whose path, without ``/api``, begins
            with one of these; ``/ws`` is a path too.
        answer_after: seconds that every request waits for its answer.
        header: name and value that every request, sockets too, must carry, as behind a proxy; else it gets 401.
        lose_prompt_answer: how many accepted prompts are queued without their client ever reading so.
        fail_on: where set, a prompt whose texts contain it fails while it runs.
        fail_at: class of the node that raises; where empty, the first sampler, or else the first node that runs.
        out_of_memory_on: likewise, as if the GPU had no room.
        memory_full: whether every prompt that is not cached runs out of memory, until somebody posts ``/free`` to
            unload models, or the server is restarted.
        stall_on: where set, a prompt whose texts contain it stops moving until somebody interrupts it.
        stall_at_step: steps of the sampler that are done before it stalls.
        slowness: factor to the time that every prompt takes.
        drop_sockets: how many sockets are cut when they have carried ``drop_after_frames`` frames.
        drop_after_frames: counted for each socket from its opening.
        skip_frames: how many frames of sockets are never sent.
        repeat_frames: how many are sent twice, one right after the other.
        delay_frames: seconds that each frame is late; those after it stay behind it.
        frames: where set, the three before concern frames alone of one of these types: ``execution_success``;
            binary ones are ``preview``.
        history_lag: seconds from ``execution_success`` to the entry in the history.
        history_limit: entries that the history holds; older ones are forgotten. With 0 it never tells of any end.
        cut_downloads: how many files end in the middle, with the connection.
        stall_downloads: how many files stop in the middle, and the connection stays open: more was announced in
            ``Content-Length`` than ever comes.
        short_files: how many files lack their last bytes, a PNG its whole end, under a ``Content-Length`` that is
            right for what is sent.
        long_files: how many files go on after their end, likewise.
        garbage: how many files are something else altogether, under the right headers.
    """

    refuse: Count = 0
    refuse_status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Annotated[int, Field(ge=0)] | None = None
    hang_up: Count = 0
    only_paths: Words = ()
    answer_after: Seconds = 0.0
    header: Annotated[tuple[str, str], Field(strict=False)] | None = None
    lose_prompt_answer: Count = 0
    fail_on: str = ""
    fail_at: str = ""
    out_of_memory_on: str = ""
    memory_full: bool = False
    stall_on: str = ""
    stall_at_step: Annotated[int, Field(ge=0)] = 1
    slowness: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    drop_sockets: Count = 0
    drop_after_frames: Annotated[int, Field(ge=1)] = 1
    skip_frames: Count = 0
    repeat_frames: Count = 0
    delay_frames: Seconds = 0.0
    frames: Words = ()
    history_lag: Seconds = 0.0
    history_limit: Annotated[int, Field(ge=0)] = 10_000
    cut_downloads: Count = 0
    stall_downloads: Count = 0
    short_files: Count = 0
    long_files: Count = 0
    garbage: Count = 0

    def use(self, count: str) -> bool:
        """Whether a counted fault happens now; if so, it is used up by one."""
        left: float = getattr(self, count)
        if left > 0:
            setattr(self, count, left - 1)
        return left > 0

    def concerns(self, path: str) -> bool:
        """Whether ``refuse`` and ``hang_up`` concern a path."""
        return not self.only_paths or path.removeprefix("/api").startswith(self.only_paths)

    @property
    def tampers(self) -> bool:
        """Whether frames may be skipped, repeated or late."""
        return bool(self.skip_frames or self.repeat_frames or self.delay_frames)

    def concerns_frame(self, kind: str) -> bool:
        """Whether what is done to frames is done to one of this type."""
        return not self.frames or kind in self.frames

    def heal(self, *names: str) -> None:
        """Turn switches back to where nothing is wrong: those named, or every one."""
        for each in fields(self):
            if not names or each.name in names:
                setattr(self, each.name, each.default)
