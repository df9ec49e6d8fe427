"""Check what each failure means for a take and for its server."""

import inspect

import pytest

from previs import errors
from previs.errors import (
    AccessDenied,
    Fault,
    FrameDamaged,
    NodeFailed,
    NoServer,
    OutOfMemory,
    PrevisError,
    PromptInterrupted,
    PromptLost,
    PromptRefused,
    RenderTimedOut,
    ServerUnavailable,
    ServerUnreachable,
    StoreUnavailable,
    TryAgain,
)
from previs.farm.failure_policy import (
    MOST_LOSSES,
    Decision,
    History,
    NextStep,
    decide,
    may_succeed_later,
    prompt_has_ended,
)

A, B = "http://a:8188", "http://b:8188"
FAULT = Fault("node 4", "ckpt_name", "flux.safetensors", "not in the list")
NODE_FAILED = NodeFailed(A, "3", "KSampler", "NaN")
REFUSED = PromptRefused(A, (FAULT,))
ELSEWHERE, GIVE_UP, FREE_MEMORY = NextStep.ELSEWHERE, NextStep.GIVE_UP, NextStep.FREE_MEMORY
AGAIN, BLAME_INPUT = NextStep.AGAIN, NextStep.BLAME_INPUT


@pytest.mark.parametrize(
    ("error", "with_another", "alone"),
    [
        (NODE_FAILED, Decision(ELSEWHERE, counts=True), Decision(GIVE_UP, counts=True)),
        (OutOfMemory(A, "3", "KSampler"), Decision(FREE_MEMORY), Decision(FREE_MEMORY)),
        (REFUSED, Decision(ELSEWHERE), Decision(GIVE_UP)),
        (AccessDenied(A, 403), Decision(ELSEWHERE), Decision(GIVE_UP)),
        (ServerUnreachable(A, "refused"), Decision(ELSEWHERE), Decision(GIVE_UP)),
        (ServerUnavailable(A, "POST /prompt", "HTTP 502"), Decision(ELSEWHERE), Decision(GIVE_UP)),
        (RenderTimedOut(A, 300), Decision(GIVE_UP, counts=True), Decision(GIVE_UP, counts=True)),
        (FrameDamaged("a.png", "cut"), Decision(GIVE_UP, counts=True), Decision(GIVE_UP, counts=True)),
        (PromptLost(A, "p"), Decision(AGAIN), Decision(AGAIN)),
        (PromptInterrupted(A, "p"), Decision(GIVE_UP), Decision(GIVE_UP)),
        (StoreUnavailable("s3://bucket", "HTTP 503"), Decision(GIVE_UP), Decision(GIVE_UP)),
    ],
    ids=lambda value: value.code if isinstance(value, PrevisError) else None,
)
def test_a_first_failure_leads_to_its_step(error: PrevisError, with_another: Decision, alone: Decision) -> None:
    assert decide(error, A, History(), another_fits=True) == with_another
    assert decide(error, A, History(), another_fits=False) == alone


@pytest.mark.parametrize("error", [NODE_FAILED, REFUSED], ids=lambda error: error.code)
def test_two_servers_that_fail_with_the_same_cause_blame_the_input(error: NodeFailed | PromptRefused) -> None:
    again = type(error)(B, *error.args[1:])
    assert decide(again, B, History({A: error}), another_fits=True) == Decision(BLAME_INPUT)
    assert decide(error, A, History({A: error}), another_fits=True).step is ELSEWHERE


def test_two_servers_that_fail_with_different_causes_do_not_blame_the_input() -> None:
    history = History({A: NODE_FAILED, "http://c": REFUSED})
    assert decide(NodeFailed(B, "3", "KSampler", "CUDA"), B, history, another_fits=True).step is ELSEWHERE
    history = History({A: ServerUnreachable(A, "x")})
    assert decide(ServerUnreachable(B, "x"), B, history, another_fits=True).step is ELSEWHERE


def test_a_second_out_of_memory_counts_a_failure_and_sends_the_take_to_another_server() -> None:
    error = OutOfMemory(A, "3", "KSampler")
    assert decide(error, A, History({A: error}), another_fits=True) == Decision(ELSEWHERE, counts=True)
    assert decide(error, B, History({A: error}), another_fits=True) == Decision(FREE_MEMORY)


def test_a_take_gives_up_after_its_prompt_was_lost_five_times() -> None:
    lost = PromptLost(A, "p")
    steps = [decide(lost, A, History(losses=count), another_fits=True).step for count in range(MOST_LOSSES)]
    assert steps == [AGAIN] * (MOST_LOSSES - 1) + [GIVE_UP]
    assert decide(lost, A, History(losses=MOST_LOSSES, moved=True), another_fits=False).step is AGAIN


def test_three_steps_retry_at_once() -> None:
    assert {step for step in NextStep if Decision(step).retries} == {AGAIN, FREE_MEMORY, ELSEWHERE}


def test_a_pause_may_help_unless_the_input_is_wrong_or_the_farm_has_waited_already() -> None:
    assert may_succeed_later(ServerUnreachable(A, "refused"))
    assert not may_succeed_later(NoServer((A,), 600))
    assert not may_succeed_later(NODE_FAILED)
    assert not may_succeed_later(ValueError("ours"))


def test_of_errors_that_may_pass_three_mean_that_the_prompt_has_ended() -> None:
    raised = [
        each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, TryAgain) and each.sentence
    ]
    assert len(raised) > 10
    assert {each for each in raised if prompt_has_ended(each.__new__(each))} == {
        OutOfMemory,
        PromptLost,
        PromptInterrupted,
    }
