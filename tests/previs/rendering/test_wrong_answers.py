"""Check that a server whose answers are damaged raises nothing but errors of previs, and costs the others nothing."""

import asyncio
import random
from typing import Any

import pytest

from previs.errors import PrevisError
from previs.records.takes import TakeRecord
from previs.store import FolderStore
from tests.conftest import Serve
from tests.previs.comfyui.client.spoiler import spoiler
from tests.previs.rendering.contexts import context_of, render, takes


@pytest.mark.parametrize("seed", range(6))
async def test_damaged_answers_of_one_server_raise_only_errors_of_previs(
    simulate: Serve, folder_store: FolderStore, seed: int
) -> None:
    unexpected: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unexpected.append(context))
    (_, spoiled), (_, sound) = await simulate(seconds=0.05), await simulate(seconds=0.05)
    async with spoiler(spoiled, random.Random(seed), 0.3) as url, context_of(folder_store, url, sound) as context:
        planned = takes(8)
        async with asyncio.timeout(60):
            results = await asyncio.gather(*(render(one, context) for one in planned), return_exceptions=True)
        assert all(server._tracker.polling for server in context.farm.servers)
        assert not any(task.done() for task in context.farm._tasks if "loop" in repr(task))
    assert [each for each in results if not isinstance(each, TakeRecord | PrevisError)] == []
    failed = [each for each in results if isinstance(each, Exception)]
    assert [each for each in failed if url not in str(each)] == []
    assert unexpected == []
