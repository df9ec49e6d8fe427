"""Find the length of a graph's video or sound, and convert a shot's duration to it."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from previs.comfyui.protocol.classes import InputRule
from previs.comfyui.protocol.graph import links
from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.limits import BATCH_MAX
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import OUTPUT_PREFIX, holds, in_order, place_of, places_of, saving, upstream
from previs.workflow.detection.computed import seconds_behind
from previs.workflow.detection.numbers import number_at

_FRAMES = ("length", "video_frames", "num_frames")
_SECONDS = ("seconds", "seconds_total")
_RATES = ("fps", "frame_rate")
# Nodes that show, save or assemble a video at a rate. For other nodes, a rate only conditions motion.
_PLAYED = frozenset({"CreateVideo", "SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveWEBM", "VHS_VideoCombine"})
_INTERPOLATES = " VFI"
# Custom packs that load a motion model beside a model of pictures.
_MOTION = re.compile(r"AnimateDiff|^ADE_|Hotshot|AnimateLCM|MotionModel", re.IGNORECASE)
_LOADS = frozenset({"LoadVideo", "LoadAudio", "VHS_LoadVideo", "VHS_LoadVideoPath", "VHS_LoadAudio"})
_BATCHES = frozenset({"batch_size", "amount"})
_JOINS = re.compile(r"Batch|Concat|Merge|Join|Combine")
# Steps, in frames, of ComfyUI 0.3.64's own nodes where not 4; minimums where not 1.
_STEPS = {
    **dict.fromkeys(("EmptyLTXVLatentVideo", "LTXVImgToVideo"), 8),
    **dict.fromkeys(("EmptyCosmosLatentVideo", "CosmosImageToVideoLatent"), 8),
    **dict.fromkeys(("SVD_img2vid_Conditioning", "SV3D_Conditioning"), 1),
    "EmptyMochiLatentVideo": 6,
}
_LEAST = {"EmptyMochiLatentVideo": 7, "LTXVImgToVideo": 9}
_MOST = {"SVD_img2vid_Conditioning": 4096, "SV3D_Conditioning": 4096}
_OWN = frozenset(
    {
        *_STEPS,
        *("EmptyHunyuanLatentVideo", "HunyuanImageToVideo", "CosmosPredict2ImageToVideoLatent"),
        *("Wan22ImageToVideoLatent", "WanCameraEmbedding"),
        *(f"Wan{kind}ToVideo" for kind in ("Image", "FirstLastFrame", "FunControl", "FunInpaint", "Vace", "Track")),
        *(f"Wan{kind}ToVideo" for kind in ("CameraImage", "PhantomSubject", "Animate", "HuMoImage", "SoundImage")),
        *("Wan22FunControlToVideo", "WanSoundImageToVideoExtend"),
    }
)
_STEP, _FIRST, _LAST = 4, 1, 16384
_UNHEARD = 0.1  # Seconds by which sound may be longer than asked without a word.


@dataclass(frozen=True, slots=True)
class LengthRule:
    """Describe the frame counts, or seconds, that an input takes: from least to most, in steps.

    Attributes:
        rate: Input that holds the frames per second; None for an input in seconds.
        interpolated: Factor by which later nodes multiply the frames.
        choices: Seconds with the values that mean them, shortest first, if the input takes nothing else.
        whole: Whether an input in seconds takes whole ones only.
    """

    least: float
    step: float
    most: float
    rate: Slot | None = None
    interpolated: int = 1
    choices: tuple[tuple[float, Any], ...] = ()
    whole: bool = False

    def value(self, duration: float, rate: float) -> Any:  # noqa: ANN401 - a number, or a choice of the node's
        """Return the smallest value that lasts at least a duration in seconds, or else the largest value.

        The rate is 1 for an input in seconds.
        """
        if self.choices:
            return next((value for seconds, value in self.choices if seconds >= duration), self.choices[-1][1])
        wanted = round(duration * rate) / self.interpolated if self.rate else duration
        # 0.3 / 0.1 is 2.9999999999999996.
        steps = max(0, math.ceil(round((wanted - self.least) / self.step, 6)))
        value = min(self.least + steps * self.step, self.most)
        return round(value) if self.rate or self.whole else round(value, 6)

    def note(self, duration: float, rate: float) -> str:
        """Say what is made instead of a duration that the input does not take; empty if it takes it."""
        value = self.value(duration, rate)
        lasting = next((seconds for seconds, each in self.choices if each == value), value)
        if self.rate is not None:
            lasting = value * self.interpolated / rate
            longer_is_usual = lasting >= duration - 1 / rate
        else:
            longer_is_usual = abs(lasting - duration) < _UNHEARD
        return "" if longer_is_usual else f"it takes {self._range(rate)}: {lasting:.6g} s is made"

    def _range(self, rate: float) -> str:
        if self.choices:
            return f"{', '.join(f'{seconds:g}' for seconds, _ in self.choices)} s"
        per_second = rate / self.interpolated if self.rate else 1
        steps = (
            " in whole seconds"
            if self.whole and self.step == 1
            else f" in steps of {self.step:g} s"
            if self.whole
            else ""
        )
        return f"{self.least / per_second:.6g} to {self.most / per_second:.6g} s{steps}"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Hold the bindings of length and frame rate.

    Attributes:
        gap: Why a duration cannot be applied; empty if it can, or if the graph makes neither video nor sound.
    """

    bindings: tuple[Binding, ...] = ()
    rates: tuple[Binding, ...] = ()
    length_rule: LengthRule | None = None
    gap: str = ""


def find_lengths(wiring: Wiring, live: list[str], batches: Iterable[Slot] = ()) -> Lengths:
    """Find the inputs for length and frame rate.

    If no input is named for it, and pictures are played or a motion model makes them, the frames are the latent's
    batch, whose inputs are ``batches``.
    """
    rates = find_rates(wiring, live)
    named = [(node_id, name) for node_id in in_order(live) for name in _names(wiring, node_id)]
    if not named and _frames_are_batch(wiring, live, batches, played=bool(rates)):
        named = list(batches)
    if not named:
        return Lengths(rates=rates)
    slots = {slot: number_at(wiring, slot, float) for slot in named}
    if computed := [node_id for (node_id, _), slot in slots.items() if slot is None]:
        if seconds := _seconds(wiring, [slot for slot, found in slots.items() if found is None], rates):
            rule = f"seconds of {wiring.label(computed[0])}"
            return Lengths((Binding("length", *seconds, rule),), rates, _seconds_rule(wiring, seconds))
        return Lengths(rates=rates, gap=f"the length of {places_of(wiring.graph, computed)} is computed by other nodes")
    held = {slot: wiring.value(slot) for slot in slots.values() if slot is not None}
    extending = [i for i, _ in named if wiring.graph[i]["class_type"].endswith("Extend")]
    if len(set(held.values())) > 1 or extending or _joined(wiring, live, {node_id for node_id, _ in named}):
        nodes = places_of(wiring.graph, [node_id for node_id, _ in named])
        return Lengths(rates=rates, gap=f"several nodes each make a part of it: {nodes}")
    bindings = (*_bindings(wiring, slots), *_equal_durations(wiring, live, held))
    length_rule, gap = length_rule_of(wiring, named[0], rates, live)
    return Lengths(bindings, rates, length_rule, gap)


def _seconds(wiring: Wiring, computed: list[Slot], rates: tuple[Binding, ...]) -> Slot | None:
    """Return the number of seconds behind all computed lengths."""
    slots = {each.slot for each in rates}
    values = {wiring.value(slot) for slot in slots}
    if len(values) != 1:
        return None
    found = {seconds_behind(wiring, slot, slots, *values) for slot in computed}
    return found.pop() if len(found) == 1 else None


def _seconds_rule(wiring: Wiring, slot: Slot) -> LengthRule:
    rule = wiring.rule(*slot)
    whole = rule.type == "INT" if rule else isinstance(wiring.value(slot), int)
    least = 1.0 if whole else 0.1
    return LengthRule(least, least, 1000.0, whole=whole)


def missing_length(wiring: Wiring) -> str:
    """Return why a graph that saves video or sound takes no duration; empty for a graph that saves only pictures."""
    ends = saving(wiring.graph)
    if not any(kind in ("VIDEO", "AUDIO") for end in ends for kind in _kinds(wiring, end)):
        return ""
    loaders = [each for each in upstream(wiring.graph, ends) if wiring.graph[each]["class_type"] in _LOADS]
    return f"it has the length of what {places_of(wiring.graph, loaders)} loads" if loaders else "no node sets a length"


def _kinds(wiring: Wiring, node_id: str) -> list[str]:
    return [wiring.kind(node_id, name) for name, _, _ in links(wiring.graph[node_id])]


def _joined(wiring: Wiring, live: list[str], makers: set[str]) -> bool:
    """Return whether a node joins frames that different nodes of a length have made, one after another."""
    for node_id in live if len(makers) > 1 else ():
        if not _JOINS.search(wiring.graph[node_id]["class_type"]):
            continue
        parts = [makers & set(upstream(wiring.graph, [source])) for _, source, _ in wiring.pictures(node_id)]
        if any(part and part != parts[0] for part in parts):
            return True
    return False


def _equal_durations(wiring: Wiring, live: list[str], held: Mapping[Slot, float]) -> Iterator[Binding]:
    """Yield durations of encoders that are the length in seconds now, as of ACE-Step 1.5."""
    lengths = {value: node_id for (node_id, name), value in held.items() if name in _SECONDS}
    for node_id in in_order(live):
        slot = number_at(wiring, (node_id, "duration"), float)
        if slot is not None and slot not in held and (maker := lengths.get(wiring.value(slot))):
            yield Binding("length", *slot, f"the same length as {wiring.label(maker)}")


def _frames_are_batch(wiring: Wiring, live: list[str], batches: Iterable[Slot], *, played: bool) -> bool:
    """Return whether a batch of pictures is a video, as AnimateDiff makes it."""
    moves = any(_MOTION.search(wiring.graph[node_id]["class_type"]) for node_id in live)
    return any(moves or (played and wiring.value(slot) > 1) for slot in batches)


def _bindings(wiring: Wiring, slots: dict[Slot, Slot | None]) -> Iterable[Binding]:
    seen: set[Slot] = set()
    for (node_id, _), slot in slots.items():
        if slot is not None and slot not in seen:
            seen.add(slot)
            yield Binding("length", *slot, f"length of {wiring.label(node_id)}")


def length_input_of(wiring: Wiring, slot: Slot, live: list[str]) -> Slot:
    """Return the input that reads its length from another, or that input itself."""
    named = [(node_id, name) for node_id in in_order(live) for name in _names(wiring, node_id)]
    return next((each for each in named if number_at(wiring, each, float) == slot), slot)


def _names(wiring: Wiring, node_id: str) -> list[str]:
    """Return the names of a node's inputs that set the length of its result, not of an excerpt."""
    inputs = wiring.graph[node_id]["inputs"]
    if "batch_index" in inputs:
        return []
    return [name for name in (*_FRAMES, *_SECONDS) if name in inputs]


def find_rates(wiring: Wiring, live: list[str]) -> tuple[Binding, ...]:
    """Find the inputs that set the playback rate."""
    found: dict[Slot, Binding] = {}
    for node_id in in_order(live):
        class_type = wiring.graph[node_id]["class_type"]
        if not _plays(wiring, node_id):
            continue
        for name in _RATES:
            if name in wiring.graph[node_id]["inputs"] and (slot := number_at(wiring, (node_id, name), float)):
                found.setdefault(slot, Binding("frame_rate", *slot, f"rate of {class_type} {node_id}"))
    return tuple(found.values())


def _plays(wiring: Wiring, node_id: str) -> bool:
    node, known = wiring.graph[node_id], wiring.class_of(node_id)
    if node["class_type"] in _PLAYED or OUTPUT_PREFIX in node["inputs"]:
        return True
    return known is not None and (known.is_output or "VIDEO" in known.outputs)


def length_rule_of(
    wiring: Wiring, slot: Slot, rates: tuple[Binding, ...], live: list[str]
) -> tuple[LengthRule | None, str]:
    """Return the lengths that an input takes, or why a duration cannot be converted."""
    node_id, name = slot
    graph, rule = wiring.graph, wiring.rule(*slot)
    if name in _SECONDS:
        return _rule_from(rule, 1.0, 0.1, 1000.0), ""
    values = {wiring.value(each.slot) for each in rates}
    if not values:
        return None, "no node of the graph sets the frame rate"
    if len(values) > 1:
        return None, f"several nodes set different frame rates: {places_of(graph, [each.node_id for each in rates])}"
    class_type = graph[node_id]["class_type"]
    interpolated, gap = _interpolated(wiring, live)
    if name not in _FRAMES and name not in _BATCHES:
        held = wiring.value(slot)
        if holds(held, float) and held < min(values):  # as in seconds_behind
            return _seconds_rule(wiring, slot), ""
        return (None, gap) if gap else (LengthRule(_FIRST, 1, _LAST, rates[0].slot, interpolated), "")
    if rule is None and class_type not in _OWN and name not in _BATCHES:
        return None, f"only a server that has the class knows which lengths {place_of(graph, node_id)} takes"
    least, most = _LEAST.get(class_type, _FIRST), _MOST.get(class_type, _LAST)
    step = 1 if rule or name in _BATCHES else _STEPS.get(class_type, _STEP)
    length_rule = _rule_from(rule, least, step, BATCH_MAX if name in _BATCHES else most)
    return (None, gap) if gap else (replace(length_rule, rate=rates[0].slot, interpolated=interpolated), "")


def _rule_from(rule: InputRule | None, least: float, step: float, most: float) -> LengthRule:
    """Build a rule from a server's bounds; the given numbers replace missing or non-finite ones."""
    bounds = (rule.minimum, rule.step, rule.maximum) if rule else (None, None, None)
    first, by, last = (
        value if value is not None and math.isfinite(value) else default
        for value, default in zip(bounds, (least, step, most), strict=True)
    )
    return LengthRule(first, by if by > 0 else step, last)


def _interpolated(wiring: Wiring, live: list[str]) -> tuple[int, str]:
    """Return the factor by which interpolation multiplies the frames, or why it is unknown."""
    product = 1
    for node_id in live:
        if not wiring.graph[node_id]["class_type"].endswith(_INTERPOLATES):
            continue
        slot = number_at(wiring, (node_id, "multiplier"))
        times = wiring.value(slot) if slot else 0
        if times < 1:
            return 1, f"the number of frames that {place_of(wiring.graph, node_id)} adds is unknown"
        product *= times
    return product, ""
