"""Check planned takes, before and after they get the frames that they build on."""

from dataclasses import replace

from previs.planning.plan import Plan, PlannedTake, TakeFrame
from previs.records.takes import Frame
from previs.shots import Shot, ShotList
from previs.workflow import BindingRow
from tests.previs.rendering.contexts import take

A, B = TakeFrame("A", 1, "a" * 64), TakeFrame("B", 2, "b" * 64)


def frame(content: str, media_type: str = "image/png") -> Frame:
    return Frame(key=f"frames/{content}", sha256=content * 64, size=1, media_type=media_type)


def on(*sources: TakeFrame) -> PlannedTake:
    graph = {
        str(number): {"class_type": "LoadImage", "inputs": {"image": source.name, "kept": [source.name, 0]}}
        for number, source in enumerate(sources)
    }
    row = BindingRow("reference", "0", "", "LoadImage", "image", "the only one", None, sources[0].name)
    return replace(take(), graph=graph, builds_on=sources, rows=(row,))


def test_the_graph_names_frames_by_the_hash_of_their_bytes() -> None:
    made = on(A, B).with_sources({A: frame("1"), B: frame("2", "image/jpeg")})
    names = [f"previs/{'1' * 64}.png", f"previs/{'2' * 64}.jpg"]
    assert [node["inputs"]["image"] for node in made.graph.values()] == names
    assert made.graph["0"]["inputs"]["kept"] == [A.name, 0]
    assert list(made.frames) == names
    assert made.sources == {"a" * 64: "1" * 64, "b" * 64: "2" * 64}
    assert made.bound == {"0.image": names[0]}


def test_with_sources_keeps_the_fingerprint_and_the_planned_take() -> None:
    planned = on(A)
    made = planned.with_sources({A: frame("1")})
    assert made.fingerprint == planned.fingerprint
    assert planned.graph["0"]["inputs"]["image"] == A.name


def test_a_take_that_builds_on_nothing_stays_as_it_is() -> None:
    planned = take()
    assert planned.with_sources({}) is planned


def test_takes_come_after_those_that_they_build_on() -> None:
    def planned(label: str, *sources: str) -> PlannedTake:
        shot = Shot(shot_id=label, prompt="夜", duration=1)
        return replace(take(), shot=shot, builds_on=tuple(TakeFrame(each, 1, each * 64) for each in sources))

    takes = (planned("c", "b"), planned("d"), planned("b", "a"), planned("a"))
    plan = Plan(ShotList(shots=tuple(each.shot for each in takes)), takes, frozenset())
    ordered = [each.shot.label for each in plan.sources_first()]
    assert sorted(ordered) == ["a", "b", "c", "d"]
    assert ordered.index("a") < ordered.index("b") < ordered.index("c")
