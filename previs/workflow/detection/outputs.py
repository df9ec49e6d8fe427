"""Find and change what every graph has: its models and the names of its output files."""

from collections.abc import Iterable, Iterator

from previs.comfyui.protocol.graph import Graph, is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.traversal import OUTPUT_PREFIX, outputs_of, samplers_of, saving, upstream

# CheckpointLoaderSimple and its like, UNETLoader (and the GGUF loaders), DiffusersLoader.
_MODEL_FILES = ("ckpt_name", "unet_name", "model_path")


def model_inputs(graph: Graph) -> list[Slot]:
    """Return the inputs that name the model files used for sampling, first used first.

    If no sampler is known to use a model, return all that the graph loads.
    """
    found: dict[Slot, None] = {}
    for sampler in samplers_of(graph, upstream(graph, outputs_of(graph))):
        inputs = graph[sampler]["inputs"]
        models = [inputs[name][0] for name in ("model", "guider") if is_link(inputs.get(name))]
        found.update(dict.fromkeys(_model_files(graph, upstream(graph, models))))
    return list(found) or list(_model_files(graph, graph))


def _model_files(graph: Graph, node_ids: Iterable[str]) -> Iterator[Slot]:
    for node_id in node_ids:
        inputs = graph[node_id]["inputs"]
        yield from ((node_id, name) for name in _MODEL_FILES if isinstance(inputs.get(name), str))


def checkpoint_of(graph: Graph) -> str | None:
    """Return the model file that the graph samples with first; None if it loads no model."""
    return next((str(graph[node_id]["inputs"][name]) for node_id, name in model_inputs(graph)), None)


def with_output_prefix(graph: Graph, prefix: str) -> Graph:
    """Set the file name prefix of every node that saves, in a new graph.

    Such nodes have an input ``filename_prefix``: all of ComfyUI's own except previews, and VideoHelperSuite's.
    """
    changed = graph.copy()
    for node_id in saving(graph):
        changed[node_id] = {**graph[node_id], "inputs": graph[node_id]["inputs"] | {OUTPUT_PREFIX: prefix}}
    return changed


def without_output_names(graph: Graph) -> Graph:
    """Remove what does not affect the picture, for fingerprints: output file names and node titles."""
    return {
        node_id: {
            "class_type": node["class_type"],
            "inputs": {name: value for name, value in node["inputs"].items() if name != OUTPUT_PREFIX},
        }
        for node_id, node in graph.items()
    }
