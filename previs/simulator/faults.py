"""Switches for all that goes wrong with a server; they can be turned while it runs."""

import math
from dataclasses import dataclass, fields

ALWAYS = math.inf
"""A count that is never used up."""


@dataclass(slots=True)
class Faults:
    """What a simulated server does wrong. Counts go down by one at each use; all others hold until changed.

    Attributes:
        refuse: how many requests get ``refuse_status`` instead of an answer.
        refuse_status: such as 503, 502 or 429.
        hang_up: how many requests find their connection cut before any answer.
        only_paths: where set, ``refuse`` and ``hang_up`` concern requests alone whose path, without ``/api``, begins
            with one of these; ``/ws`` is a path too.
        answer_after: seconds that every request waits for its answer.
        header: name and value that every request, sockets too, must carry, as behind a proxy; else it gets 401.
        lose_prompt_answer: how many accepted prompts are queued without their client ever reading so.
        fail_on: where set, a prompt whose texts contain it fails while it runs.
        fail_at: class of the node that raises; where empty, the first sampler, or else the first node that runs.
        out_of_memory_on: likewise, as if the GPU had no room.
        stall_on: where set, a prompt whose texts contain it stops moving until somebody interrupts it.
        stall_at_step: steps of the sampler that are done before it stalls.
        slowness: factor to the time that every prompt takes.
        drop_sockets: how many sockets are cut when they have carried ``drop_after_frames`` frames.
        drop_after_frames: counted for each socket from its opening.
        history_lag: seconds from ``execution_success`` to the entry in the history.
        history_limit: entries that the history holds; older ones are forgotten.
        cut_downloads: how many files end in the middle, with the connection.
        garbage: how many files are something else altogether, under the right headers.
    """

    refuse: float = 0
    refuse_status: int = 503
    hang_up: float = 0
    only_paths: tuple[str, ...] = ()
    answer_after: float = 0.0
    header: tuple[str, str] | None = None
    lose_prompt_answer: float = 0
    fail_on: str = ""
    fail_at: str = ""
    out_of_memory_on: str = ""
    stall_on: str = ""
    stall_at_step: int = 1
    slowness: float = 1.0
    drop_sockets: float = 0
    drop_after_frames: int = 1
    history_lag: float = 0.0
    history_limit: int = 10_000
    cut_downloads: float = 0
    garbage: float = 0

    def use(self, count: str) -> bool:
        """Whether a counted fault happens now; if so, it is used up by one."""
        left: float = getattr(self, count)
        if left > 0:
            setattr(self, count, left - 1)
        return left > 0

    def concerns(self, path: str) -> bool:
        """Whether ``refuse`` and ``hang_up`` concern a path."""
        return not self.only_paths or path.removeprefix("/api").startswith(self.only_paths)

    def heal(self) -> None:
        """Turn every switch back to where nothing is wrong."""
        for each in fields(self):
            setattr(self, each.name, each.default)
