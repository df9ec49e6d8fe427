"""Tell a picture's role from the names of inputs: those of API nodes, and of style nodes of any pack."""

import re
from collections.abc import Iterator

from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.link_types import IMAGE, LATENT, MASK, VISION
from previs.workflow.detection.roles import ImageFlow, first_role

_STYLE_INPUT = re.compile(r"(\w*_)?style(_\w+)?", re.IGNORECASE)
_STYLE_CLASS = re.compile(r"style.?(model|ref|transfer|image|align|apply)|(apply|create).*style|redux", re.IGNORECASE)
_REFERENCE = re.compile(r"(\w*_)?(ref|reference)(_?images?)?", re.IGNORECASE)
# Whole names, or the part before the number in a row of inputs.
_BY_NAME = {
    "first_frame": re.compile(r"(start|first)_(frame|image)(_image)?"),
    "last_frame": re.compile(r"(end|last)_(frame|image)\d*"),
    "keyframe": re.compile(r"keyframes?"),
    "style": re.compile(r"(\w*_)?style(_\w+)?|image_prompt"),
    "subject": re.compile(
        r"(\w*_)?(ref|refs|references?)(_(images?|assets))?|subjects?|(character|texture|background)_image|garment"
    ),
}
_NUMBER = re.compile(r"_?\d+$")
_ROW = re.compile(r"(image|keyframe|subject|asset)_?\d+")
_ASSET = "_asset_id"
_CARRIES = frozenset({IMAGE, LATENT, MASK, VISION, "VIDEO", ""})
_PICTURES = frozenset({IMAGE, VISION, ""})


def named_role(flow: ImageFlow, loader: str) -> tuple[str, str] | None:
    """Return the role that names give a picture, and the evidence for it; None if they give none."""
    return first_role(flow, _roles(flow, loader))


def _roles(flow: ImageFlow, loader: str) -> Iterator[tuple[str, str]]:
    """Follow a picture to the first API nodes and style nodes on its ways."""
    wiring = flow.wiring
    pending, seen = list(flow.uses[loader]), set[tuple[str, str]]()
    while pending:
        node_id, name, _ = pending.pop()
        if node_id not in flow.reaching or (node_id, name) in seen:
            continue
        seen.add((node_id, name))
        known, kind = wiring.class_of(node_id), wiring.kind(node_id, name)
        is_api = known is not None and known.is_api
        if not is_api and _is_style(flow, node_id, name, kind):
            yield "style", node_id
        elif is_api and (role := _role_of_api(flow, node_id, name, kind)):
            yield role, node_id
        elif is_api or (kind in _CARRIES and node_id not in flow.samplers):
            pending.extend(flow.uses[node_id])


def _is_style(flow: ImageFlow, node_id: str, name: str, kind: str) -> bool:
    """Return whether an input takes a picture for its style: by its name, or as the only picture of a style node."""
    if kind not in _PICTURES:
        return False
    if _STYLE_INPUT.fullmatch(name):
        return True
    named = _STYLE_CLASS.search(flow.wiring.graph[node_id]["class_type"])
    pictures = list(flow.wiring.linked(node_id, *_PICTURES))
    return bool(named) and (len(pictures) == 1 or bool(_REFERENCE.fullmatch(name)))


def _role_of_api(flow: ImageFlow, node_id: str, name: str, kind: str) -> str | None:
    """Return the role at an API node; None if the node only makes something for other nodes of a picture."""
    if kind == MASK:
        return "mask"
    wiring, inputs = flow.wiring, flow.wiring.graph[node_id]["inputs"]
    known = wiring.class_of(node_id)
    outputs = set(known.outputs) if known else set()
    role = _by_name(name)
    if role == "first_frame":
        linked = [_by_name(each) for each, value in inputs.items() if is_link(value)]
        return role if "last_frame" in linked else "start"
    if role == "keyframe" and sum(_by_name(each) == role for each in inputs if is_link(inputs[each])) == 1:
        return "start"
    if role is not None:
        return role
    if "VIDEO" in outputs:
        return "subject" if any(wiring.linked(node_id, "VIDEO")) else "start"
    if IMAGE in outputs:
        return "inpaint" if any(wiring.linked(node_id, MASK)) else "edit"
    if any(output.startswith("FILE_3D") for output in outputs):
        return "subject"
    return "style" if _STYLE_CLASS.search(wiring.graph[node_id]["class_type"]) else None


def _by_name(name: str) -> str | None:
    *before, last = name.removesuffix(_ASSET).split(".")
    plain = before[-1] if before and _ROW.fullmatch(last) else _NUMBER.sub("", last)
    return next((role for role, pattern in _BY_NAME.items() if pattern.fullmatch(plain)), None)
