"""Posts on their way to one server: none is cut off before its answer, whoever stops waiting for it."""

import asyncio

from previs.comfyui.client.api import Api, Posted
from previs.comfyui.protocol.graph import Graph


class Posts:
    """Posts that have no answer yet, by prompt id."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open: dict[str, asyncio.Task[Posted]] = {}

    async def send(self, graph: Graph, prompt_id: str, client_id: str) -> Posted:
        """Post a graph; when this is cancelled, the post goes on: whether the server has it is known at its answer.

        While a post of the same id is on its way, this waits for its answer instead: no server dedupes ids.

        Raises:
            ServerUnreachable, ServerTrouble: the server may have it all the same.
        """
        posting = self._open.get(prompt_id)
        if posting is None:
            post = self._api.post_prompt(graph, prompt_id=prompt_id, client_id=client_id)
            posting = self._open[prompt_id] = asyncio.create_task(post)
            posting.add_done_callback(lambda done: self._close(prompt_id, done))
        return await asyncio.shield(posting)

    async def answered(self, prompt_id: str, within: float) -> None:
        """Wait until a prompt's post, if there is one on its way, has its answer; for some seconds at most."""
        if posting := self._open.get(prompt_id):
            await asyncio.wait([posting], timeout=within)

    async def stop(self) -> None:
        """Cut off what is still on its way."""
        for posting in (open_posts := tuple(self._open.values())):
            posting.cancel()
        await asyncio.gather(*open_posts, return_exceptions=True)

    def _close(self, prompt_id: str, posting: asyncio.Task[Posted]) -> None:
        del self._open[prompt_id]
        if not posting.cancelled():
            # Read, so that nobody is warned of an error that nobody waits for any more.
            posting.exception()
