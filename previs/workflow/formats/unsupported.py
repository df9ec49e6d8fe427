"""Recognize files that people give as a workflow by mistake."""

from collections.abc import Mapping
from typing import Any

from previs.comfyui.protocol.documents import describe_document, describe_shape
from previs.errors import Fault
from previs.workflow.settings.model import WorkflowSettings

_KINDS = 'settings, {"checkpoint": …}, or a graph that ComfyUI saved or exported'
_WORKFLOW = "the workflow"
_MOST_SETTINGS = 100
_OF_THE_EDITOR = frozenset({"last_node_id", "last_link_id", "links", "state", "definitions"})
_OF_A_SAMPLER = frozenset({"sampler_name", "scheduler", "seed", "steps", "cfg", "denoise"})
_OF_A_SHOT = frozenset({"prompt", "shot_id", "duration", "negative_prompt", "references"})


def unsupported_file(content: object) -> Fault | None:
    """Report content that is neither settings nor a graph but a file that people have."""
    if _is_shot_list(content):
        return Fault(_WORKFLOW, "", "", f"this is a shot list: pass it as the shots, and as the workflow {_KINDS}")
    if not isinstance(content, Mapping):
        return Fault(_WORKFLOW, "", describe_shape(content), f"give {_KINDS}")
    if not content:
        return Fault(_WORKFLOW, "", "{}", 'empty: the minimum is {"checkpoint": "sd_xl_base_1.0.safetensors"}')
    if all(str(key).startswith("Comfy.") for key in content):
        return Fault(_WORKFLOW, "", "", f"these are the settings of ComfyUI's own editor: give {_KINDS}")
    return None


def too_many_keys(content: Mapping[str, Any]) -> Fault | None:
    """Report content with far more keys than there are settings, instead of each key."""
    if len(content) <= _MOST_SETTINGS:
        return None
    return Fault(_WORKFLOW, "", f"{len(content):,} keys", f"neither settings nor a graph: give {_KINDS}")


def unrecognized_file(source: bytes, content: Mapping[str, Any]) -> Fault | None:
    """Report a document in which nothing is a workflow's; its kind and length are told, and nothing of it is quoted."""
    settings = WorkflowSettings.model_fields.keys() & content.keys()
    if "checkpoint" in settings or len(settings) > 1 or any(map(_is_node, content.values())):
        return None
    if "nodes" in content and _OF_THE_EDITOR & content.keys():
        return None
    value = f"{describe_document(source)}, {describe_shape(content)}"
    return Fault(_WORKFLOW, "", value, f"neither settings nor a graph: give {_KINDS}")


def _is_node(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    inputs = value.get("inputs")
    return "class_type" in value or (isinstance(inputs, Mapping) and len(_OF_A_SAMPLER & inputs.keys()) > 1)


def _is_shot_list(content: Any) -> bool:  # noqa: ANN401 - JSON of any shape
    if isinstance(content, Mapping):
        return isinstance(content.get("shots"), list)
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(shot, Mapping) and _OF_A_SHOT & shot.keys() for shot in content)
    )
