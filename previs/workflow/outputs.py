"""What can be asked of any graph without knowing where it came from."""

from typing import Any

from previs.comfyui.graph import Graph, Node, is_link
from previs.workflow.walk import samplers_of, upstream

_PREFIX = "filename_prefix"
# CheckpointLoaderSimple and its like, UNETLoader (and the GGUF loaders), DiffusersLoader.
_MODEL_FILES = ("ckpt_name", "unet_name", "model_path")


def _model_file(node: Node) -> str | None:
    return next((value for key in _MODEL_FILES if isinstance(value := node["inputs"].get(key), str)), None)


def _first_of(graph: Graph, node_ids: list[str]) -> str | None:
    return next((file for node_id in node_ids if (file := _model_file(graph[node_id])) is not None), None)


def checkpoint_of(graph: Graph) -> str | None:
    """Give the model file that the graph samples with first; none if it loads no model."""
    for sampler in samplers_of(graph, upstream(graph, list(graph))):
        inputs = graph[sampler]["inputs"]
        models = [inputs[name][0] for name in ("model", "guider") if is_link(inputs.get(name))]
        if file := _first_of(graph, upstream(graph, models)):
            return file
    return _first_of(graph, list(graph))


def _changed(node: Node, inputs: dict[str, Any]) -> Node:
    changed = node.copy()
    changed["inputs"] = inputs
    return changed


def with_output_prefix(graph: Graph, prefix: str) -> Graph:
    """Give every node that saves the same prefix for its files, in a new graph.

    Nodes that save are known by their ``filename_prefix``: all of ComfyUI's own have it (except those for previews),
    and so have VideoHelperSuite's.
    """
    return {
        node_id: _changed(node, node["inputs"] | {_PREFIX: prefix}) if _PREFIX in node["inputs"] else node
        for node_id, node in graph.items()
    }


def without_output_names(graph: Graph) -> Graph:
    """Leave out what changes no picture, for fingerprints: the names of files that are saved, and titles of nodes."""
    return {
        node_id: {
            "class_type": node["class_type"],
            "inputs": {name: value for name, value in node["inputs"].items() if name != _PREFIX},
        }
        for node_id, node in graph.items()
    }
