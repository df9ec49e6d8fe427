"""Mark prompts that were cancelled while a node was at work, so that no run joins them.

Such a node obeys an interrupt only when it is done, and until then its server lists the prompt as running. A mark is an
object, ``claims/cancelled/PROMPT_ID.json``. Once the prompt has ended, the server's history says how.
"""

import asyncio
import contextlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from previs.errors import StoreRefused, StoreUnavailable
from previs.store import Store, keys

_SECONDS = 5.0


class CancelledPrompt(BaseModel):
    """Record that a run has cancelled a prompt, and on which server."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.cancelled/1"] = Field("previs.cancelled/1", alias="schema")
    prompt_id: str
    server: str


async def mark_cancelled(store: Store, prompt_id: str, server: str) -> None:
    """Mark a prompt, within five seconds; a store that is out of reach then has no mark."""
    content = CancelledPrompt(prompt_id=prompt_id, server=server).model_dump_json(by_alias=True).encode()
    with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            await store.put(keys.cancelled_key(prompt_id), content, media_type="application/json")


async def is_marked_cancelled(store: Store, prompt_id: str) -> bool:
    """Return whether a prompt is marked."""
    return await store.get(keys.cancelled_key(prompt_id)) is not None


async def unmark_cancelled(store: Store, prompt_id: str) -> None:
    """Remove a prompt's mark, if it has one; a mark that stays only keeps its id from being used again."""
    with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            await store.delete([keys.cancelled_key(prompt_id)])
