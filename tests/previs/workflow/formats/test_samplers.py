from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import WorkflowFaults
from previs.workflow import sampler_and_scheduler
from previs.workflow.formats.samplers import SAMPLERS, SCHEDULERS

TRANSLATIONS = {
    "euler_a": ("euler_ancestral", "normal"),
    "Euler a": ("euler_ancestral", "normal"),
    "EULER A": ("euler_ancestral", "normal"),
    "Euler": ("euler", "normal"),
    "euler_k": ("euler", "karras"),
    "k_euler_a": ("euler_ancestral", "normal"),
    "k_euler_ancestral": ("euler_ancestral", "normal"),
    "k_dpmpp_2m": ("dpmpp_2m", "normal"),
    "DPM++ 2M": ("dpmpp_2m", "normal"),
    "DPM++ 2M Karras": ("dpmpp_2m", "karras"),
    "dpm++2m karras": ("dpmpp_2m", "karras"),
    "DPM++ 2M SDE Karras": ("dpmpp_2m_sde", "karras"),
    "DPM++ 2M SDE Heun Exponential": ("dpmpp_2m_sde_heun", "exponential"),
    "DPM++ 2M SGM Uniform": ("dpmpp_2m", "sgm_uniform"),
    "DPM++ SDE": ("dpmpp_sde", "normal"),
    "DPM++ SDE Karras": ("dpmpp_sde", "karras"),
    "DPM++ 2S a": ("dpmpp_2s_ancestral", "normal"),
    "DPM++ 2S a Karras": ("dpmpp_2s_ancestral", "karras"),
    "DPM++ 3M SDE Exponential": ("dpmpp_3m_sde", "exponential"),
    "DPM2": ("dpm_2", "normal"),
    "DPM2 a": ("dpm_2_ancestral", "normal"),
    "DPM2 a Karras": ("dpm_2_ancestral", "karras"),
    "DPM fast": ("dpm_fast", "normal"),
    "DPM adaptive": ("dpm_adaptive", "normal"),
    "LMS Karras": ("lms", "karras"),
    "Heun": ("heun", "normal"),
    "DDIM": ("ddim", "normal"),
    "UniPC": ("uni_pc", "normal"),
    "LCM": ("lcm", "normal"),
    "Euler a CFG++": ("euler_ancestral_cfg_pp", "normal"),
    "DPM++ 2M CFG++": ("dpmpp_2m_cfg_pp", "normal"),
    "kdpm_2_a": ("dpm_2_ancestral", "normal"),
    "dpmpp_2m_k": ("dpmpp_2m", "karras"),
    "dpmpp_sde_k": ("dpmpp_sde", "karras"),
    "EulerAncestralDiscreteScheduler": ("euler_ancestral", "normal"),
    "DPMSolverMultistepScheduler": ("dpmpp_2m", "normal"),
    "UniPCMultistepScheduler": ("uni_pc", "normal"),
}


def test_the_lists_are_those_of_a_real_server(object_info: dict[str, Any]) -> None:
    inputs = object_info["KSampler"]["input"]["required"]
    assert list(SAMPLERS) == inputs["sampler_name"][0]
    assert list(SCHEDULERS) == inputs["scheduler"][0]


@pytest.mark.parametrize(("name", "expected"), TRANSLATIONS.items())
def test_names_of_other_tools_are_translated(name: str, expected: tuple[str, str]) -> None:
    assert sampler_and_scheduler(name, None) == expected


@given(st.sampled_from(SAMPLERS), st.sampled_from(SCHEDULERS))
def test_comfyuis_own_names_pass_unchanged(sampler: str, scheduler: str) -> None:
    assert sampler_and_scheduler(sampler, scheduler) == (sampler, scheduler)


@given(st.sampled_from(sorted(TRANSLATIONS)), st.sampled_from(("", " ", "  ")))
def test_case_and_surrounding_space_do_not_matter(name: str, space: str) -> None:
    assert sampler_and_scheduler(f"{space}{name.upper()}{space}", None) == TRANSLATIONS[name]


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("Karras", "karras"),
        ("SGM Uniform", "sgm_uniform"),
        ("DDIM", "ddim_uniform"),
        ("KL Optimal", "kl_optimal"),
        ("Uniform", "normal"),
        ("Automatic", "normal"),
        (None, "normal"),
    ],
)
def test_schedulers_of_other_tools_are_translated(scheduler: str | None, expected: str) -> None:
    assert sampler_and_scheduler("euler", scheduler) == ("euler", expected)


@pytest.mark.parametrize("scheduler", [None, "normal", "Automatic", "karras", "Karras"])
def test_a_scheduler_in_the_name_wins_over_a_default(scheduler: str | None) -> None:
    assert sampler_and_scheduler("DPM++ 2M Karras", scheduler) == ("dpmpp_2m", "karras")


def test_a_scheduler_in_the_name_contradicts_another() -> None:
    with pytest.raises(WorkflowFaults, match="implies the scheduler karras"):
        sampler_and_scheduler("DPM++ 2M Karras", "exponential")


@pytest.mark.parametrize(
    ("name", "closest"), [("eulr_a", "euler_ancestral"), ("dpmpp_2s", "dpmpp_2s_ancestral"), ("DPM++ 4M", "dpmpp_2m")]
)
def test_an_unknown_sampler_is_refused_with_the_closest(name: str, closest: str) -> None:
    with pytest.raises(WorkflowFaults) as caught:
        sampler_and_scheduler(name, None)
    (fault,) = caught.value.faults
    assert name in fault.value
    assert closest in fault.remedy


@pytest.mark.parametrize("name", ["PLMS", "Restart", "DDIM CFG++", "PNDMScheduler", "", "采样"])
def test_a_method_that_comfyui_lacks_is_not_replaced_by_another(name: str) -> None:
    with pytest.raises(WorkflowFaults):
        sampler_and_scheduler(name, None)


def test_a_wrong_sampler_and_a_wrong_scheduler_are_reported_at_once() -> None:
    with pytest.raises(WorkflowFaults) as caught:
        sampler_and_scheduler("nothing", "Align Your Steps")
    assert [fault.field for fault in caught.value.faults] == ["sampler", "scheduler"]


@given(st.text(max_size=30), st.none() | st.text(max_size=20))
def test_any_name_is_translated_or_refused(name: str, scheduler: str | None) -> None:
    try:
        ours = sampler_and_scheduler(name, scheduler)
    except WorkflowFaults as error:
        assert error.faults  # noqa: PT017 - both outcomes are valid, and each is checked
    else:
        assert ours[0] in SAMPLERS
        assert ours[1] in SCHEDULERS
