"""Mark prompts before they are interrupted, so that no run joins them.

A node that is at work obeys an interrupt only when it is done, and until then its server lists the prompt as running. A
mark is an object, ``claims/cancelled/PROMPT_ID.json``. Once the prompt has ended, the server's history says how.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from previs.errors import StoreRefused, StoreUnavailable
from previs.store import Store, keys
from previs.store.record_files import get_record

_SECONDS = 2.0


class CancelledPrompt(BaseModel):
    """Record that a run has cancelled a prompt, and on which server."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.cancelled/1"] = Field("previs.cancelled/1", alias="schema")
    prompt_id: str
    server: str


@dataclass(frozen=True, slots=True)
class CancelMarks:
    """Keep the marks in a store; each request ends within two seconds, so that a lost store delays no interrupt."""

    store: Store

    async def mark(self, prompt_id: str, server: str) -> bool:
        """Mark a prompt; return False if the store is out of reach."""
        content = CancelledPrompt(prompt_id=prompt_id, server=server).model_dump_json(by_alias=True).encode()
        with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
            async with asyncio.timeout(_SECONDS):
                await self.store.put(keys.cancelled_key(prompt_id), content, media_type="application/json")
                return True
        return False

    async def unmark(self, prompt_id: str) -> None:
        """Remove a prompt's mark; one that stays only keeps its id from being used again."""
        with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
            async with asyncio.timeout(_SECONDS):
                await self.store.delete([keys.cancelled_key(prompt_id)])


async def is_marked_cancelled(store: Store, prompt_id: str) -> bool:
    """Return whether a prompt is marked."""
    return await get_record(store, keys.cancelled_key(prompt_id)) is not None
