"""Post graphs to one server; a post in flight is never cancelled, even if its caller is."""

import asyncio

from previs.comfyui.client.api import Api, Posted
from previs.comfyui.protocol.graph import Graph


class Posts:
    """Hold the posts without an answer yet, by prompt id."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open: dict[str, asyncio.Task[Posted]] = {}

    async def send(self, graph: Graph, prompt_id: str, client_id: str) -> Posted:
        """Post a graph and return the answer; if this is cancelled, the post continues.

        If a post of the same id is in flight, wait for its answer instead: servers do not deduplicate ids.

        Raises:
            ServerUnreachable, ServerUnavailable: The server may have the prompt nevertheless.
        """
        posting = self._open.get(prompt_id)
        if posting is None:
            post = self._api.post_prompt(graph, prompt_id=prompt_id, client_id=client_id)
            posting = self._open[prompt_id] = asyncio.create_task(post)
            posting.add_done_callback(lambda done: self._close(prompt_id, done))
        return await asyncio.shield(posting)

    async def wait_for_answer(self, prompt_id: str, seconds: float) -> None:
        """Wait until the prompt's post in flight, if any, has its answer, at most for some seconds."""
        if posting := self._open.get(prompt_id):
            await asyncio.wait([posting], timeout=seconds)

    async def stop(self) -> None:
        """Cancel all posts in flight."""
        for posting in (open_posts := tuple(self._open.values())):
            posting.cancel()
        await asyncio.gather(*open_posts, return_exceptions=True)

    def _close(self, prompt_id: str, posting: asyncio.Task[Posted]) -> None:
        del self._open[prompt_id]
        if not posting.cancelled():
            # asyncio logs an exception that nobody retrieved.
            posting.exception()
