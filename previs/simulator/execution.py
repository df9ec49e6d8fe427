"""One prompt's run: frames, steps, pictures, faults, and how it ends, in the order of ComfyUI 0.3.64."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from previs.comfyui.protocol.graph import Node, is_link, links
from previs.simulator import sockets
from previs.simulator.faults import Faults
from previs.simulator.journal import Kind
from previs.simulator.output_nodes import NodeRaisedError, OutputWriter
from previs.simulator.prompts import Prompt
from previs.simulator.scene import Reading, is_sampler, prompt_text
from previs.simulator.schedule import LOADERS, order, signatures

Outputs = dict[str, Any]
"""What a node tells of the files it made; empty for most nodes."""


class Server(Protocol):
    """What a run needs of its server."""

    faults: Faults
    sockets: sockets.Sockets
    writer: OutputWriter
    object_info: Mapping[str, Any]
    cache: dict[str, Outputs]
    seconds: float
    steps_seen: int | None
    previews: bool

    def record(self, kind: Kind, prompt_id: str) -> None:
        """Keep that something happened to a prompt."""
        ...


class _InterruptedError(Exception):
    """Somebody stopped the prompt."""


@dataclass(slots=True, eq=False)
class Execution:
    """A prompt that runs.

    Attributes:
        node: that runs now; none before the first and after the last.
        interrupted: set by whoever wants it stopped; it acts between nodes and between steps.
    """

    server: Server
    prompt: Prompt
    node: str | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    _messages: list[list[Any]] = field(default_factory=list)
    _outputs: Outputs = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _ran: list[str] = field(default_factory=list)
    _signatures: dict[str, str] = field(default_factory=dict)
    _pause: float = 0.0

    async def run(self) -> dict[str, Any]:
        """Run it to its end, whichever that is.

        Returns:
            Its entry for the history: outputs, status and meta.
        """
        self._tell("execution_start", {"prompt_id": self.prompt.prompt_id})
        cached = self._remembered()
        self._tell("execution_cached", {"nodes": list(cached), "prompt_id": self.prompt.prompt_id})
        completed = False
        try:
            await self._nodes(cached)
            completed = True
        except _InterruptedError:
            self._tell("execution_interrupted", self._place())
        except NodeRaisedError as raised:
            self._tell("execution_error", {**self._place(), **self._account(raised)})
        else:
            self._tell("execution_success", {"prompt_id": self.prompt.prompt_id})
        self.node = None
        meta = {
            node: {"node_id": node, "display_node": node, "parent_node": None, "real_node_id": node}
            for node in self._outputs
        }
        status = "success" if completed else "error"
        return {
            "outputs": self._outputs,
            "status": {"status_str": status, "completed": completed, "messages": self._messages},
            "meta": meta,
        }

    def _remembered(self) -> dict[str, None]:
        """Nodes whose results are still there; ComfyUI forgets all that this prompt does not use."""
        graph, cache = self.prompt.graph, self.server.cache
        self._signatures = signatures(graph, self.prompt.outputs, self.server.writer.file_hash)
        used = set(self._signatures.values())
        for signature in [signature for signature in cache if signature not in used]:
            del cache[signature]
        return {node: None for node in graph if self._signatures.get(node) in cache}

    async def _nodes(self, cached: dict[str, None]) -> None:
        graph = self.prompt.graph
        ahead = list(order(graph, self.prompt.outputs, self.server.object_info, cached))
        running = [node for node in ahead if node not in cached]
        reading = Reading(graph, self.server.writer.size_of)
        samplers = {node: reading.steps(node) for node in running if is_sampler(graph[node])}
        shown = sum(len(list(self._values(steps))) for steps in samplers.values())
        self._pause = self.server.seconds * self.server.faults.slowness / shown if shown else 0.0
        trouble = self._trouble()
        doomed = self._doomed(running, list(samplers)) if trouble else None
        for node in ahead:
            if node in cached:
                self._again(node)
                continue
            self.node = node
            self._stop_if_interrupted()
            self._state(node, 0.0, 1.0, "running")
            self._frame("executing", {"node": node, "display_node": node, "prompt_id": self.prompt.prompt_id})
            if trouble and node == doomed:
                raise trouble
            made = await self._work(node, reading, samplers.get(node, 0))
            if made:
                self._executed(node, made)
            self._state(node, samplers.get(node, 1.0), samplers.get(node, 1.0), "finished")
            self._ran.append(node)
            self.server.cache[self._signatures[node]] = made

    async def _work(self, node_id: str, reading: Reading, steps: int) -> Outputs:
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
        self.server.writer.check_room(scene)
        client = self.prompt.client
        watched = self.server.previews and self.server.sockets.hears(client)
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
        """Steps that are told, evenly spread, the last one always among them."""
        shown = min(steps, self.server.steps_seen or steps)
        return (round((number + 1) * steps / shown) for number in range(shown))

    async def _wait(self, value: int) -> None:
        faults = self.server.faults
        if faults.stall_on and value > faults.stall_at_step and faults.stall_on in prompt_text(self.prompt.graph):
            await self.interrupted.wait()
        await asyncio.sleep(self._pause)
        self._stop_if_interrupted()

    def _stop_if_interrupted(self) -> None:
        if self.interrupted.is_set():
            raise _InterruptedError

    def _trouble(self) -> NodeRaisedError | None:
        faults = self.server.faults
        texts = prompt_text(self.prompt.graph) if faults.fail_on or faults.out_of_memory_on else ""
        if faults.memory_full or (faults.out_of_memory_on and faults.out_of_memory_on in texts):
            return NodeRaisedError("torch.OutOfMemoryError", "Allocation on device ")
        if faults.fail_on and faults.fail_on in texts:
            return NodeRaisedError("RuntimeError", "The simulator was told to fail here.")
        return None

    def _doomed(self, running: list[str], samplers: list[str]) -> str | None:
        """The node that raises what there is to raise; none where everything is cached."""
        graph, fail_at = self.prompt.graph, self.server.faults.fail_at
        named = [node for node in running if graph[node]["class_type"] == fail_at]
        return next(iter([*named, *samplers, *running]), None)

    def _again(self, node: str) -> None:
        made = self.server.cache[self._signatures[node]]
        if made:
            self._executed(node, made)
        self._state(node, 1, 1, "finished")

    def _executed(self, node: str, made: Outputs) -> None:
        self._outputs[node] = made
        told = {"node": node, "display_node": node, "output": made, "prompt_id": self.prompt.prompt_id}
        self._frame("executed", told)

    def _place(self) -> dict[str, Any]:
        node = str(self.node)
        return {
            "prompt_id": self.prompt.prompt_id,
            "node_id": node,
            "node_type": self.prompt.graph[node]["class_type"],
            "executed": list(self._ran),
        }

    def _account(self, raised: NodeRaisedError) -> dict[str, Any]:
        return {
            "exception_message": raised.message,
            "exception_type": raised.kind,
            "traceback": raised.lines(),
            "current_inputs": _inputs(self.prompt.graph[str(self.node)]),
            "current_outputs": list(self._signatures),
        }

    def _tell(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message that the history keeps too; an interruption is told to everybody."""
        content = {**content, "timestamp": int(time.time() * 1000)}
        self._messages.append([kind, content])
        if kind == "execution_interrupted":
            self.server.sockets.send(sockets.text(kind, json.dumps(content)), self.prompt.client)
        else:
            self._frame(kind, content)

    def _frame(self, kind: str, content: dict[str, Any]) -> None:
        client = self.prompt.client
        if client is not None and self.server.sockets.hears(client):
            self.server.sockets.send(sockets.text(kind, json.dumps(content)), client)

    def _state(self, node: str, value: float, most: float, state: str) -> None:
        """Send the state of all nodes so far; without a client it goes to everybody, as progress and previews do."""
        client = self.prompt.client
        if not self.server.sockets.hears(client):
            return
        told = {"value": value, "max": most, "state": state, **self._identity(node)}
        self._states[node] = f"{json.dumps(node)}: {json.dumps(told)}"
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
        """Send a picture and the step: the newer form comes before the step, the older one after it."""
        for socket in self.server.sockets.hearing(self.prompt.client):
            if socket.features.get("supports_preview_metadata"):
                socket.put(sockets.told_preview(jpeg, self._identity(node)))
                socket.put(progress)
            else:
                socket.put(progress)
                socket.put(sockets.plain_preview(jpeg))


def _inputs(node: Node) -> dict[str, list[Any]]:
    """Values that the node had, as an error tells them: each in a list, of another node's result only its name."""
    from_nodes = {name: f"<output {index} of node {source}>" for name, source, index in links(node)}
    return {name: [from_nodes[name] if is_link(value) else value] for name, value in node["inputs"].items()}
