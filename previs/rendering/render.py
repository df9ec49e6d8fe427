"""Render one take: join or post its prompt, follow it, fetch its frames, store them, record the take."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.history import OutputFile, Success
from previs.comfyui.protocol.models import model_files
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import AccessDenied, FileNotPassed, FrameDamaged, NothingMade, ServerUnavailable, ServerUnreachable
from previs.farm.failure_policy import prompt_has_ended
from previs.farm.placement import Slot
from previs.ingest import decoding
from previs.pictures import Media, Playback, examine
from previs.planning.frame_order import shown_first
from previs.planning.plan import UPLOAD_FOLDER, PlannedTake
from previs.records.takes import Attempt, Frame, Pixels, TakeRecord
from previs.rendering.cancelled import CancelMarks
from previs.rendering.context import ExistingPrompt, RunContext
from previs.store import Store, keys
from previs.workflow import with_output_prefix

OnChange = Callable[[str, PromptState], None]
"""Receives a server's name and the state of a prompt."""

_HASHES_WITHIN = 2.0
_BEFORE_REFETCH, _LONGEST_PATIENCE = 0.5, 60.0
_MOST_FILES = 1_000


async def render(
    take: PlannedTake,
    slot: Slot,
    context: RunContext,
    on_change: OnChange = lambda *_: None,
    attempts: Sequence[Attempt] = (),
    *,
    new: bool = False,
) -> TakeRecord | None:
    """Make a take's frames and its record.

    A take that a server already runs or has finished is joined there. The slot is released as soon as the prompt has
    ended, also after an error. A prompt that is given up, by deadline or cancellation, is cancelled on its server. If
    such a prompt of the take is still at work, wait until it has ended, and return None: the take needs another slot.

    Args:
        take: The take.
        slot: Where to render it, if no server has it already.
        context: The run's context.
        on_change: Receives the server's name and the prompt's state whenever that changes.
        attempts: What went wrong before, for the record.
        new: Whether no run that shares the store has ever attempted the take.
    """
    try:
        existing = await context.find_existing_prompt(take, new=new)
        if existing.server is not None:
            slot.release()
        if existing.server is not None and existing.cancelled:
            await context.wait_until_ended(take, existing.server, existing.prompt)
            return None
        ended = await _run(take, existing, slot, context, on_change, new=new)
    finally:
        slot.release()
    record = await _record(take, ended, context, attempts)
    content = record.model_dump_json(by_alias=True, indent=1).encode()
    await context.store.put(keys.take_key(take.fingerprint), content, media_type="application/json")
    ended.server.forget(ended.prompt)
    return record


@dataclass(frozen=True, slots=True)
class _Ended:
    """Hold a prompt that ended well.

    Attributes:
        success: What it made.
        seconds: Seconds that it ran: from the start that the history states, else from when it was first seen to run.
        waited: Seconds that it waited on the server; None if its start was not observed, or if it was joined.
        at: When its end was noticed, on the monotonic clock.
    """

    server: Server
    prompt: str
    success: Success
    seconds: float
    waited: float | None
    at: float


async def _run(
    take: PlannedTake, existing: ExistingPrompt, slot: Slot, context: RunContext, on_change: OnChange, *, new: bool
) -> _Ended:
    """Post the take's prompt, or join it where it is, and follow it to its end."""
    server, prompt = existing.server or slot.server, existing.prompt
    started = time.monotonic()
    submitted: float | None = None
    waited: float | None = None

    def report(state: PromptState) -> None:
        nonlocal started, waited
        if state.phase is Phase.RUNNING:
            slot.started = True
            started = state.running_since or started
            if waited is None and submitted is not None:
                waited = round(time.monotonic() - submitted, 3)
        on_change(server.name, state)

    try:
        if existing.server is None:
            await context.prepare(server, take)
            files = await context.inputs.uploads(take)
            # Each prompt has its own output names.
            await server.submit(with_output_prefix(take.graph, f"{UPLOAD_FOLDER}/{prompt}"), prompt, files, new=new)
            slot.prompt = prompt
            submitted = time.monotonic()
        success = await server.follow(prompt, context.limits_of(take), report)
    except BaseException as error:
        if not prompt_has_ended(error):
            await _cancel(server, prompt, context)
        raise
    ended = time.monotonic()
    seconds = ended - started if success.seconds is None else success.seconds
    return _Ended(server, prompt, success, seconds, waited, ended)


async def _record(take: PlannedTake, ended: _Ended, context: RunContext, attempts: Sequence[Attempt]) -> TakeRecord:
    """Store the frames of a prompt that ended, and return the take's record."""
    server, files, fresh = ended.server, ended.success.files, ended.waited is not None
    if not files:
        raise NothingMade(server.name, ended.prompt)
    if len(files) > _MOST_FILES:
        left = f"the prompt left {len(files):,} files, and a take has at most {_MOST_FILES:,}"
        raise FileNotPassed(server.name, files[_MOST_FILES].filename, f"{left}: save a video, or fewer pictures")
    try:
        frames: list[Frame] = []
        for file in files:
            room = server.api.address.largest_file - sum(frame.size for frame in frames)
            frames.append(await _keep(file, take, server, context, fresh=fresh, room=room))
    except (FrameDamaged, ServerUnreachable, ServerUnavailable):
        context.discard_result(ended.prompt)
        raise
    return TakeRecord(
        fingerprint=take.fingerprint,
        seed=take.seed,
        prompt_id=ended.prompt,
        render_nonce=take.render_nonce,
        joined=ended.prompt not in server.posted,
        server=server.name,
        comfyui=server.version,
        waiting=ended.waited,
        seconds=round(ended.seconds, 3),
        uploading=round(time.monotonic() - ended.at, 3),
        finished=datetime.now(UTC),
        frames=shown_first(take.graph, frames),
        inputs=await context.inputs.keep(take),
        sources=dict(take.sources),
        models=await _models(take, server),
        attempts=tuple(attempts),
    )


async def _cancel(server: Server, prompt: str, context: RunContext) -> None:
    """Cancel the prompt on its server, even while this task is cancelled itself, which is raised afterwards."""
    cancelling = asyncio.create_task(_cancel_if_reachable(server, prompt, context))
    cancelled = False
    while not cancelling.done():
        try:
            # A program that ends cancels each task, and a task's parents cancel it again.
            await asyncio.wait([cancelling])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _cancel_if_reachable(server: Server, prompt: str, context: RunContext) -> None:
    # A server that cannot be reached is cleaned up when it returns, and the next run joins what still runs there.
    with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
        await server.cancel_prompt(prompt, CancelMarks(context.store))


async def _models(take: PlannedTake, server: Server) -> dict[str, str]:
    """Return the hashes of the take's model files that its server reports within two seconds."""
    files = model_files(take.graph)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HASHES_WITHIN):
            await server.hashes.learn(files)
    return server.hashes.of_files(sorted(files))


async def _keep(
    file: OutputFile, take: PlannedTake, server: Server, context: RunContext, *, fresh: bool, room: int
) -> Frame:
    """Fetch a file and store it.

    A file that arrives damaged is fetched once more. A file that its server does not return is asked for as long as a
    server may be out of reach, or for a minute if the server asks to wait.
    """
    began, damaged = time.monotonic(), False
    until = began + context.limits.unreachable
    with context.spill.reused() as path:
        while True:
            pause = _BEFORE_REFETCH
            try:
                return await _fetch(file, path, take, server, context.store, fresh=fresh, room=room)
            except FrameDamaged:
                if damaged:
                    raise
                damaged = True
            except (ServerUnreachable, ServerUnavailable) as error:
                if isinstance(error, ServerUnavailable) and error.retry_after:
                    pause = error.retry_after
                    until = began + _LONGEST_PATIENCE
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(pause)


async def _fetch(
    file: OutputFile, path: Path, take: PlannedTake, server: Server, store: Store, *, fresh: bool, room: int
) -> Frame:
    downloaded = await server.api.download(file, path, fresh=fresh, room=room)
    media: Media = await asyncio.to_thread(examine, path, name=file.filename)
    shown: Playback = await decoding.describe(path, media)
    key = keys.frame_key(downloaded.sha256, media.suffix)
    await store.put_file(
        key,
        path,
        media_type=media.media_type,
        download_name=f"{take.shot.label}_t{take.number:02d}{media.suffix}",
        metadata={
            "shot": take.shot.label,
            "take": str(take.number),
            "seed": str(take.seed),
            "fingerprint": take.fingerprint,
        },
        if_absent=True,
        likely_new=True,
    )
    return Frame(
        key=key,
        sha256=downloaded.sha256,
        size=downloaded.size,
        media_type=media.media_type,
        width=shown.width,
        height=shown.height,
        duration=shown.duration,
        frame_rate=shown.frame_rate,
        thumbnail=shown.thumbnail,
        node=file.node_id or None,
        pixels=Pixels(**asdict(shown.measured)) if shown.measured else None,
    )
