"""Determine the role of a graph's pictures and the inputs that set their strength."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import CONDITIONING, IMAGE, LATENT, MASK, ORDINARY, VISION, Wiring
from previs.workflow.binding.traversal import consumers, in_order, upstream
from previs.workflow.detection.sampling import noise_of, samplers_among

# Roles of references, as shot lists and bindings files name them, with their names in reports; if a picture has
# several, the first one here counts.
ROLES = {
    "inpaint": "picture to paint in",
    "last_frame": "last frame",
    "first_frame": "first frame",
    "keyframe": "frame in between",
    "edit": "picture to edit",
    "subject": "subject",
    "start": "start",
    "control": "control",
    "style": "style",
    "mask": "mask",
}
_ALIKE = {"start": "first_frame", "first_frame": "start"}

_SEPARATORS = re.compile(r"[\s_\-]+")
_FIRST = frozenset({"start_image", "init_image", "first_frame", "first_frame_image", "clip_vision_start_image"})
_LAST = frozenset({"end_image", "last_image", "last_frame", "last_frame_image", "clip_vision_end_image"})
_SUBJECT = frozenset({"reference_image", "ref_image", "ref_images", "reference_images"})
_EDITED = frozenset({"source_video", "source_image"})
_CONTROL = frozenset({"control_video", "control_image", "pose_video", "face_video", "background_video", "ref_motion"})
_BY_NAME = {"last_frame": _LAST, "subject": _SUBJECT, "control": _CONTROL, "edit": _EDITED}
# Other links of the same node that determine a picture's role.
_BY_SIBLING = {
    "control_net": "control",
    "model_patch": "control",
    "ipadapter": "style",
    "style_model": "style",
    "instantid": "subject",
    "pulid_flux": "subject",
    "photomaker": "subject",
}
_BY_CLASS = {
    "WanPhantomSubjectToVideo": "subject",
    "HiDreamO1ReferenceImages": "edit",
    "ReferenceLatent": "edit",
    "VAEEncodeForInpaint": "inpaint",
    "InpaintModelConditioning": "inpaint",
    "InstructPixToPixConditioning": "edit",
    "LTXVImgToVideo": "start",
    "LTXVImgToVideoInplace": "start",
    "MiniMaxH3ReferenceToVideo": "subject",
    "ImageToMask": "mask",
    "StyleModelApply": "style",
    "unCLIPConditioning": "style",
    "USOStyleReference": "style",
    "Hunyuan3Dv2Conditioning": "subject",
    "Hunyuan3Dv2ConditioningMultiView": "subject",
    **dict.fromkeys(("Trellis2Conditioning", "Pixal3DConditioning", "TripoSplatConditioning"), "subject"),
}
# Encoders of a text and the pictures that it is about: TextEncodeQwenImageEditPlus, TextEncodeZImageOmni.
_ENCODES_PICTURES = re.compile(r"TextEncode.*(Edit|Omni)")
_GUIDES = re.compile(r"canny|depth|pose|lineart|scribble|hed|normal|edge|seg|preprocess", re.IGNORECASE)
_STRENGTHS = ("strength", "weight")
_FOLLOWED = frozenset({IMAGE, LATENT, VISION, MASK, "VIDEO", ""})


def _shows(kind: str) -> bool:
    """Return whether a link may carry a picture, or what was made of one, such as a depth map or poses."""
    return kind in _FOLLOWED or kind not in ORDINARY


def role_named(name: str) -> str | None:
    """Return the role of a name in any case and with any separators: ``Last Frame`` is ``last_frame``."""
    bare = _SEPARATORS.sub("_", name.strip().casefold())
    return bare if bare in ROLES else None


def serves(role: str, asked: str) -> bool:
    """Return whether an input of one role takes references of another; ``start`` and ``first_frame`` are alike."""
    return role == asked or _ALIKE.get(asked) == role


def picture_input(wiring: Wiring, node_id: str) -> str | None:
    """Return the input by which a node loads an uploaded picture; None if it loads none."""
    node = wiring.graph[node_id]
    if node["class_type"].startswith("LoadImage") and "image" in node["inputs"]:
        return "image"
    known = wiring.class_of(node_id)
    if known is None or not {IMAGE, MASK} & set(known.outputs):
        return None
    uploaded = (name for name, rule in known.inputs.items() if rule.uploaded and "image" in name)
    return next((name for name in uploaded if name in node["inputs"]), None)


@dataclass(frozen=True, slots=True)
class ImageFlow:
    """Hold where a graph's pictures flow.

    Attributes:
        reaching: Nodes that a sampler, or else an output, depends on.
        uses: Where each node's outputs go.
    """

    wiring: Wiring
    reaching: frozenset[str]
    samplers: frozenset[str]
    uses: Mapping[str, list[tuple[str, str, int]]]


def image_flow(wiring: Wiring, live: list[str]) -> ImageFlow:
    """Trace the pictures that results depend on; ``live`` are the nodes that an output depends on."""
    samplers = samplers_among(wiring, live)
    reaching = upstream(wiring.graph, samplers) if samplers else live
    return ImageFlow(wiring, frozenset(reaching), frozenset(samplers), consumers(wiring.graph))


def pictures_below(flow: ImageFlow, loader: str) -> Iterator[tuple[str, str]]:
    """Yield the inputs, as (node id, name), that a loader's picture reaches before it is sampled."""
    pending, seen = list(flow.uses[loader]), set[tuple[str, str]]()
    while pending:
        node_id, name, _ = pending.pop()
        if (node_id, name) in seen or node_id not in flow.reaching or not _shows(flow.wiring.kind(node_id, name)):
            continue
        seen.add((node_id, name))
        yield node_id, name
        if node_id not in flow.samplers:
            pending += flow.uses[node_id]


def role_of(flow: ImageFlow, loader: str) -> tuple[str, str] | None:
    """Return a picture's role and the evidence for it; None if nothing depends on the picture."""
    return first_role(flow, _roles(flow, loader))


def first_role(flow: ImageFlow, roles: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the role that goes before the others in ``ROLES``, and its evidence; ``roles`` are (role, node id)."""
    found: dict[str, list[str]] = {}
    for role, node_id in roles:
        found.setdefault(role, []).append(node_id)
    if not found:
        return None
    role = next(role for role in ROLES if role in found)
    return role, f"{ROLES[role]} of {flow.wiring.label(in_order(found[role])[0])}"


def _roles(flow: ImageFlow, loader: str) -> Iterator[tuple[str, str]]:
    """Yield a picture's roles with the nodes that show them; giving only its size counts if nothing else does."""
    wiring, samplers, uses = flow.wiring, flow.samplers, flow.uses
    sizing: list[str] = []
    settled = False
    pending = [(use, _Path()) for use in reversed(uses[loader])]
    seen: set[tuple[str, str, _Path]] = set()
    while pending:
        (node_id, name, _), path = pending.pop()
        kind = wiring.kind(node_id, name)
        if node_id not in flow.reaching or (node_id, name, path) in seen or not _shows(kind):
            continue
        seen.add((node_id, name, path))
        if role := _role_at(wiring, node_id, name, path):
            settled = settled or role != "mask"
            yield role, node_id
            continue
        if node_id in samplers and not _only_filters(wiring, node_id):
            if path.masked or not _repaints_fully(wiring, node_id):
                settled = True
                yield "inpaint" if path.masked else "start", node_id
            else:
                sizing.append(node_id)
            continue
        if not samplers and not uses[node_id]:
            yield "start", node_id
        onward = path.through(wiring.graph[node_id]["class_type"], name, kind)
        pending.extend((use, onward) for use in reversed(uses[node_id]))
    if not settled:
        yield from (("start", node_id) for node_id in sizing)


@dataclass(frozen=True, slots=True)
class _Path:
    """Describe what a picture passed through.

    Attributes:
        guiding: Whether a node reduced it to edges, depth or poses.
        masked: Whether a node protects a part of it.
        batched: Its positions in batches of frames: first, or last.
    """

    guiding: bool = False
    masked: bool = False
    batched: frozenset[str] = frozenset()

    def through(self, class_type: str, name: str, kind: str) -> "_Path":
        """Return the path beyond a node."""
        batched = {name} if class_type == "ImageBatch" else set[str]()
        return _Path(
            guiding=self.guiding or kind not in _FOLLOWED or bool(_GUIDES.search(class_type)),
            masked=self.masked or class_type == "SetLatentNoiseMask",
            batched=self.batched | batched,
        )


def _only_filters(wiring: Wiring, sampler: str) -> bool:
    """Return whether a sampler transforms its picture without noise, as depth estimation does."""
    return is_link(wiring.graph[sampler]["inputs"].get("noise")) and noise_of(wiring, sampler).unneeded


def _repaints_fully(wiring: Wiring, sampler: str) -> bool:
    """Return whether a sampler keeps nothing of its start picture but the size."""
    inputs = wiring.graph[sampler]["inputs"]
    if is_link(sigmas := inputs.get("sigmas")):
        inputs = wiring.graph[sigmas[0]]["inputs"]
    share = inputs.get("denoise")
    return type(share) in (int, float) and share == 1


def _role_at(wiring: Wiring, node_id: str, name: str, path: _Path) -> str | None:
    """Return a picture's role at an input; None if it only passes through."""
    role = _role_by_input(wiring, node_id, name)
    if role == "edit" and (path.guiding or _guided_by_model(wiring, node_id)):
        return "control"
    if name == "control_video" and path.batched:
        return {"image1": "first_frame", "image2": "last_frame"}.get("".join(path.batched), "keyframe")
    return role


def _guided_by_model(wiring: Wiring, node_id: str) -> bool:
    """Return whether the graph samples with a model of edges or depth, for which an edited picture is a control."""
    if wiring.graph[node_id]["class_type"] != "InstructPixToPixConditioning":
        return False
    names = (node["inputs"].get(key) for node in wiring.graph.values() for key in ("unet_name", "lora_name"))
    return any(isinstance(name, str) and re.search(r"canny|depth", name, re.IGNORECASE) for name in names)


def _role_by_input(wiring: Wiring, node_id: str, name: str) -> str | None:
    node, kind = wiring.graph[node_id], wiring.kind(node_id, name)
    inputs, class_type = node["inputs"], node["class_type"]
    if kind == MASK:
        return "mask"
    if class_type == "LTXVAddGuide" and name == "image":
        return "control" if is_link(inputs.get("iclora_parameters")) else _frame_role(inputs.get("frame_idx"))
    if _ENCODES_PICTURES.match(class_type):
        return "edit"
    if class_type in _BY_CLASS:
        return _BY_CLASS[class_type]
    if name in _FIRST:
        return "first_frame" if any(is_link(inputs.get(last)) for last in _LAST) else "start"
    named = next((role for role, names in _BY_NAME.items() if name in names), None)
    beside = next((role for link, role in _BY_SIBLING.items() if is_link(inputs.get(link))), None)
    if named or beside:
        return named or ("inpaint" if beside == "control" and is_link(inputs.get("mask")) else beside)
    return "start" if kind == VISION and any(wiring.linked(node_id, CONDITIONING)) else None


def _frame_role(index: object) -> str:
    if index == 0:
        return "first_frame"
    return "last_frame" if isinstance(index, int) and index < 0 else "keyframe"


def strength_of(flow: ImageFlow, picture: str) -> Slot | None:
    """Return the only input between a picture and the sampler that sets the picture's strength."""
    wiring, samplers, uses = flow.wiring, flow.samplers, flow.uses
    found: set[Slot] = set()
    seen: set[str] = set()
    pending = [user for user, _, output in uses[picture] if output == 0]
    while pending:
        node_id = pending.pop()
        if node_id in seen or node_id in samplers:
            continue
        seen.add(node_id)
        inputs = wiring.graph[node_id]["inputs"]
        names = [name for name in _STRENGTHS if type(inputs.get(name)) in (int, float)]
        found.update((node_id, name) for name in names)
        if not names:
            pending.extend(user for user, _, _ in uses[node_id])
    return found.pop() if len(found) == 1 and _acts_alone(wiring, found, picture) else None


def _acts_alone(wiring: Wiring, found: set[Slot], picture: str) -> bool:
    """Return whether no other picture reaches the node, whose strength would change with it."""
    ((node_id, _),) = found
    images = [source for _, source, _ in wiring.linked(node_id, IMAGE, LATENT, VISION, "VIDEO", "")]
    return [i for i in upstream(wiring.graph, images) if picture_input(wiring, i)] == [picture]
