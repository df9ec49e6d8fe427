"""Check that changes of a take are described as artists read them: by what was set, briefly, and only if real."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.graph import Graph, readable
from previs.planning.diff import Change, changes, checkpoint_in, summarize
from previs.planning.fingerprint import fingerprint
from previs.planning.plan import TakeFrame
from previs.records.manifest import TakeEntry
from previs.workflow import BindingRow, PlacedReference, ShotValues, read_workflow
from tests.copies import copied
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE, graph

HERO, RIVAL, FIRST, SECOND = (letter * 64 for letter in "abcd")
SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "controlnet": "canny.safetensors"}


@dataclass(frozen=True)
class Take:
    graph: Graph
    rows: Sequence[BindingRow] = ()
    seed: int = 5


def entry(made: Any, seed: int | None = 5) -> TakeEntry:
    return TakeEntry(take=1, outcome="rendered", fingerprint="f" * 64, seed=seed, graph=copied(made))


def bound(workflow: dict[str, Any] | None = None, **values: Any) -> Take:
    """Bind a shot to settings or to a saved graph."""
    shot = ShotValues(**{"prompt": "夜", "negative_prompt": None, "seed": 5} | values)
    read = read_workflow(workflow or SETTINGS, name="the workflow")
    return Take(read.bind(shot), read.report(shot).rows, shot.seed)


def sentences(before: Take, after: Take, **how: Any) -> list[str]:
    return [str(change) for change in changes(entry(before.graph, before.seed), after, **how)]


def with_input(made: Graph, node_id: str, **inputs: Any) -> Graph:
    changed = copied(made)
    changed[node_id]["inputs"] |= inputs
    return changed


def test_a_changed_prompt_is_described_by_its_meaning_with_both_texts() -> None:
    assert changes(entry(bound(prompt="夜").graph), bound(prompt="晨")) == (
        Change("prompt", "node positive (CLIPTextEncode)", '"夜"', '"晨"'),
    )
    assert sentences(bound(prompt="夜"), bound(prompt="晨")) == [
        'prompt at node positive (CLIPTextEncode): "夜" → "晨"'
    ]


def test_what_is_bound_in_a_saved_graph_is_described_by_its_meaning_and_the_nodes_title() -> None:
    titled = graph()
    titled["6"]["_meta"] = {"title": "主提示"}
    assert sentences(bound(titled, prompt="a", width=64), bound(titled, prompt="b", width=128)) == [
        'prompt at node 6 (CLIPTextEncode "主提示"): "a" → "b"',
        "width at node 5 (EmptyLatentImage): 64 → 128",
    ]


def test_an_input_that_no_shot_sets_is_described_by_its_name() -> None:
    assert sentences(Take(graph()), Take(with_input(graph(), "3", steps=30))) == ["steps at node 3 (KSampler): 4 → 30"]


def test_an_overridden_input_is_described_by_its_name_and_first() -> None:
    first, second = bound(graph()), bound(with_input(graph(), "3", cfg=2.0), overrides={"3.steps": 9})
    assert sentences(first, second) == ["steps at node 3 (KSampler): 4 → 9", "cfg at node 3 (KSampler): 7.5 → 2.0"]


def test_long_texts_are_shown_from_their_first_difference() -> None:
    shared = "a wide shot of the harbour at night, rain on the quay, neon, "
    [change] = changes(
        entry(bound(prompt=shared + "a red boat").graph), bound(prompt=f"{shared}a blue boat{', more' * 40}")
    )
    assert change.was == '"…quay, neon, a red boat"'
    assert change.now.startswith('"…quay, neon, a blue boat, more')
    assert change.now.endswith('…"')
    assert len(change.now) < 80
    [change] = changes(entry(bound(prompt="夜" * 50 + "晨").graph), bound(prompt="夜" * 50 + "雨"))
    assert change.was == f'"…{"夜" * 16}晨"'


def test_a_text_that_only_grew_shows_what_was_added() -> None:
    [change] = changes(entry(bound(prompt="夜" * 100).graph), bound(prompt="夜" * 100 + "雨"))
    assert change.was != change.now
    assert "雨" in change.now


def test_a_value_that_several_nodes_take_is_described_once() -> None:
    first, second = (bound(width=width, references=(reference(HERO),)) for width in (64, 128))
    assert sum(row.what == "width" for row in first.rows) > 1
    assert sentences(first, second) == ["width at node empty (EmptyLatentImage): 64 → 128"]


def reference(sha256: str, name: str = "hero") -> PlacedReference:
    return PlacedReference(f"previs/{sha256}.png", name)


def test_another_picture_of_a_reference_is_described_without_its_hash() -> None:
    first, second = (bound(references=(reference(sha256),)) for sha256 in (HERO, RIVAL))
    assert sentences(first, second) == ["the picture of reference (control) at node reference_1 (LoadImage) changed"]


def test_each_of_two_references_that_changed_is_described() -> None:
    first = bound(references=(reference(HERO), reference(RIVAL)))
    second = bound(references=(reference(RIVAL), reference(HERO)))
    assert [change.place for change in changes(entry(first.graph), second)] == [
        "node reference_1 (LoadImage)",
        "node reference_2 (LoadImage)",
    ]


def test_a_picture_in_the_place_of_the_workflows_own_is_described_with_its_name() -> None:
    own = {"10": {"class_type": "LoadImage", "inputs": {"image": "example.png"}}}
    with_own: Graph = graph() | own  # type: ignore[assignment]
    after = Take(with_input(with_own, "10", image=f"previs/{HERO}.png"))
    assert sentences(Take(with_own), after) == [
        'the picture of image at node 10 (LoadImage): "example.png" → a given picture'
    ]


FRAMES = {
    FIRST: TakeFrame("SH1", 1, FIRST),
    HERO: TakeFrame("SH1", 1, FIRST),
    SECOND: TakeFrame("SH1", 1, SECOND),
    "e" * 64: TakeFrame("SH2", 3, "e" * 64),
}


def with_sources(name: str, **values: Any) -> Take:
    return bound(references=(PlacedReference(f"previs/{name}.png", "before"),), **values)


def test_the_frame_that_a_take_was_made_from_is_the_one_that_its_plan_names() -> None:
    assert sentences(with_sources(HERO), with_sources(f"shot-{FIRST}"), frames=FRAMES) == []
    assert sentences(with_sources(HERO, prompt="a"), with_sources(f"shot-{FIRST}", prompt="b"), frames=FRAMES) == [
        'prompt at node positive (CLIPTextEncode): "a" → "b"'
    ]


@pytest.mark.parametrize("before", [HERO, f"shot-{FIRST}"])
def test_a_change_of_the_shot_that_a_take_builds_on_is_described_by_its_name(before: str) -> None:
    assert sentences(with_sources(before), with_sources(f"shot-{SECOND}"), frames=FRAMES) == [
        "shot SH1, take 1, the picture of reference (control) at node reference_1 (LoadImage) changed"
    ]


def test_another_take_to_build_on_is_described_with_both_names() -> None:
    place = "the picture of reference (control) at node reference_1 (LoadImage)"
    assert sentences(with_sources(HERO), with_sources(f"shot-{'e' * 64}"), frames=FRAMES) == [
        f"{place}: shot SH1, take 1 → shot SH2, take 3"
    ]
    assert sentences(with_sources(HERO), with_sources(RIVAL), frames=FRAMES) == [
        f"{place}: shot SH1, take 1 → a given picture"
    ]


def test_a_derived_seed_is_no_change_beside_another() -> None:
    first, second = bound(seed=1), bound(seed=2, prompt="晨")
    assert [change.what for change in changes(entry(first.graph, 1), second, derived=True)] == ["prompt"]
    assert [change.what for change in changes(entry(first.graph, 1), second)] == ["prompt", "seed"]


def test_a_derived_seed_is_no_change_beside_a_node_that_is_new() -> None:
    more = graph(seed=2) | {"20": {"class_type": "LoraLoader", "inputs": {}}}
    first, second = bound(graph(seed=1), seed=1), bound(more, seed=2)
    assert sentences(first, second, derived=True) == ["node 20 is new: LoraLoader"]


def test_a_seed_that_alone_changed_is_described() -> None:
    expected = ["seed at node sampler (KSampler): 1 → 2"]
    assert sentences(bound(seed=1), bound(seed=2), derived=True) == expected
    assert sentences(bound(seed=1), bound(seed=2)) == expected


def test_an_overridden_seed_is_described_though_the_shots_is_derived() -> None:
    first, second = bound(graph(), seed=1), bound(graph(), seed=2, prompt="晨", overrides={"3.seed": 99})
    assert "seed at node 3 (KSampler): 1 → 99" in sentences(first, second, derived=True)


def test_nodes_are_described_that_are_new_gone_or_of_another_class() -> None:
    made = graph() | {"10": {"class_type": "LoraLoader", "inputs": {"model": ["4", 0], "strength_model": 0.5}}}
    del made["7"]
    made["8"] = {"class_type": "VAEDecodeTiled", "inputs": made["8"]["inputs"] | {"tile_size": 512}}
    made["3"]["inputs"] |= {"model": ["10", 0], "negative": ["6", 0]}
    assert sentences(Take(graph()), Take(made)) == [
        "node 7 is gone: CLIPTextEncode",
        "node 8: VAEDecode → VAEDecodeTiled",
        "node 10 is new: LoraLoader",
        "model at node 3 (KSampler): output 0 of node 4 (CheckpointLoaderSimple) → output 0 of node 10 (LoraLoader)",
        "negative at node 3 (KSampler): output 0 of node 7 (CLIPTextEncode) → output 0 of node 6 (CLIPTextEncode)",
    ]


def test_an_input_that_is_new_or_gone_is_described() -> None:
    less = graph()
    del less["3"]["inputs"]["cfg"]
    assert sentences(Take(graph()), Take(less)) == ["cfg at node 3 (KSampler) is gone: 7.5"]
    assert sentences(Take(less), Take(graph())) == ["cfg at node 3 (KSampler) is new: 7.5"]


def test_another_workflow_is_one_change() -> None:
    assert sentences(bound(graph()), bound({"checkpoint": "flux.safetensors"})) == [
        "the workflow changed",
        'checkpoint: "sd_xl_base_1.0.safetensors" → "flux.safetensors"',
    ]
    other = bound({"checkpoint": "sd_xl_base_1.0.safetensors"}, references=(reference(HERO),))
    assert sentences(bound(graph()), other) == ["the workflow: 7 nodes → 9 nodes"]


def test_what_a_shot_sets_comes_before_the_rest() -> None:
    first = bound(prompt="a", width=64, negative_prompt="x", seed=1)
    second = bound(SETTINGS | {"checkpoint": "b.safetensors", "steps": 9}, prompt="b", width=128, seed=2)
    found = [change.what for change in changes(entry(first.graph, 1), second)]
    assert found == ["prompt", "negative prompt", "seed", "width", "checkpoint", "steps"]


def test_many_changes_are_shortened_to_the_first_and_a_number() -> None:
    found = [Change(f"input {number}", "", "1", "2") for number in range(8)]
    assert summarize(found)[4:] == ("input 4: 1 → 2", "and 3 more changes")
    assert summarize(found[:6])[5:] == ("and 1 more change",)
    assert len(summarize(found[:5])) == 5
    assert summarize([]) == ()


def test_titles_and_output_names_are_no_changes() -> None:
    renamed = graph(filename_prefix="another")
    renamed["6"]["_meta"] = {"title": "Positive"}
    assert sentences(Take(graph()), Take(renamed)) == []


def test_a_number_is_one_number_however_it_is_written_but_is_not_true() -> None:
    assert sentences(Take(with_input(graph(), "3", cfg=1)), Take(with_input(graph(), "3", cfg=1.0))) == []
    assert sentences(Take(with_input(graph(), "3", cfg=1)), Take(with_input(graph(), "3", cfg=True))) == [
        "cfg at node 3 (KSampler): 1 → true"
    ]


def test_values_that_differ_beyond_the_shown_part_are_only_said_to_have_changed() -> None:
    first, second = (Take(with_input(graph(), "3", sigmas=[*range(100), last])) for last in (1, 2))
    assert sentences(first, second) == ["sigmas at node 3 (KSampler) changed"]


def test_a_link_from_a_node_with_a_malformed_title_is_described() -> None:
    made: dict[str, Any] = {**graph()}
    made["4"] = made["4"] | {"_meta": "no title"}
    found = changes(entry(made), Take(with_input(graph(), "8", vae=["4", 0])))
    assert [change.was for change in found] == ["output 2 of node 4 (CheckpointLoaderSimple)"]


SIGNED = "https://user:pass-of-4711@host/a.png?X-Amz-Signature="


@pytest.mark.parametrize(
    ("name", "was", "now"),
    [
        ("image_url", f"{SIGNED}s3cret-1", f"{SIGNED}s3cret-2"),
        ("image_url", f"{SIGNED}s3cret-1", "s3cret-free.png"),
        ("api_key", "s3cret-1", "s3cret-2"),
        ("civitai_token", "s3cret-1", None),
    ],
)
def test_no_secret_is_shown(name: str, was: object, now: object) -> None:
    [sentence] = sentences(Take(with_input(graph(), "4", **{name: was})), Take(with_input(graph(), "4", **{name: now})))
    assert sentence.startswith(f"{name} at node 4 (CheckpointLoaderSimple)")
    assert not any(secret in sentence for secret in ("4711", "s3cret-1", "s3cret-2"))


@pytest.mark.parametrize(
    "malformed",
    [
        {"1": None, "2": [], "3": {"class_type": 5, "inputs": {}}, "4": {"class_type": "X"}},
        {"3": {"class_type": "KSampler", "inputs": []}},
        {"3": {"class_type": "KSampler", "inputs": {"model": ["gone", 0]}, "_meta": "no title"}},
        {"3": {"class_type": "KSampler", "inputs": {}, "_meta": {"title": 7}}},
    ],
)
def test_a_recorded_graph_of_any_form_is_compared(malformed: dict[str, Any]) -> None:
    assert changes(entry(malformed), Take(graph()))
    assert checkpoint_in(readable(entry(malformed).graph)) is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_compared(number: str) -> None:
    content = entry(with_input(graph(), "3", cfg=4711)).model_dump_json().replace("4711", number)
    assert "cfg" in str(changes(TakeEntry.model_validate_json(content), Take(graph())))


INPUTS = sorted((node_id, name) for node_id, node in TEXT_TO_IMAGE.items() for name in node["inputs"])
VALUES = st.recursive(
    st.just(["4", 0])
    | st.just(["nowhere", 0])
    | st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, 1.0, 2.5])
    | st.text(max_size=3),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=2), children, max_size=2),
    max_leaves=4,
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    made = graph()
    for (node_id, name), value in draw(st.dictionaries(st.sampled_from(INPUTS), VALUES, max_size=3)).items():
        made[node_id]["inputs"][name] = value
    for node_id in draw(st.sets(st.sampled_from(sorted(TEXT_TO_IMAGE)), max_size=2)):
        made[node_id]["class_type"] = draw(st.sampled_from(["A", "B"]))
    for node_id in draw(st.sets(st.sampled_from(["20", "21:3", "夜"]), max_size=1)):
        made[node_id] = {"class_type": "A", "inputs": {}}
    for node_id in draw(st.sets(st.sampled_from(sorted(made)), max_size=2)):
        made[node_id]["_meta"] = {"title": draw(st.text(max_size=3))}
    return made


@given(graphs(), graphs())
def test_there_is_a_change_in_one_sentence_exactly_where_the_fingerprint_is_another(
    before: Graph, after: Graph
) -> None:
    bound_to = {"seed": "seed", "cfg": "reference (style)", "denoise": "strength", "steps": "override"}
    rows = [BindingRow(what, "3", "", "KSampler", name, "", None, None) for name, what in bound_to.items()]
    differ = fingerprint(before) != fingerprint(after)
    assert bool(changes(entry(before), Take(after))) is differ
    for derived in (False, True):
        found = changes(entry(before), Take(after, rows), derived=derived)
        assert bool(found) is differ
        assert all(change.what and len(str(change)) < 400 for change in found)
