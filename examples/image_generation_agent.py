"""Generate the pictures of shots on ComfyUI servers: an agent of another program, on previs's Python API.

The class keeps the form that such agents have: a ComfyUI URL, a batch size, and one dictionary for each shot, in and
out. It needs ``previs`` and nothing of Prefect. Run it with a list of shots, a workflow and servers::

    python examples/image_generation_agent.py examples/upstream.json examples/workflows/storyboard.json \
        --comfyui-url http://127.0.0.1:8188 --comfyui-url http://127.0.0.1:8189 --batch-size 4

It prints the results as JSON; its exit code is 1 if a shot failed.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import previs


class ImageGenerationAgent:
    """Generate a picture for each shot; use it with ``async with``, or call :meth:`aclose` at the end.

    A shot is ``{"shot_id": 1, "prompt": "…", "references": [{"url": "…", "reference_id": "…"}], "duration": 3.0}``, its
    duration in seconds, its references paths or URLs. Its result is ``{"shot_id": 1, "success": True, "image_url": "…",
    "prompt": "…"}``. If it failed, ``success`` is false, ``image_url`` is None, and ``error`` is a sentence that says
    why; no error is raised.
    """

    def __init__(
        self,
        comfyui_url: str | Sequence[str] = "http://127.0.0.1:8188",
        *,
        batch_size: int = 4,
        timeout: float = 1800.0,
        store: str = "storyboards",
        public_url: str | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            comfyui_url: Base URL of the ComfyUI server, or of several that share the work.
            batch_size: Number of pictures that are made at once, on all servers together.
            timeout: Seconds for one picture, from the moment when it is its turn.
            store: Folder, or ``s3://bucket/prefix``, that keeps the pictures: an ``image_url`` is ``file://`` for a
                folder, ``https://`` for S3.
            public_url: URL under which a web server publishes the folder or bucket; an ``image_url`` then starts with
                it.

        Raises:
            ValueError: ``batch_size`` is less than 1.
        """
        if batch_size < 1:
            msg = f"batch_size is {batch_size}: at least 1 picture must be made at once"
            raise ValueError(msg)
        self.comfyui_urls = [comfyui_url] if isinstance(comfyui_url, str) else list(comfyui_url)
        self.timeout = timeout
        self.store = store
        self.public_url = public_url
        self._turns = asyncio.Semaphore(batch_size)
        self._connecting = asyncio.Lock()
        self._connected: previs.Session | None = None
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what still renders, and close all connections."""
        self._connected = None
        await self._opened.aclose()

    async def generate_images(
        self, shots: Sequence[Mapping[str, Any]], workflow: Mapping[str, Any] | str
    ) -> list[dict[str, Any]]:
        """Generate the pictures of all shots, at most ``batch_size`` at once, and return the results in their order."""
        return await asyncio.gather(*(self._generate_single_image(shot, workflow) for shot in shots))

    async def _generate_single_image(
        self, shot: Mapping[str, Any], workflow: Mapping[str, Any] | str
    ) -> dict[str, Any]:
        result = {"shot_id": shot.get("shot_id"), "success": False, "image_url": None, "prompt": shot.get("prompt")}
        try:
            async with self._turns:
                graph = await self._build_comfyui_workflow(shot, workflow)
                prompt_id = (await self._session()).submit(graph)
                outputs = await self._wait_for_completion(prompt_id, self.timeout)
        except previs.PrevisError as error:
            return {**result, "error": str(error)}
        return {**result, "success": True, "image_url": self._extract_image_url(outputs)}

    async def _build_comfyui_workflow(
        self, shot: Mapping[str, Any], workflow: Mapping[str, Any] | str
    ) -> previs.BoundGraph:
        """Return the graph for ``POST /prompt``, with the shot's prompt, seed, size and references in it."""
        return await (await self._session()).build(shot, workflow)

    async def _wait_for_completion(self, prompt_id: str, timeout: float) -> previs.Outputs:  # noqa: ASYNC109 - its form
        """Wait for a prompt that was submitted; after so many seconds it is cancelled, and RenderTimedOut raised."""
        return await (await self._session()).wait(prompt_id, timeout)

    def _extract_image_url(self, outputs: previs.Outputs) -> str:
        return outputs.main.url

    async def _session(self) -> previs.Session:
        async with self._connecting:
            if self._connected is None:
                connecting = previs.connect(*self.comfyui_urls, store=self.store, public_url=self.public_url)
                self._connected = await self._opened.enter_async_context(connecting)
            return self._connected


async def _generate(options: argparse.Namespace) -> list[dict[str, Any]]:
    shots = json.loads(options.shots.read_text("utf-8"))
    async with ImageGenerationAgent(
        options.comfyui_url,
        batch_size=options.batch_size,
        timeout=options.timeout,
        store=options.store,
        public_url=options.public_url,
    ) as agent:
        return await agent.generate_images(shots, options.workflow)


def main() -> None:
    """Generate the pictures of the shots in a file, and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("shots", type=Path, help="JSON file with a list of shots")
    parser.add_argument("workflow", help="path or URL of settings or of a saved graph")
    parser.add_argument("--comfyui-url", action="append", required=True, help="a server; give it once for each")
    parser.add_argument("--batch-size", type=int, default=4, help="pictures at once")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for one picture")
    parser.add_argument("--store", default="storyboards", help="folder or s3:// URL for the pictures")
    parser.add_argument("--public-url", help="URL under which a web server publishes the folder or bucket")
    results = asyncio.run(_generate(parser.parse_args()))
    json.dump(results, sys.stdout, ensure_ascii=False, indent=1)
    sys.exit(0 if all(result["success"] for result in results) else 1)


if __name__ == "__main__":
    main()
