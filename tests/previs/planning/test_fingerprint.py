"""Check that fingerprints, seeds and prompt ids never change: stored takes are found by them."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.graph import Graph, is_link
from previs.planning.fingerprint import canonical_json, derived_seed, fingerprint, numbered_seed, prompt_id
from previs.workflow import with_output_prefix
from tests.copies import copied
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE, graph

FINGERPRINT = "5d39b1f742366afec2704dae962316276201bf87adb97c46b029ae02545bbc2b"
LARGEST = 2**64 - 1
SLOTS = [
    (node_id, name) for node_id, node in TEXT_TO_IMAGE.items() for name in node["inputs"] if name != "filename_prefix"
]
LINKS = [slot for slot in SLOTS if is_link(TEXT_TO_IMAGE[slot[0]]["inputs"][slot[1]])]
# Without halves of surrogate pairs, which no reader lets in.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
HEXADECIMAL = st.text("0123456789abcdef", min_size=64, max_size=64)
TAKES = st.integers(1, 10_000)


def with_value(node_id: str, name: str, value: Any) -> Graph:
    changed = copied(TEXT_TO_IMAGE)
    changed[node_id]["inputs"][name] = value
    return changed


def shuffled(draw: st.DrawFn, content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    return {name: shuffled(draw, content[name]) for name in draw(st.permutations(list(content)))}


def test_fingerprints_in_existing_stores_stay_valid() -> None:
    assert fingerprint(TEXT_TO_IMAGE) == FINGERPRINT
    assert [derived_seed(FINGERPRINT, take) for take in (1, 2)] == [5_716_809_148_856_286, 5_258_863_761_259_308]
    assert prompt_id(FINGERPRINT, 0) == "b0be0225-8c73-51d0-a816-0ededb08fd38"
    assert prompt_id(FINGERPRINT, 1) == "ea6bff6a-261c-536d-a4da-02acfdfd30c5"
    assert prompt_id(FINGERPRINT, 0, render_nonce="run") == "2924eca8-1856-5964-b150-ca84abb21c4f"


def test_json_is_written_in_one_way() -> None:
    assert canonical_json({"b": [1.0, True, None], "a": "夜"}) == '{"a":"夜","b":[1.0,true,null]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


@given(st.data())
def test_the_order_of_keys_changes_nothing(data: st.DataObject) -> None:
    assert fingerprint(shuffled(data.draw, TEXT_TO_IMAGE)) == FINGERPRINT


@given(st.sampled_from(SLOTS), SCALARS)
def test_every_value_counts(slot: tuple[str, str], value: Any) -> None:
    before = TEXT_TO_IMAGE[slot[0]]["inputs"][slot[1]]
    same = value == before and isinstance(value, bool) is isinstance(before, bool)
    assert (fingerprint(with_value(*slot, value)) == FINGERPRINT) is same


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_one_number_however_it_is_written(value: int) -> None:
    assert fingerprint(with_value("3", "steps", value)) == fingerprint(with_value("3", "steps", float(value)))
    assert fingerprint(with_value("3", "steps", value)) != fingerprint(with_value("3", "steps", str(value)))


def test_true_is_no_number() -> None:
    assert fingerprint(with_value("3", "steps", True)) != fingerprint(with_value("3", "steps", 1))  # noqa: FBT003 - the input


@given(st.sampled_from(LINKS), st.sampled_from(list(TEXT_TO_IMAGE)), st.integers(0, 9))
def test_every_link_counts(slot: tuple[str, str], source: str, output: int) -> None:
    same = [source, output] == TEXT_TO_IMAGE[slot[0]]["inputs"][slot[1]]
    assert (fingerprint(with_value(*slot, [source, output])) == FINGERPRINT) is same


@given(st.sampled_from(list(TEXT_TO_IMAGE)), TEXTS)
def test_every_class_counts(node_id: str, class_type: str) -> None:
    changed = copied(TEXT_TO_IMAGE)
    changed[node_id]["class_type"] = class_type
    assert (fingerprint(changed) == FINGERPRINT) is (class_type == TEXT_TO_IMAGE[node_id]["class_type"])


@pytest.mark.parametrize("slot", SLOTS)
def test_a_missing_input_counts(slot: tuple[str, str]) -> None:
    changed = copied(TEXT_TO_IMAGE)
    del changed[slot[0]]["inputs"][slot[1]]
    assert fingerprint(changed) != FINGERPRINT


@pytest.mark.parametrize("node_id", list(TEXT_TO_IMAGE))
def test_a_node_more_or_less_counts(node_id: str) -> None:
    less = {name: node for name, node in TEXT_TO_IMAGE.items() if name != node_id}
    more = TEXT_TO_IMAGE | {"new": TEXT_TO_IMAGE[node_id]}
    assert len({FINGERPRINT, fingerprint(less), fingerprint(more)}) == 3


@given(st.sampled_from(list(TEXT_TO_IMAGE)), TEXTS)
def test_titles_change_nothing(node_id: str, title: str) -> None:
    changed = copied(TEXT_TO_IMAGE)
    changed[node_id]["_meta"] = {"title": title}
    assert fingerprint(changed) == FINGERPRINT


@given(TEXTS)
def test_names_of_output_files_change_nothing(prefix: str) -> None:
    assert fingerprint(graph(filename_prefix=prefix)) == FINGERPRINT
    assert fingerprint(with_output_prefix(TEXT_TO_IMAGE, prefix)) == FINGERPRINT


def test_the_graph_itself_stays_as_it_was() -> None:
    before = copied(TEXT_TO_IMAGE)
    fingerprint(TEXT_TO_IMAGE)
    assert before == TEXT_TO_IMAGE


@given(HEXADECIMAL, TAKES)
def test_a_derived_seed_is_one_that_every_reader_of_json_keeps(seedless: str, take: int) -> None:
    seed = derived_seed(seedless, take)
    assert 0 <= seed < 2**53
    assert int(float(seed)) == seed
    assert derived_seed(seedless, take) == seed


def test_derived_seeds_use_their_whole_range_and_differ_from_take_to_take() -> None:
    seeds = [derived_seed(FINGERPRINT, take) for take in range(1, 1001)]
    assert len(set(seeds)) == 1000
    assert max(seeds) > 0.99 * 2**53
    assert min(seeds) < 0.01 * 2**53


@given(st.integers(0, LARGEST), TAKES)
def test_a_shots_own_seed_is_its_first_takes_and_the_next_ones_follow(seed: int, take: int) -> None:
    assert numbered_seed(seed, 1) == seed
    assert 0 <= numbered_seed(seed, take) <= LARGEST
    assert (numbered_seed(seed, take) - seed) % 2**64 == take - 1


@given(HEXADECIMAL, st.integers(0, 1000), TEXTS)
def test_a_prompt_id_is_a_uuid_as_a_server_writes_it(take: str, generation: int, render_nonce: str) -> None:
    identity = prompt_id(take, generation, render_nonce=render_nonce)
    assert str(uuid.UUID(identity)) == identity
    assert (uuid.UUID(identity).version, uuid.UUID(identity).variant) == (5, uuid.RFC_4122)


@given(
    st.lists(st.tuples(HEXADECIMAL, st.integers(0, 1000), st.sampled_from(["", "0", "run", ":", "1:"])), unique=True)
)
def test_no_two_renders_share_a_prompt_id(renders: list[tuple[str, int, str]]) -> None:
    ids = {prompt_id(take, generation, render_nonce=nonce) for take, generation, nonce in renders}
    assert len(ids) == len(renders)
