"""Check that a take goes to the server that renders it soonest, and moves only where that gains time."""

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

SLOTS = 2
FLUX = frozenset({Requirement("CheckpointLoaderSimple", "ckpt_name", "flux.safetensors")})
LOADER = "CheckpointLoaderSimple"
CLASSES = {LOADER: read_class(LOADER, {"input": {"required": {"ckpt_name": [["sdxl.safetensors"]]}}})}


def member(
    name: str, *, up: bool = True, lacks: bool = False, held: int = 0, others: int = 0, **known: Any
) -> ServerState:
    """Return the state of a server without asking it anything.

    Args:
        name: Host of the server.
        up: Whether it answered.
        lacks: Whether its only checkpoint is sdxl.
        held: Slots in use, with waiting prompts.
        others: Prompts in its queue, other clients' included.
        known: Other attributes of the state.
    """
    server = Server(Address(f"http://{name}:8188"))
    server.up = up
    server._tracker.queue_remaining = others
    server.catalog.classes = dict(CLASSES) if lacks else {}
    made = ServerState(server, **known)
    for number in range(held):
        add_slot(made, prompt=f"{name}-{number}")
    return made


def add_slot(to: ServerState, request: PlacementRequest | None = None, **state: Any) -> Slot:
    slot = Slot(to.server, request or PlacementRequest(), to.slots.remove, **state)
    to.slots.append(slot)
    return slot


def breaker_in(state: BreakerState) -> CircuitBreaker:
    breaker = CircuitBreaker()
    breaker.state = state
    return breaker


def chosen(members: list[ServerState], request: PlacementRequest | None = None) -> str | None:
    choice = choose(members, request or PlacementRequest(), SLOTS)
    return None if choice is None else choice.server.name.removeprefix("http://").removesuffix(":8188")


def test_the_least_loaded_server_is_chosen() -> None:
    assert chosen([member("a", held=1), member("b")]) == "b"


def test_load_counts_prompts_of_other_clients_and_no_prompt_twice() -> None:
    assert chosen([member("a", others=1), member("b")]) == "b"
    assert chosen([member("a", others=2), member("b", held=1, others=1)]) == "b"


def test_a_server_whose_slots_are_all_in_use_is_full() -> None:
    assert chosen([member("a", held=2), member("b", others=9)]) == "b"
    assert chosen([member("a", held=2), member("b", held=2)]) is None


@given(
    count=st.integers(1, 5),
    warm=st.sets(st.integers(0, 4)),
    moves=st.lists(st.booleans(), max_size=30),
)
def test_equal_servers_get_equally_many_from_the_first_prompt_on(count: int, warm: set[int], moves: list[bool]) -> None:
    """Prompts of one checkpoint, which some servers have in memory, arrive and end in any order of both."""
    members = [member(str(n), last_checkpoint="sdxl" if n in warm else None) for n in range(count)]
    for ends in moves:
        if ends:
            for each in members:
                each.left, each.slots = each.given, []
        elif (choice := choose(members, PlacementRequest("sdxl"), SLOTS)) is not None:
            add_slot(choice, prompt="p")
            choice.last_checkpoint = "sdxl"
        given = [each.given for each in members]
        assert max(given) - min(given) <= 1


def test_of_equals_the_last_user_of_the_checkpoint_is_chosen_or_else_the_first() -> None:
    members = [member("a", last_checkpoint="sdxl"), member("b", last_checkpoint="flux")]
    assert [chosen(members, PlacementRequest(checkpoint)) for checkpoint in ("flux", "sdxl", "other")] == [
        "b",
        "a",
        "a",
    ]


def test_load_matters_more_than_a_checkpoint_in_memory() -> None:
    members = [member("a", last_checkpoint="sdxl", held=1), member("b", last_checkpoint="flux")]
    assert chosen(members, PlacementRequest("sdxl")) == "b"


@pytest.mark.parametrize(
    "unusable", [{"up": False}, {"breaker": breaker_in(BreakerState.OPEN)}], ids=["down", "open breaker"]
)
def test_an_unusable_server_is_never_chosen(unusable: dict[str, Any]) -> None:
    out = member("a", **unusable)
    assert chosen([out, member("b", held=1)]) == "b"
    assert chosen([out, member("b", held=1)], PlacementRequest(prefer=out.server)) == "b"
    assert chosen([out]) is None


def test_a_server_that_asked_for_a_pause_is_not_chosen_during_it() -> None:
    busy = member("a")
    busy.server.busy_until = time.monotonic() + 60
    assert chosen([busy]) is None
    assert chosen([busy, member("b", held=1)]) == "b"
    busy.server.busy_until = time.monotonic()
    assert chosen([busy, member("b", held=1)]) == "a"


def test_a_half_open_server_has_one_slot() -> None:
    half_open = member("a", breaker=breaker_in(BreakerState.HALF_OPEN))
    assert chosen([half_open, member("b", held=1)]) == "a"
    add_slot(half_open)
    assert chosen([half_open, member("b", others=5)]) == "b"
    assert chosen([half_open]) is None


def test_a_server_where_the_take_failed_is_avoided_unless_it_is_the_only_usable_one() -> None:
    avoiding = PlacementRequest(avoid=frozenset({"http://a:8188"}))
    assert chosen([member("a"), member("b", held=1)], avoiding) == "b"
    assert chosen([member("a"), member("b", up=False)], avoiding) == "a"
    assert chosen([member("a")], avoiding) == "a"


def test_a_take_waits_for_a_full_server_rather_than_return_where_it_failed() -> None:
    assert chosen([member("a"), member("b", held=2)], PlacementRequest(avoid=frozenset({"http://a:8188"}))) is None


def test_a_take_waits_for_a_short_breaker_pause_rather_than_return_where_it_failed() -> None:
    tripped = member("b", breaker=breaker_in(BreakerState.OPEN))
    avoiding = PlacementRequest(avoid=frozenset({"http://a:8188"}))
    tripped.breaker.until = time.monotonic() + 5
    assert chosen([member("a"), tripped], avoiding) is None
    tripped.breaker.until = time.monotonic() + 100
    assert chosen([member("a"), tripped], avoiding) == "a"
    tripped.breaker.until, tripped.server.up = time.monotonic(), False
    assert chosen([member("a"), tripped], avoiding) == "a"


def test_a_server_that_lacks_a_requirement_is_not_chosen_if_another_has_it() -> None:
    assert chosen([member("a", lacks=True), member("b", held=1)], PlacementRequest(requirements=FLUX)) == "b"
    assert chosen([member("a", lacks=True), member("b", held=2)], PlacementRequest(requirements=FLUX)) is None
    assert chosen([member("a", lacks=True), member("b", held=1)]) == "a"


def test_one_server_is_chosen_to_refuse_what_all_lack() -> None:
    assert (
        chosen([member("a", lacks=True, held=1), member("b", lacks=True)], PlacementRequest(requirements=FLUX)) == "b"
    )
    assert chosen([member("a", lacks=True), member("b", up=False)], PlacementRequest(requirements=FLUX)) == "a"


def test_a_take_returns_where_it_failed_rather_than_go_where_it_would_be_refused() -> None:
    request = PlacementRequest(requirements=FLUX, avoid=frozenset({"http://a:8188"}))
    assert chosen([member("a"), member("b", lacks=True)], request) == "a"


def test_a_take_waits_for_the_only_server_that_has_its_requirements() -> None:
    tripped = member("a", breaker=breaker_in(BreakerState.OPEN))
    assert chosen([tripped, member("b", lacks=True)], PlacementRequest(requirements=FLUX)) is None
    assert tripped.breaker.try_half_open(0)
    assert chosen([tripped, member("b", lacks=True)], PlacementRequest(requirements=FLUX)) == "a"


def test_a_take_waits_for_its_preferred_server_as_long_as_that_is_usable() -> None:
    full, idle = member("a", held=2), member("b")
    request = PlacementRequest(prefer=full.server)
    assert chosen([full, idle], request) is None
    full.slots[0].release()
    assert chosen([full, idle], request) == "a"
    full.server.up = False
    assert chosen([full, idle], request) == "b"


def test_a_preferred_server_is_chosen_even_if_the_take_failed_there() -> None:
    preferred = member("a")
    request = PlacementRequest(prefer=preferred.server, avoid=frozenset({preferred.server.name}))
    assert chosen([preferred, member("b")], request) == "a"


def test_a_slot_that_is_released_twice_is_freed_once() -> None:
    full = member("a", held=2)
    first = full.slots[0]
    first.release()
    first.release()
    assert [slot.prompt for slot in full.slots] == ["a-1"]
    assert not first.held


def moved(members: list[ServerState], idle: ServerState) -> str | None:
    slot = slot_to_move([*members, idle], idle)
    return None if slot is None else slot.prompt


def busy(name: str = "a", **state: Any) -> ServerState:
    """Return a server with a running prompt and another one, which waits unless ``state`` says otherwise."""
    made = member(name)
    add_slot(made, prompt=f"{name}-runs", started=True)
    add_slot(made, **{"prompt": f"{name}-waits"} | state)
    return made


def test_a_prompt_behind_another_is_moved_to_an_idle_server() -> None:
    assert moved([busy()], member("idle")) == "a-waits"


def test_a_prompt_is_moved_from_the_busiest_server() -> None:
    busiest = busy("b")
    busiest.server._tracker.queue_remaining = 7
    assert moved([busy("a"), busiest, busy("c")], member("idle")) == "b-waits"


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
def test_a_prompt_that_gains_nothing_is_never_moved(state: dict[str, Any]) -> None:
    assert moved([busy(**state)], member("idle")) is None


def test_a_prompt_alone_on_its_server_is_never_moved() -> None:
    assert moved([member("a", held=1, others=1)], member("idle")) is None


def test_a_prompt_behind_those_of_other_clients_is_moved_to_an_idle_server() -> None:
    assert moved([member("a", held=1, others=5)], member("idle")) == "a-0"


def test_a_prompt_is_never_moved_to_a_server_that_lacks_its_requirements() -> None:
    assert moved([busy(request=PlacementRequest(requirements=FLUX))], member("idle", lacks=True)) is None
    assert moved([busy(request=PlacementRequest(requirements=FLUX))], member("idle")) == "a-waits"


def test_a_prompt_moved_once_may_be_moved_once_more() -> None:
    assert moved([busy(request=PlacementRequest(moves=1))], member("idle")) == "a-waits"


HOSTS = ["a", "b", "c"]
farms = st.tuples(
    *(
        st.builds(
            member,
            st.just(host),
            up=st.booleans(),
            lacks=st.booleans(),
            held=st.integers(0, SLOTS),
            others=st.integers(0, 3),
            breaker=st.sampled_from(BreakerState).map(breaker_in),
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
def test_the_chosen_server_is_free_and_no_free_server_suits_better(
    members: list[ServerState], request: PlacementRequest
) -> None:
    def faults(one: ServerState) -> tuple[bool, bool]:
        return bool(one.server.catalog.lacks(request.requirements)), one.server.name in request.avoid

    choice = choose(members, request, SLOTS)
    free = [one for one in members if one.usable and one.room(SLOTS) > 0]
    if choice is None:
        # Each free server is skipped for one that has the requirements, or for one where the take has not failed.
        for one in free:
            better = any(faults(other)[0] < faults(one)[0] for other in members if other.server.up)
            waited_for = [other for other in members if other.usable or other.soon_half_open]
            assert better or any(faults(other) < faults(one) for other in waited_for)
        return
    assert choice in free
    assert (faults(choice), choice.load) == min((faults(one), one.load) for one in free)


def test_a_server_with_an_interrupted_prompt_at_work_gets_no_take_and_counts_as_loaded() -> None:
    busy, idle = member("a"), member("b", held=1)
    busy.server._cancellations.interrupted.add("p")
    assert chosen([busy, idle]) == "b"
    assert chosen([busy]) is None
    assert (busy.load, busy.room(SLOTS)) == (1, 0)
    busy.server._cancellations.interrupted.clear()
    assert chosen([busy, idle]) == "a"
