"""Make the film of a board at the end of a run."""

import tempfile
from pathlib import Path
from typing import Final, Literal

from prefect.logging import get_run_logger

from blocks.asking import asking_prefect
from previs.errors import FixTheInput
from previs.rendering.context import RunContext
from previs.store import keys
from previs.text.visible import visible
from tasks.artifacts import show_film
from tasks.part import this_part
from tasks.publish import Board
from tasks.retries import step

Animatic = Literal["none", "plain", "slates"]
_FILM: Final = "animatic.mp4"
_MOST_LOGGED: Final = 20


@step("animatic", retries=1)
async def publish_animatic(board: Board, context: RunContext, *, slates: bool) -> None:
    """Put the film of a board beside its page, and log what it does not show; a part has none.

    A board that makes no film, because its frame rate is no film's or it is too long, stays as it is, with a warning.
    """
    if this_part():
        return
    from previs.animatic.make import Settings, make  # noqa: PLC0415 - it loads FFmpeg, and most runs make no film
    from previs.animatic.timeline import timeline  # noqa: PLC0415

    logger, manifest, store = get_run_logger(), board.manifest, context.store
    with tempfile.TemporaryDirectory(prefix="previs-") as folder:
        path = Path(folder) / _FILM
        try:
            made = await make(store, timeline(manifest), path, Settings(slates=slates), reader=context.reader)
        except FixTheInput as error:
            logger.warning("the board makes no animatic: %s", error)
            return
        sentences = [*made.notices, *made.faults]
        for sentence in sentences[:_MOST_LOGGED]:
            logger.warning(visible(sentence))
        if len(sentences) > _MOST_LOGGED:
            logger.warning("and %d more", len(sentences) - _MOST_LOGGED)
        if made.srt:
            key = keys.run_key(manifest.board, manifest.run, made.srt.name)
            await store.put_file(key, made.srt, media_type="application/x-subrip")
        key = keys.run_key(manifest.board, manifest.run, _FILM)
        await store.put_file(key, path, media_type="video/mp4")
    logger.info("animatic: %s", store.uri(key))
    with asking_prefect():
        await show_film(manifest.board, await store.link(key))
