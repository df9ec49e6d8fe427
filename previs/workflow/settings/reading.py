"""Check settings from a file or a form, and report every fault with its remedy."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.text.similar import Budget, closest
from previs.text.visible import shortened
from previs.workflow.binding import limits
from previs.workflow.formats import samplers
from previs.workflow.settings.model import OWN_RULE, WorkflowSettings

_REMEDIES = {
    "checkpoint": "give the name of a model file, as the servers list it: sd_xl_base_1.0.safetensors",
    "steps": f"give a whole number from 1 to {limits.STEPS_MAX}",
    "cfg_scale": f"give a number from 0 to {limits.CFG_MAX}",
    "sampler": "give a sampler's name, such as euler_ancestral or DPM++ 2M Karras",
    "scheduler": f"give one of {', '.join(samplers.SCHEDULERS)}, or leave it out",
    "controlnet": "give the name of a ControlNet model file, as the servers list it, or leave it out",
    "reference_images": 'give a list of paths or URLs of pictures: ["ref1.jpg", "ref2.jpg"]',
    "reference_strength": f"give a number from 0 to {limits.STRENGTH_MAX} (to 1 without a controlnet)",
    "negative_prompt": 'give a text; "" for none',
    "batch_size": f"give a whole number from 1 to {limits.BATCH_MAX}",
    "denoise": "give a number above 0 and up to 1, or leave it out",
}
_SAVE_A_GRAPH = "settings cannot do this: build the graph in ComfyUI, export it in API format, and give that file"
_OF_THE_SHOT = "this belongs to a shot: write it in the shot list"
_OTHER_KEYS = {
    **dict.fromkeys(("cfg", "guidance_scale"), "write cfg_scale"),
    "sampler_name": "write sampler",
    "schedule_type": "write scheduler",
    **dict.fromkeys(("ckpt_name", "model"), "write checkpoint"),
    "control_net": "write controlnet",
    "strength": "write reference_strength, or denoise",
    "denoising_strength": "write denoise",
    "negative": "write negative_prompt",
    "batch": "write batch_size",
    **dict.fromkeys(("prompt", "seed", "duration", "references"), _OF_THE_SHOT),
    **dict.fromkeys(("lora", "loras", "vae", "clip_skip", "upscale", "upscaler", "refiner"), _SAVE_A_GRAPH),
}


def _unknown_key_remedy(key: str, budget: Budget) -> str:
    bare = key.casefold()
    if bare in _OTHER_KEYS:
        return f"not a setting: {_OTHER_KEYS[bare]}"
    known = list(WorkflowSettings.model_fields)
    if close := closest(bare, known, budget=budget, most=1):
        return f"not a setting: did you mean {close[0]}?"
    return f"not a setting: remove it; the settings are {', '.join(known)}"


def _fault_of(field: str, kind: str, value: object, context: Mapping[str, Any], budget: Budget) -> Fault:
    name = field.partition("[")[0]
    if kind == "missing":
        return Fault("settings", field, "missing", _REMEDIES[name])
    if kind == "extra_forbidden":
        return Fault("settings", field, format_value(value), _unknown_key_remedy(field, budget))
    if kind == OWN_RULE:
        return Fault("settings", field, format_value(value), context["remedy"])
    remedy = limits.size_remedy(value) if name in ("width", "height") else _REMEDIES[name]
    return Fault("settings", field, format_value(value), remedy)


def _faults_of(error: ValidationError) -> Iterator[Fault]:
    budget = Budget()
    for detail in error.errors(include_url=False):
        context = detail.get("ctx", {})
        if "faults" in context:
            yield from context["faults"]
        else:
            key, *rest = detail["loc"]
            field = "".join([shortened(str(key)), *(f"[{shortened(str(part))}]" for part in rest)])
            yield _fault_of(field, detail["type"], detail["input"], context, budget)


def read_settings(content: Mapping[str, Any], *, name: str, known: tuple[Fault, ...]) -> WorkflowSettings:
    """Check settings from a file or a form; omit known faults of settings that have a fault here.

    Raises:
        WorkflowFaults: Keys are unknown, or values invalid.
    """
    try:
        settings = WorkflowSettings.model_validate(content)
    except ValidationError as error:
        faults = tuple(_faults_of(error))
        fields = {fault.field for fault in faults}
        raise WorkflowFaults(name, (*(fault for fault in known if fault.place not in fields), *faults)) from error
    if known:
        raise WorkflowFaults(name, known)
    return settings.named(name)
