"""Run one prompt: frames, steps, pictures, faults and the end, in the order of ComfyUI."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from previs.comfyui.protocol.graph import Node, is_link, links
from previs.simulator import sockets
from previs.simulator.dynamic_inputs import missing_combos
from previs.simulator.faults import Faults
from previs.simulator.journal import Kind
from previs.simulator.output_nodes import NodeRaisedError, OutputWriter
from previs.simulator.prompts import Prompt
from previs.simulator.scene import Reading, is_sampler, prompt_text
from previs.simulator.schedule import LOADERS, order, signatures

Outputs = dict[str, Any]
"""Files of a node as it reports them; empty for most nodes."""


class Server(Protocol):
    """Represent what a run needs of its server."""

    faults: Faults
    sockets: sockets.Sockets
    writer: OutputWriter
    object_info: Mapping[str, Any]
    cache: dict[str, Outputs]
    seconds: float
    steps_seen: int | None
    previews: bool

    def record(self, kind: Kind, prompt_id: str) -> None:
        """Add an event to the journal."""


class _InterruptedError(Exception):
    """Report that a client interrupted the prompt."""


@dataclass(slots=True, eq=False)
class Execution:
    """Run a prompt.

    Attributes:
        node: Id of the running node; None before the first and after the last.
        interrupted: Set to interrupt the prompt; takes effect between nodes, between steps and after a silence.
        silent: Whether a node works without sending a frame.
        heard: Set to end the silence of a node.
    """

    server: Server
    prompt: Prompt
    node: str | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    silent: bool = False
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    _messages: list[list[Any]] = field(default_factory=list)
    _outputs: Outputs = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _ran: list[str] = field(default_factory=list)
    _signatures: dict[str, str] = field(default_factory=dict)
    _pause: float = 0.0

    async def run(self) -> dict[str, Any]:
        """Run the prompt until it succeeds, fails or is interrupted; return its outputs, status and meta."""
        self._send_message("execution_start", {"prompt_id": self.prompt.prompt_id})
        cached = self._cached_nodes()
        self._send_message("execution_cached", {"nodes": list(cached), "prompt_id": self.prompt.prompt_id})
        completed = False
        try:
            await self._run_nodes(cached)
        except _InterruptedError:
            self._send_message("execution_interrupted", self._location())
        except NodeRaisedError as raised:
            self._send_message("execution_error", {**self._location(), **self._exception(raised)})
        else:
            completed = True
            self._send_message("execution_success", {"prompt_id": self.prompt.prompt_id})
        self.node = None
        meta = {
            node: {"node_id": node, "display_node": node, "parent_node": None, "real_node_id": node}
            for node in self._outputs
        }
        text = "success" if completed else "error"
        status = {"status_str": text, "completed": completed, "messages": self._messages}
        return {"outputs": self._outputs, "status": status, "meta": meta}

    def _cached_nodes(self) -> dict[str, None]:
        """Return the nodes with a cached result; drop the results that this prompt does not use, as ComfyUI does."""
        graph, cache = self.prompt.graph, self.server.cache
        self._signatures = signatures(graph, self.prompt.outputs, self.server.writer.file_hash)
        used = set(self._signatures.values())
        for signature in [signature for signature in cache if signature not in used]:
            del cache[signature]
        return {node: None for node in graph if self._signatures.get(node) in cache}

    async def _run_nodes(self, cached: dict[str, None]) -> None:
        graph = self.prompt.graph
        planned = list(order(graph, self.prompt.outputs, self.server.object_info, cached))
        running = [node for node in planned if node not in cached]
        reading = Reading(graph, self.server.writer.size_of)
        samplers = {node: reading.steps(node) for node in running if is_sampler(graph[node])}
        shown = sum(len(list(self._values(steps))) for steps in samplers.values())
        self._pause = self.server.seconds * self.server.faults.slowness / shown if shown else 0.0
        failure = self._planned_failure()
        failing = self._failing_node(running, list(samplers)) if failure else None
        for node in planned:
            if node in cached:
                self._reuse(node)
                continue
            self.node = node
            self._raise_if_interrupted()
            self._state(node, 0.0, 1.0, "running")
            self._send("executing", {"node": node, "display_node": node, "prompt_id": self.prompt.prompt_id})
            if failure and node == failing:
                raise failure
            await self._keep_silent(node)
            self._check_arguments(node)
            made = await self._run_node(node, reading, samplers.get(node, 0))
            if made:
                self._executed(node, made)
            self._state(node, samplers.get(node, 1.0), samplers.get(node, 1.0), "finished")
            self._ran.append(node)
            self.server.cache[self._signatures[node]] = made

    def _check_arguments(self, node_id: str) -> None:
        """Raise NodeRaisedError for a dynamic combo with a value it does not offer: the node gets no such argument."""
        node = self.prompt.graph[node_id]
        missing = missing_combos(self.server.object_info[node["class_type"]], node["inputs"])
        if missing:
            names = ", ".join(f"'{name}'" for name in missing)
            count = f"{len(missing)} required positional argument{'s' if len(missing) > 1 else ''}"
            raise NodeRaisedError("TypeError", f"{node['class_type']}.execute() missing {count}: {names}")

    async def _keep_silent(self, node_id: str) -> None:
        """Send no frame for as long as the faults say; only then obey an interrupt."""
        faults = self.server.faults
        if not faults.silent_for or self.prompt.graph[node_id]["class_type"] != faults.silent_at:
            return
        if faults.silent_on and faults.silent_on not in prompt_text(self.prompt.graph):
            return
        self.silent = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(faults.silent_for):
                await self.heard.wait()
        self.silent = False
        self.heard.clear()
        self._raise_if_interrupted()

    async def _run_node(self, node_id: str, reading: Reading, steps: int) -> Outputs:
        node = self.prompt.graph[node_id]
        writer = self.server.writer
        if steps:
            await self._sample(node_id, reading, steps)
        elif node["class_type"] in LOADERS:
            await asyncio.to_thread(writer.opened, node["inputs"]["image"])
        elif self.server.object_info[node["class_type"]]["output_node"]:
            extra = self.prompt.extra_data.get("extra_pnginfo")
            texts = {"prompt": self.prompt.graph, **(extra if isinstance(extra, dict) else {})}
            return await writer.save(node, reading, texts, self._signatures[node_id])
        return {}

    async def _sample(self, node_id: str, reading: Reading, steps: int) -> None:
        self.server.record("sampled", self.prompt.prompt_id)
        scene = reading.scene(node_id)
        self.server.writer.check_memory(scene)
        client = self.prompt.client
        watched = self.server.previews and self.server.sockets.recipients(client)
        sketch = await self.server.writer.sketch(scene) if watched else None
        for value in self._values(steps):
            await self._wait(value)
            self._state(node_id, value, steps, "running")
            progress = {"value": value, "max": steps, "prompt_id": self.prompt.prompt_id, "node": node_id}
            frame = sockets.text("progress", json.dumps(progress))
            if sketch is None:
                self.server.sockets.send(frame, client)
            else:
                self._preview(frame, sketch(1 - value / steps), node_id)

    def _values(self, steps: int) -> Iterator[int]:
        """Return the steps to report, evenly spread and with the last one."""
        shown = min(steps, self.server.steps_seen or steps)
        return (round((number + 1) * steps / shown) for number in range(shown))

    async def _wait(self, value: int) -> None:
        faults = self.server.faults
        if faults.stall_on and value > faults.stall_at_step and faults.stall_on in prompt_text(self.prompt.graph):
            await self.interrupted.wait()
        await asyncio.sleep(self._pause)
        self._raise_if_interrupted()

    def _raise_if_interrupted(self) -> None:
        if self.interrupted.is_set():
            raise _InterruptedError

    def _planned_failure(self) -> NodeRaisedError | None:
        faults = self.server.faults
        texts = prompt_text(self.prompt.graph) if faults.fail_on or faults.out_of_memory_on else ""
        if faults.memory_full or (faults.out_of_memory_on and faults.out_of_memory_on in texts):
            return NodeRaisedError("torch.OutOfMemoryError", "Allocation on device ")
        if faults.fail_on and faults.fail_on in texts:
            return NodeRaisedError("RuntimeError", faults.fail_message)
        return None

    def _failing_node(self, running: list[str], samplers: list[str]) -> str | None:
        """Return the node that raises; None if every node is cached."""
        graph, fail_at = self.prompt.graph, self.server.faults.fail_at
        named = [node for node in running if graph[node]["class_type"] == fail_at]
        return next(iter([*named, *samplers, *running]), None)

    def _reuse(self, node: str) -> None:
        made = self.server.cache[self._signatures[node]]
        if made:
            self._executed(node, made)
        self._state(node, 1, 1, "finished")

    def _executed(self, node: str, made: Outputs) -> None:
        self._outputs[node] = made
        content = {"node": node, "display_node": node, "output": made, "prompt_id": self.prompt.prompt_id}
        self._send("executed", content)

    def _location(self) -> dict[str, Any]:
        node = str(self.node)
        return {
            "prompt_id": self.prompt.prompt_id,
            "node_id": node,
            "node_type": self.prompt.graph[node]["class_type"],
            "executed": list(self._ran),
        }

    def _exception(self, raised: NodeRaisedError) -> dict[str, Any]:
        return {
            "exception_message": raised.message,
            "exception_type": raised.kind,
            "traceback": raised.lines(),
            "current_inputs": _inputs(self.prompt.graph[str(self.node)]),
            "current_outputs": list(self._signatures),
        }

    def _send_message(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message and add it to the history entry; without a client, send an interruption to all clients."""
        content = {**content, "timestamp": int(time.time() * 1000)}
        self._messages.append([kind, content])
        if kind == "execution_interrupted":
            self.server.sockets.send(sockets.text(kind, json.dumps(content)), self.prompt.client)
        else:
            self._send(kind, content)

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        if self.prompt.client is not None:
            self.server.sockets.send(sockets.text(kind, json.dumps(content)), self.prompt.client)

    def _state(self, node: str, value: float, most: float, state: str) -> None:
        """Send the state of all nodes so far; without a client, send it to all clients."""
        client = self.prompt.client
        if not self.server.sockets.recipients(client):
            return
        described = {"value": value, "max": most, "state": state, **self._identity(node)}
        self._states[node] = f"{json.dumps(node)}: {json.dumps(described)}"
        nodes = f'{{"prompt_id": {json.dumps(self.prompt.prompt_id)}, "nodes": {{{", ".join(self._states.values())}}}}}'
        self.server.sockets.send(sockets.text("progress_state", nodes), client)

    def _identity(self, node: str) -> dict[str, Any]:
        return {
            "node_id": node,
            "prompt_id": self.prompt.prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }

    def _preview(self, progress: str, jpeg: bytes, node: str) -> None:
        """Send a preview and the step: a preview with metadata comes before the step, a plain one after it."""
        for socket in self.server.sockets.recipients(self.prompt.client):
            if socket.features.get("supports_preview_metadata"):
                socket.put(sockets.preview_with_metadata(jpeg, self._identity(node)))
                socket.put(progress)
            else:
                socket.put(progress)
                socket.put(sockets.plain_preview(jpeg))


def _inputs(node: Node) -> dict[str, list[Any]]:
    """Return a node's inputs as an error lists them: values in lists, results of other nodes by name."""
    from_nodes = {name: f"<output {index} of node {source}>" for name, source, index in links(node)}
    return {name: [from_nodes[name] if is_link(value) else value] for name, value in node["inputs"].items()}
