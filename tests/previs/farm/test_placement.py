"""A take sits where it is rendered soonest and not refused, and is moved only where that gains something."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.classes import read_class
from previs.comfyui.protocol.requirements import Requirement
from previs.farm.circuit_breaker import BreakerState, CircuitBreaker
from previs.farm.placement import PlacementRequest, ServerState, Slot, choose, slot_to_move

PLACES = 2
FLUX = frozenset({Requirement("CheckpointLoaderSimple", "ckpt_name", "flux.safetensors")})
LOADER = "CheckpointLoaderSimple"
CLASSES = {LOADER: read_class(LOADER, {"input": {"required": {"ckpt_name": [["sdxl.safetensors"]]}}})}


def member(
    name: str, *, up: bool = True, lacks: bool = False, held: int = 0, others: int = 0, **known: Any
) -> ServerState:
    """A server that was never asked anything, and what is known of it.

    Args:
        name: its host.
        up: whether it answered.
        lacks: whether it has no checkpoint but sdxl.
        held: places of ours there, their prompts waiting.
        others: prompts in its queue, everybody's.
        known: of the member.
    """
    server = Server(Address(f"http://{name}:8188"))
    server.up = up
    server._tracker.queue_remaining = others
    server.catalog.classes = dict(CLASSES) if lacks else {}
    made = ServerState(server, **known)
    for number in range(held):
        seat(made, prompt=f"{name}-{number}")
    return made


def seat(at: ServerState, request: PlacementRequest | None = None, **state: Any) -> Slot:
    slot = Slot(at.server, request or PlacementRequest(), at.slots.remove, **state)
    at.slots.append(slot)
    return slot


def state(where: BreakerState) -> CircuitBreaker:
    breaker = CircuitBreaker()
    breaker.state = where
    return breaker


def chosen(members: list[ServerState], request: PlacementRequest | None = None) -> str | None:
    choice = choose(members, request or PlacementRequest(), PLACES)
    return None if choice is None else choice.server.name.removeprefix("http://").removesuffix(":8188")


def test_the_least_loaded_server_is_taken() -> None:
    assert chosen([member("a", held=1), member("b")]) == "b"


def test_other_peoples_prompts_are_load_and_ours_are_not_counted_twice() -> None:
    assert chosen([member("a", others=1), member("b")]) == "b"
    assert chosen([member("a", others=2), member("b", held=1, others=1)]) == "b"


def test_a_server_with_all_its_places_held_is_full_however_little_it_has_to_do() -> None:
    assert chosen([member("a", held=2), member("b", others=9)]) == "b"
    assert chosen([member("a", held=2), member("b", held=2)]) is None


def test_of_equals_the_one_that_used_the_checkpoint_last_is_taken_and_else_the_first() -> None:
    members = [member("a", last_checkpoint="sdxl"), member("b", last_checkpoint="flux")]
    assert [chosen(members, PlacementRequest(checkpoint)) for checkpoint in ("flux", "sdxl", "other")] == [
        "b",
        "a",
        "a",
    ]


def test_a_checkpoint_in_memory_is_worth_no_wait_behind_another_prompt() -> None:
    members = [member("a", last_checkpoint="sdxl", held=1), member("b", last_checkpoint="flux")]
    assert chosen(members, PlacementRequest("sdxl")) == "b"


@pytest.mark.parametrize(
    "unusable", [{"up": False}, {"breaker": state(BreakerState.OPEN)}], ids=["not up", "tripped"]
)
def test_a_server_that_may_be_given_nothing_is_not_taken_even_if_it_is_the_only_one(unusable: dict[str, Any]) -> None:
    out = member("a", **unusable)
    assert chosen([out, member("b", held=1)]) == "b"
    assert chosen([out, member("b", held=1)], PlacementRequest(prefer=out.server)) == "b"
    assert chosen([out]) is None


def test_a_server_that_asked_to_be_left_alone_is_until_then() -> None:
    busy = member("a")
    busy.server.busy_until = time.monotonic() + 60
    assert chosen([busy]) is None
    assert chosen([busy, member("b", held=1)]) == "b"
    busy.server.busy_until = time.monotonic()
    assert chosen([busy, member("b", held=1)]) == "a"


def test_a_server_on_trial_has_one_place() -> None:
    tried = member("a", breaker=state(BreakerState.HALF_OPEN))
    assert chosen([tried, member("b", held=1)]) == "a"
    seat(tried)
    assert chosen([tried, member("b", others=5)]) == "b"
    assert chosen([tried]) is None


def test_where_it_went_wrong_is_avoided_unless_no_other_is_usable() -> None:
    avoiding = PlacementRequest(avoid=frozenset({"http://a:8188"}))
    assert chosen([member("a"), member("b", held=1)], avoiding) == "b"
    assert chosen([member("a"), member("b", up=False)], avoiding) == "a"
    assert chosen([member("a")], avoiding) == "a"


def test_a_take_waits_for_a_full_server_rather_than_go_where_it_went_wrong() -> None:
    assert chosen([member("a"), member("b", held=2)], PlacementRequest(avoid=frozenset({"http://a:8188"}))) is None


def test_a_take_waits_a_little_for_a_server_that_was_set_aside_rather_than_go_where_it_went_wrong() -> None:
    aside = member("b", breaker=state(BreakerState.OPEN))
    avoiding = PlacementRequest(avoid=frozenset({"http://a:8188"}))
    aside.breaker.until = time.monotonic() + 5
    assert chosen([member("a"), aside], avoiding) is None
    aside.breaker.until = time.monotonic() + 100
    assert chosen([member("a"), aside], avoiding) == "a"
    aside.breaker.until, aside.server.up = time.monotonic(), False
    assert chosen([member("a"), aside], avoiding) == "a"


def test_a_server_that_lacks_what_is_needed_is_not_taken_if_another_has_it() -> None:
    assert chosen([member("a", lacks=True), member("b", held=1)], PlacementRequest(requirements=FLUX)) == "b"
    assert chosen([member("a", lacks=True), member("b", held=2)], PlacementRequest(requirements=FLUX)) is None
    assert chosen([member("a", lacks=True), member("b", held=1)]) == "a"


def test_where_all_servers_lack_what_is_needed_one_of_them_is_taken_and_will_say_so() -> None:
    assert (
        chosen([member("a", lacks=True, held=1), member("b", lacks=True)], PlacementRequest(requirements=FLUX)) == "b"
    )
    assert chosen([member("a", lacks=True), member("b", up=False)], PlacementRequest(requirements=FLUX)) == "a"


def test_a_take_goes_where_it_went_wrong_rather_than_where_it_would_be_refused() -> None:
    request = PlacementRequest(requirements=FLUX, avoid=frozenset({"http://a:8188"}))
    assert chosen([member("a"), member("b", lacks=True)], request) == "a"


def test_a_take_waits_for_the_one_server_that_has_what_it_needs() -> None:
    aside = member("a", breaker=state(BreakerState.OPEN))
    assert chosen([aside, member("b", lacks=True)], PlacementRequest(requirements=FLUX)) is None
    assert aside.breaker.try_half_open(0)
    assert chosen([aside, member("b", lacks=True)], PlacementRequest(requirements=FLUX)) == "a"


def test_a_take_waits_for_the_server_that_it_prefers_as_long_as_that_one_is_usable() -> None:
    full, idle = member("a", held=2), member("b")
    request = PlacementRequest(prefer=full.server)
    assert chosen([full, idle], request) is None
    full.slots[0].release()
    assert chosen([full, idle], request) == "a"
    full.server.up = False
    assert chosen([full, idle], request) == "b"


def test_a_preferred_server_is_taken_even_if_the_take_went_wrong_there() -> None:
    here = member("a")
    assert chosen([here, member("b")], PlacementRequest(prefer=here.server, avoid=frozenset({here.server.name}))) == "a"


def test_a_place_is_left_once_however_often_it_is_released() -> None:
    crowded = member("a", held=2)
    first = crowded.slots[0]
    first.release()
    first.release()
    assert [slot.prompt for slot in crowded.slots] == ["a-1"]
    assert not first.held


def moved(members: list[ServerState], idle: ServerState) -> str | None:
    slot = slot_to_move([*members, idle], idle)
    return None if slot is None else slot.prompt


def crowded(name: str = "a", **state: Any) -> ServerState:
    """One prompt runs there and another waits behind it, unless its state or wish says otherwise."""
    made = member(name)
    seat(made, prompt=f"{name}-runs", started=True)
    seat(made, **{"prompt": f"{name}-waits"} | state)
    return made


def test_what_waits_behind_another_prompt_is_moved_to_an_idle_server() -> None:
    assert moved([crowded()], member("idle")) == "a-waits"


def test_it_is_moved_from_the_busiest_server() -> None:
    busiest = crowded("b")
    busiest.server._tracker.queue_remaining = 7
    assert moved([crowded("a"), busiest, crowded("c")], member("idle")) == "b-waits"


@pytest.mark.parametrize(
    "state",
    [
        {"started": True},
        {"prompt": None},
        {"moved": True},
        {"request": PlacementRequest(moves=2)},
        {"request": PlacementRequest(avoid=frozenset({"http://idle:8188"}))},
    ],
    ids=["started", "not submitted", "being moved", "moved twice", "avoids the idle server"],
)
def test_what_would_gain_nothing_by_it_is_never_moved(state: dict[str, Any]) -> None:
    assert moved([crowded(**state)], member("idle")) is None


def test_a_prompt_alone_on_its_server_is_never_moved() -> None:
    assert moved([member("a", held=1, others=1)], member("idle")) is None


def test_a_prompt_behind_other_peoples_is_moved_to_an_idle_server() -> None:
    assert moved([member("a", held=1, others=5)], member("idle")) == "a-0"


def test_what_an_idle_server_lacks_is_never_moved_there() -> None:
    assert moved([crowded(request=PlacementRequest(requirements=FLUX))], member("idle", lacks=True)) is None
    assert moved([crowded(request=PlacementRequest(requirements=FLUX))], member("idle")) == "a-waits"


def test_a_prompt_moved_once_may_be_moved_once_more() -> None:
    assert moved([crowded(request=PlacementRequest(moves=1))], member("idle")) == "a-waits"


HOSTS = ["a", "b", "c"]
farms = st.tuples(
    *(
        st.builds(
            member,
            st.just(host),
            up=st.booleans(),
            lacks=st.booleans(),
            held=st.integers(0, PLACES),
            others=st.integers(0, 3),
            breaker=st.sampled_from(BreakerState).map(state),
        )
        for host in HOSTS
    )
).map(list)
requests = st.builds(
    PlacementRequest,
    requirements=st.sampled_from([frozenset(), FLUX]),
    avoid=st.frozensets(st.sampled_from([f"http://{host}:8188" for host in HOSTS])),
)


@given(farms, requests)
def test_whoever_is_chosen_is_free_and_nobody_who_suits_better_is_there(
    members: list[ServerState], request: PlacementRequest
) -> None:
    def faults(one: ServerState) -> tuple[bool, bool]:
        return bool(one.server.catalog.lacks(request.requirements)), one.server.name in request.avoid

    choice = choose(members, request, PLACES)
    free = [one for one in members if one.usable and one.room(PLACES) > 0]
    if choice is None:
        # Each that is free is passed over for one that has what is needed, or for one where nothing went wrong.
        for one in free:
            has_it = any(faults(other)[0] < faults(one)[0] for other in members if other.server.up)
            waited_for = [other for other in members if other.usable or other.soon_half_open]
            assert has_it or any(faults(other) < faults(one) for other in waited_for)
        return
    assert choice in free
    assert (faults(choice), choice.load) == min((faults(one), one.load) for one in free)
