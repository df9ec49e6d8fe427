"""Translate names of samplers and schedulers from other tools to ComfyUI's.

ComfyUI's lists are those of ``KSampler`` in the ``object_info`` of version 0.3.64. The other names are those of the
menus of A1111 and Forge, of InvokeAI, of NovelAI's and Stability's APIs (``k_euler_a``), and of the classes of
diffusers. A name is translated only to the same method: PLMS, Restart, DPM++ 2S without ancestral noise and Align Your
Steps have no counterpart and are refused.
"""

import re

from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.text.similar import closest

_SAMPLER_NAMES = (
    "euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 dpm_2 dpm_2_ancestral lms dpm_fast "
    "dpm_adaptive dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu dpmpp_2m dpmpp_2m_cfg_pp "
    "dpmpp_2m_sde dpmpp_2m_sde_gpu dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu dpmpp_3m_sde dpmpp_3m_sde_gpu ddpm lcm "
    "ipndm ipndm_v deis res_multistep res_multistep_cfg_pp res_multistep_ancestral res_multistep_ancestral_cfg_pp "
    "gradient_estimation gradient_estimation_cfg_pp er_sde seeds_2 seeds_3 sa_solver sa_solver_pece ddim uni_pc "
    "uni_pc_bh2"
)
_SCHEDULER_NAMES = "simple sgm_uniform karras exponential ddim_uniform beta normal linear_quadratic kl_optimal"
SAMPLERS, SCHEDULERS = tuple(_SAMPLER_NAMES.split()), tuple(_SCHEDULER_NAMES.split())
DEFAULT_SCHEDULER = "normal"

_OTHER_SAMPLERS = {
    "euler a": "euler_ancestral",
    "euler a cfg++": "euler_ancestral_cfg_pp",
    "dpm2": "dpm_2",
    "dpm2 a": "dpm_2_ancestral",
    "dpm2 ancestral": "dpm_2_ancestral",
    "dpm++ 2s a": "dpmpp_2s_ancestral",
    "dpm++ 2s a cfg++": "dpmpp_2s_ancestral_cfg_pp",
    "unipc": "uni_pc",
    "unipc bh2": "uni_pc_bh2",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "HeunDiscreteScheduler": "heun",
    "KDPM2DiscreteScheduler": "dpm_2",
    "KDPM2AncestralDiscreteScheduler": "dpm_2_ancestral",
    "LMSDiscreteScheduler": "lms",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "DPMSolverSDEScheduler": "dpmpp_sde",
    "DEISMultistepScheduler": "deis",
    "UniPCMultistepScheduler": "uni_pc",
    "LCMScheduler": "lcm",
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
}
_OTHER_SCHEDULERS = {"ddim": "ddim_uniform", "uniform": "normal"}
_NO_CHOICE = "automatic"
_SOURCE = "the workflow settings"


def _bare(name: str) -> str:
    """Reduce a name to what tools agree on: lower case, ``pp`` for ``++``, and no separators."""
    return re.sub(r"[\s_.\-()]+", "", name.casefold().replace("++", "pp"))


_SAMPLER_BY_BARE_NAME = {_bare(o): ours for o, ours in _OTHER_SAMPLERS.items()} | {_bare(s): s for s in SAMPLERS}
_SCHEDULER_BY_BARE_NAME = {_bare(o): ours for o, ours in _OTHER_SCHEDULERS.items()} | {_bare(s): s for s in SCHEDULERS}


def _sampler_of(bare: str) -> str | None:
    """Return a sampler by its bare name, with or without the ``k`` of k-diffusion."""
    return _SAMPLER_BY_BARE_NAME.get(bare) or _SAMPLER_BY_BARE_NAME.get(bare.removeprefix("k"))


def read_sampler(name: str) -> tuple[str, str | None] | None:
    """Split a sampler's name into ComfyUI's sampler and the scheduler that the name implies; None if it is unknown.

    InvokeAI writes ``_k`` for Karras: ``dpmpp_2m_k``.
    """
    bare = _bare(name)
    if sampler := _sampler_of(bare):
        return sampler, None
    if re.search(r"[\s_]k$", name.casefold().rstrip()) and (sampler := _sampler_of(bare.removesuffix("k"))):
        return sampler, "karras"
    for scheduler in SCHEDULERS:
        ending = _bare(scheduler)
        if bare.endswith(ending) and (sampler := _sampler_of(bare.removesuffix(ending))):
            return sampler, scheduler
    return None


def read_scheduler(name: str) -> str | None:
    """Translate a scheduler's name to ComfyUI's; return None for a name that no tool is known to use."""
    return _SCHEDULER_BY_BARE_NAME.get(_bare(name))


def is_automatic(scheduler: str | None) -> bool:
    """Return whether a scheduler leaves the choice open: absent, or A1111's ``Automatic``."""
    return scheduler is None or _bare(scheduler) == _NO_CHOICE


def _closest(name: str, known: dict[str, str]) -> str:
    bare_names = closest(_bare(name), known, most=5, cutoff=0.5)
    names = list(dict.fromkeys(known[bare] for bare in bare_names))[:3]
    return ", ".join(names or list(dict.fromkeys(known.values()))[:3])


def sampler_remedy(name: str) -> str:
    """Suggest the samplers closest to an unknown name."""
    return f"ComfyUI has no such sampler under any known name; the closest are {_closest(name, _SAMPLER_BY_BARE_NAME)}"


def scheduler_remedy(name: str) -> str:
    """Suggest schedulers instead of an unknown one."""
    closest = _closest(name, _SCHEDULER_BY_BARE_NAME)
    return f"ComfyUI has no scheduler of this name; the closest are {closest} (all: {', '.join(SCHEDULERS)})"


def _name_faults(name: str, scheduler: str | None) -> list[Fault]:
    faults = []
    if read_sampler(name) is None:
        faults.append(Fault("settings", "sampler", format_value(name), sampler_remedy(name)))
    if scheduler is not None and not is_automatic(scheduler) and read_scheduler(scheduler) is None:
        faults.append(Fault("settings", "scheduler", format_value(scheduler), scheduler_remedy(scheduler)))
    return faults


def sampler_and_scheduler(name: str, scheduler: str | None) -> tuple[str, str]:
    """Translate a sampler and a scheduler, named as in any known tool, to ComfyUI's.

    A scheduler in the sampler's name (``DPM++ 2M Karras``) wins over an absent one, ``Automatic``, and ``normal``,
    which people often leave as the default. Any other scheduler contradicts it.

    Raises:
        WorkflowFaults: A name is unknown, or the two contradict each other.
    """
    reading = read_sampler(name)
    chosen = None if scheduler is None or is_automatic(scheduler) else read_scheduler(scheduler)
    if reading is None or (chosen is None and not is_automatic(scheduler)):
        raise WorkflowFaults(_SOURCE, tuple(_name_faults(name, scheduler)))
    sampler, carried = reading
    if carried is None:
        return sampler, chosen or DEFAULT_SCHEDULER
    if chosen not in (None, DEFAULT_SCHEDULER, carried):
        remedy = f'the sampler "{name}" implies the scheduler {carried}: remove scheduler, or give {carried}'
        raise WorkflowFaults(_SOURCE, (Fault("settings", "scheduler", format_value(scheduler), remedy),))
    return sampler, carried
