"""Check estimates: from the take's own render, else scaled from takes of its graph or checkpoint, or from all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.graph import Graph
from previs.planning.estimate import PastTakes, longest_chain, whole_run
from previs.planning.make_plan import make_plan
from previs.planning.plan import PlannedTake, RunWorkflow
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.shots import read_shot_list
from previs.workflow import read_workflow

STARTED = datetime(2026, 10, 31, 17, 40, tzinfo=UTC)


def planned(shot_id: str, checkpoint: str = "a.safetensors", **fields: Any) -> PlannedTake:
    shot = {"shot_id": shot_id, "prompt": "夜", "duration": 2.0, "width": 64, "height": 64} | fields
    workflow = read_workflow({"checkpoint": checkpoint}, name="the workflow settings")
    return make_plan(read_shot_list([shot]), {None: RunWorkflow(workflow)}, {}).takes[-1]


def rendered(take: PlannedTake, seconds: float | None, **fields: Any) -> tuple[PlannedTake, TakeEntry]:
    facts: dict[str, Any] = {
        "take": take.number,
        "outcome": "rendered",
        "fingerprint": take.fingerprint,
        "seconds": seconds,
        "graph": dict(take.graph),
    }
    return take, TakeEntry(**facts | fields)


def run(*takes: tuple[PlannedTake, TakeEntry]) -> Manifest:
    shots = [
        ShotEntry(
            shot_id=take.shot.shot_id, success=True, image_url=None, prompt="", duration=2, shot={}, takes=(entry,)
        )
        for take, entry in takes
    ]
    return Manifest(
        schema="previs.manifest/2",
        board="b",
        run="r",
        started=STARTED,
        finished=STARTED,
        workflow="a",
        shots=tuple(shots),
    )


def test_a_take_needs_as_long_as_its_last_render() -> None:
    earlier, later = (run(rendered(planned("A"), own), rendered(planned("B"), 50.0)) for own in (3.0, 4.0))
    assert PastTakes([later, earlier]).seconds(planned("A", prompt="晨")) == 4.0


def test_another_take_of_a_shot_is_not_the_shots_own() -> None:
    past = PastTakes([run(rendered(planned("A"), 3.0), rendered(planned("B"), 5.0), rendered(planned("C"), 7.0))])
    assert past.seconds(planned("A", takes=2)) == 5.0


def test_a_new_shot_needs_the_median_of_its_checkpoint_and_size() -> None:
    same = [rendered(planned(name), seconds) for name, seconds in [("A", 2.0), ("B", 3.0), ("C", 40.0)]]
    others = [rendered(planned("D", "b.safetensors"), 90.0), rendered(planned("E", width=128), 80.0)]
    assert PastTakes([run(*same, *others)]).seconds(planned("new")) == 3.0


def test_seconds_are_scaled_to_the_size() -> None:
    past = PastTakes([run(rendered(planned("A"), 2.0), rendered(planned("B", "b.safetensors"), 8.0))])
    assert past.seconds(planned("new", width=512)) == 16.0
    assert past.seconds(planned("new", "b.safetensors", width=128)) == 16.0
    assert past.seconds(planned("new", "c.safetensors", width=512)) == 5.0


def graph_of(classes: Sequence[str] = ("EmptyHunyuanLatentVideo",), **inputs: Any) -> Graph:
    """Return a graph with a checkpoint, a sampler and nodes that make latents."""
    known = {"width": 64, "height": 64, "length": 25, "batch_size": 1} | inputs
    steps = known.pop("steps", 20)
    latents: Graph = {str(n): {"class_type": each, "inputs": dict(known)} for n, each in enumerate(classes, 10)}
    loader: Graph = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}}}
    sampler = {"steps": steps, "model": ["1", 0], "latent_image": ["10", 0]}
    return loader | latents | {"2": {"class_type": "KSampler", "inputs": sampler}}


def of_graph(label: str, graph: Graph) -> PlannedTake:
    return replace(planned(label), graph=graph)


def after(*known: tuple[Graph, float]) -> PastTakes:
    """Return the past in which these graphs took so many seconds."""
    return PastTakes([run(*(rendered(of_graph(f"P{n}", graph), took) for n, (graph, took) in enumerate(known)))])


@pytest.mark.parametrize(
    ("changed", "factor"),
    [
        ({"length": 50}, 2),
        ({"batch_size": 3}, 3),
        ({"width": 128, "height": 128}, 4),
        ({"steps": 10}, 0.5),
        ({"steps": ["3", 0]}, 0.05),
        ({"length": 50, "steps": 40}, 4),
    ],
)
def test_seconds_grow_with_frames_batch_pixels_and_steps(changed: dict[str, Any], factor: float) -> None:
    estimate = after((graph_of(), 10.0)).estimate(of_graph("new", graph_of(**changed)))
    assert estimate is not None
    assert estimate.seconds == pytest.approx(10 * factor)


def test_a_number_that_a_node_holds_counts() -> None:
    def held(steps: int) -> Graph:
        return graph_of(steps=["3", 0]) | {"3": {"class_type": "PrimitiveInt", "inputs": {"value": steps}}}

    assert after((held(40), 8.0)).seconds(of_graph("new", held(10))) == 2.0


def test_an_estimate_says_what_it_rests_on() -> None:
    past = after((graph_of(), 10.0), (graph_of(["EmptyHunyuanLatentVideo", "Other"]), 90.0))
    bases = [
        past.estimate(of_graph(label, graph)).basis  # type: ignore[union-attr]
        for label, graph in [
            ("P0", graph_of()),
            ("new", graph_of()),
            ("new", graph_of(steps=5)),
            ("new", graph_of(["Another"])),
            ("new", {}),
        ]
    ]
    assert bases == [
        "its own last render",
        "past takes of the same graph and size",
        "past takes of the same graph, scaled by steps, size and frames",
        "past takes with the same checkpoint and size",
        "past takes of other graphs",
    ]


@given(
    past=st.lists(st.tuples(st.integers(1, 100), st.floats(0.1, 1000)), min_size=1, max_size=6),
    asked=st.lists(st.integers(1, 200), min_size=2, max_size=2),
)
def test_more_steps_never_take_less_time_if_that_was_so_before(past: list[tuple[int, float]], asked: list[int]) -> None:
    steps, took = (sorted(each) for each in zip(*past, strict=True))
    known = after(*((graph_of(steps=each), seconds) for each, seconds in zip(steps, took, strict=True)))
    less, more = (known.seconds(of_graph("new", graph_of(steps=each))) for each in sorted(asked))
    assert less is not None
    assert more is not None
    assert 0 < less <= more * 1.0000001


@pytest.mark.parametrize("changed", [{"width": 512}, {"checkpoint": "b.safetensors"}])
def test_a_take_of_another_size_or_checkpoint_does_not_count_as_its_own(changed: dict[str, Any]) -> None:
    like = [rendered(planned(name, **changed), 60.0) for name in ("B", "C")]
    past = PastTakes([run(rendered(planned("A"), 2.0), *like)])
    assert past.seconds(planned("A", **changed)) == 60.0
    assert past.seconds(planned("A")) == 2.0


def test_a_render_counts_even_if_its_graph_was_not_recorded() -> None:
    past = PastTakes([run(rendered(planned("A"), 3.0, graph={}), rendered(planned("B"), 9.0))])
    assert past.seconds(planned("A")) == 3.0
    assert past.seconds(planned("new")) == 9.0


def test_nothing_is_known_before_the_first_run() -> None:
    assert PastTakes([]).seconds(planned("A")) is None
    assert PastTakes([run(rendered(planned("A"), None))]).seconds(planned("A")) is None


def test_a_render_counts_once_even_if_later_runs_found_it_in_the_cache() -> None:
    kept = run(rendered(planned("A"), 100.0, prompt_id="p1", outcome="cached"))
    others = run(rendered(planned("B"), 1.0, prompt_id="p2"), rendered(planned("C"), 2.0, prompt_id="p3"))
    assert PastTakes([kept, kept, kept, others]).seconds(planned("new")) == 2.0


@pytest.mark.parametrize("seconds", [-1.0, 0.0, float("inf"), float("nan")])
def test_impossible_seconds_are_ignored(seconds: float) -> None:
    past = PastTakes([run(rendered(planned("A"), seconds), rendered(planned("B"), 6.0))])
    assert past.seconds(planned("A")) == 6.0


@pytest.mark.parametrize(
    "graph",
    [
        {"1": None},
        {"1": {"class_type": "Empty", "inputs": {"width": ["gone", 0], "height": [], "batch_size": {}}}},
        {"1": {"class_type": "KSampler", "inputs": {"seed": 1, "model": ["gone", 0], "positive": ["1", 0]}}},
        {"1": {"class_type": "Empty", "inputs": {"width": True, "height": "64"}}},
    ],
)
def test_recorded_graphs_of_any_form_are_read(graph: dict[str, Any]) -> None:
    assert PastTakes([run(rendered(planned("B"), 6.0, graph=graph))]).seconds(planned("A")) == 6.0


SECONDS = st.floats(0, 1000)


@given(st.lists(SECONDS), st.integers(1, 20))
def test_a_run_needs_its_servers_share_of_the_work_and_at_least_its_longest_take(
    seconds: Sequence[float], servers: int
) -> None:
    needed = whole_run(seconds, servers)
    assert needed is not None
    assert needed == max([sum(seconds) / servers, *seconds, 0])


@pytest.mark.parametrize(
    ("seconds", "servers", "needed"),
    [([], 2, 0.0), ([0.0, 0.0], 2, 0.0), ([4.0, 4.0, 4.0], 2, 6.0), ([9.0, 1.0], 2, 9.0), ([2.0, 3.0], 0, 5.0)],
)
def test_a_run_on_servers(seconds: list[float], servers: int, needed: float) -> None:
    assert whole_run(seconds, servers) == needed


def test_a_run_with_a_take_of_unknown_length_has_no_estimate() -> None:
    assert whole_run([1.0, None], 2) is None


def test_takes_that_wait_for_each_other_take_as_long_as_all_of_them() -> None:
    list_ = [
        {"shot_id": "A", "prompt": "夜", "duration": 1},
        {"shot_id": "B", "prompt": "夜", "duration": 1, "references": [{"url": "shot:A", "reference_id": "a"}]},
        {"shot_id": "C", "prompt": "晨", "duration": 1},
    ]
    workflow = read_workflow({"checkpoint": "a.safetensors"}, name="the workflow settings")
    takes = make_plan(read_shot_list(list_), {None: RunWorkflow(workflow)}, {}).sources_first()
    seconds = {take.label: 2.0 for take in takes}
    assert longest_chain(takes, seconds) == 4.0
    assert longest_chain([], {}) == 0.0
    assert whole_run(seconds.values(), 3, 4.0) == 4.0
    assert whole_run(seconds.values(), 1, 4.0) == 6.0
