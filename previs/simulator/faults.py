"""Define the faults of a simulated server, as switches that can be set while it runs."""

import math
from dataclasses import dataclass, fields
from typing import Annotated

from pydantic import BeforeValidator, Field

ALWAYS = math.inf
"""Count that is never used up."""

Count = Annotated[float, Field(ge=0), BeforeValidator(lambda value: ALWAYS if value == "always" else value)]
"""Number of times that a fault happens; a script file writes :data:`ALWAYS` as ``always``."""
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Words = Annotated[tuple[str, ...], Field(strict=False)]
"""A list is accepted too, since JSON has no tuples."""


@dataclass(slots=True)
class Faults:
    """Describe what a simulated server does wrong.

    Each use decrements a count; every other switch holds until it is changed. A script's values are checked against
    the types; values that a program sets are not.

    Attributes:
        refuse: Number of requests to answer with ``refuse_status``.
        refuse_status: HTTP status of refused requests: 503, 502, 429.
        retry_after: Seconds to send in the ``Retry-After`` header of refusals; None sends no such header.
        hang_up: Number of requests whose connection is cut without a response.
        only_paths: Prefixes of the paths that ``refuse`` and ``hang_up`` concern, without ``/api``, ``/ws`` included;
            empty for all paths.
        answer_after: Seconds that each request waits for its response.
        header: Name and value that each request and WebSocket must send, as behind a proxy; others get 401.
        lose_prompt_answer: Number of accepted prompts whose response is lost.
        fail_on: Text; a prompt that contains it fails while it runs.
        fail_message: Text of the error that such a prompt gets.
        fail_at: Class of the node that raises; empty for the first sampler, or else the first node that runs.
        out_of_memory_on: Text; a prompt that contains it runs out of GPU memory.
        memory_full: Whether each prompt that is not cached runs out of memory, until a request to ``/free`` unloads
            models or the server is restarted.
        stall_on: Text; a prompt that contains it stalls until it is interrupted.
        stall_at_step: Number of sampler steps before it stalls.
        silent_for: Seconds that a node works without sending a frame, while the queue names its prompt as running. An
            interrupt is answered at once and obeyed when these seconds are over. ``Simulator.end_silence`` ends them
            early.
        silent_at: Class of the node that is silent.
        silent_on: Text; only a prompt that contains it has a silent node. Empty for every prompt.
        slowness: Factor on the duration of each prompt.
        drop_sockets: Number of WebSockets to cut after ``drop_after_frames`` frames.
        drop_after_frames: Number of frames, counted for each WebSocket.
        skip_frames: Number of WebSocket frames that are not sent.
        repeat_frames: Number of WebSocket frames that are sent twice in a row.
        delay_frames: Seconds to delay each frame; the order of frames does not change.
        frames: Types of frames that the three switches above concern, such as ``execution_success``, or ``preview`` for
            binary frames; empty for all types.
        history_lag: Seconds between ``execution_success`` and the history entry.
        history_limit: Maximum of history entries; the oldest are dropped. With 0 no end is ever in the history.
        cut_downloads: Number of files that end halfway, with the connection.
        stall_downloads: Number of files that stop halfway while the connection stays open: ``Content-Length`` promises
            more.
        short_files: Number of files without their last bytes (a PNG without its end), under a correct
            ``Content-Length``.
        long_files: Number of files with bytes added at the end, under a correct ``Content-Length``.
        garbage: Number of files whose content is replaced, under the right headers.
        black_frames: Number of output nodes whose frames are black, as ComfyUI saves what holds NaN.
        grey_frames: Number of output nodes whose frames are a flat grey.
        frozen_films: Number of output nodes whose film shows its first picture all the time.
        wrong_sizes: Number of output nodes whose frames have width and height exchanged; square ones are halved.
        same_frames: Number of output nodes whose frames do not depend on the seed.
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
    fail_message: str = "The simulator fails here, as its faults say."
    fail_at: str = ""
    out_of_memory_on: str = ""
    memory_full: bool = False
    stall_on: str = ""
    stall_at_step: Annotated[int, Field(ge=0)] = 1
    silent_for: Seconds = 0.0
    silent_at: str = "VAEDecode"
    silent_on: str = ""
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
    black_frames: Count = 0
    grey_frames: Count = 0
    frozen_films: Count = 0
    wrong_sizes: Count = 0
    same_frames: Count = 0

    def use(self, count: str) -> bool:
        """Return whether a counted fault happens now; if so, decrement its count."""
        left: float = getattr(self, count)
        if left > 0:
            setattr(self, count, left - 1)
        return left > 0

    def concerns(self, path: str) -> bool:
        """Return whether ``refuse`` and ``hang_up`` concern a path."""
        return not self.only_paths or path.removeprefix("/api").startswith(self.only_paths)

    @property
    def changes_frames(self) -> bool:
        """Return whether any frame may be skipped, repeated or delayed."""
        return bool(self.skip_frames or self.repeat_frames or self.delay_frames)

    def concerns_frame(self, kind: str) -> bool:
        """Return whether skipping, repeating and delaying concern a type of frame."""
        return not self.frames or kind in self.frames

    def heal(self, *names: str) -> None:
        """Reset the named switches to no fault; without names, reset all."""
        for each in fields(self):
            if not names or each.name in names:
                setattr(self, each.name, each.default)
