"""Test that a prompt ends once and as the server says, in any order of frames and answers."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from previs.comfyui.protocol.frames import Alive, Ending, Executed, Executing, Frame, Started, Step
from previs.comfyui.protocol.history import End, Failure, Interruption, Loss, OutputFile, Success
from previs.comfyui.protocol.prompt_state import Phase, PromptState

ORDER = list(Phase)
NODES = ("9", "12")
RAISED: dict[str, Failure] = {
    "failure": Failure("3", "KSampler", "ValueError", "no such sampler"),
    "out of memory": Failure("3", "KSampler", "torch.OutOfMemoryError", "Allocation on device"),
}
KINDS = ["success", *RAISED, "interruption"]


def output(node: str, run: int) -> dict[str, Any]:
    file = {"filename": f"{node}-{run}.png", "subfolder": "", "type": "output"}
    return {"images": [file, file | {"filename": "preview.png", "type": "temp"}]}


def made(*runs: int) -> Success:
    """Return the success whose output nodes made their files in these runs."""
    return Success(tuple(OutputFile(f"{node}-{run}.png", "", "output") for node, run in zip(NODES, runs, strict=True)))


@dataclass(frozen=True)
class Entry:
    """Hold a history entry and the end that it reports."""

    content: dict[str, Any]
    end: End


def entry_of(kind: str, run: int) -> Entry:
    if kind == "success":
        status: dict[str, Any] = {"status_str": "success", "messages": [["execution_success", {}]]}
        return Entry({"outputs": {node: output(node, run) for node in NODES}, "status": status}, made(run, run))
    message: list[Any] = ["execution_interrupted", {"node_id": "3"}]
    end: End = Interruption()
    if kind in RAISED:
        end = failure = RAISED[kind]
        raised = {"exception_type": failure.exception_type, "exception_message": f"{failure.message}\n"}
        message = ["execution_error", {"node_id": failure.node_id, "node_type": failure.class_type, **raised}]
    # A prompt that did not succeed leaves its files so far in the history, too.
    status = {"status_str": "error", "messages": [["execution_start", {}], message]}
    return Entry({"outputs": {NODES[0]: output(NODES[0], run)}, "status": status}, end)


@dataclass(frozen=True)
class State:
    """Represent what a server would answer about the prompt, once it has it."""

    place: str | None
    entry: Entry | None
    has_it: bool = True


@dataclass
class Story:
    """Hold all frames of a server about a prompt and all answers that it would give, in order."""

    frames: list[Frame] = field(default_factory=list)
    states: list[State] = field(default_factory=lambda: [State(None, None, has_it=False), State("pending", None)])

    def run(self, number: int, kind: str, *, then: str | None, steps: int) -> None:
        """Run to an end of that kind, and then be ``then``: pending again if it was posted twice."""
        entry = self.states[-1].entry
        self.states.append(State("running", entry))
        self.frames += [Started("p"), Alive("p"), Executing("p", "3")]
        self.frames += [Step("p", "3", step, steps) for step in range(steps)]
        for node in NODES if kind == "success" else NODES[:1]:
            self.frames += [Executing("p", node), Executed("p", node, output(node, number))]
        self.frames += [Ending("p", succeeded=kind == "success")]
        self.states.append(State(then, entry_of(kind, number)))
        self.frames += [Executing("p", None)]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    story = Story()
    fate = draw(st.sampled_from(["kept", "kept", "evicted", "lost while it ran", "deleted while it waited"]))
    if fate == "deleted while it waited":
        story.states.append(State(None, None))
        return story
    twice = draw(st.booleans())
    steps = st.integers(0, 3)
    story.run(1, draw(st.sampled_from(KINDS)), then="pending" if twice else None, steps=draw(steps))
    if twice:
        story.run(2, draw(st.sampled_from(KINDS)), then=None, steps=draw(steps))
    if fate == "evicted":
        story.states.append(State(None, None))
    if fate == "lost while it ran":
        del story.frames[draw(st.integers(1, len(story.frames) - 2)) :], story.states[-1]
        story.states.append(State(None, None))
    return story


@dataclass(frozen=True)
class Poll:
    """Represent the states in which a client read the queue, if it did, and then the history."""

    queue: State | None
    history: State


Event = str | Poll | list[Frame]


def events_of(story: Story) -> st.SearchStrategy[list[Event]]:
    """Generate anything that a client may do or receive, in any order, including series of frames."""
    state = st.integers(0, len(story.states) - 1)
    place = st.integers(0, len(story.frames))
    poll = st.tuples(state, state).map(lambda read: Poll(story.states[min(read)], story.states[max(read)]))
    history_alone = state.map(lambda read: Poll(None, story.states[read]))
    frames = st.tuples(place, place).map(lambda ends: story.frames[min(ends) : max(ends)])
    if story.frames:
        frames |= st.lists(st.sampled_from(story.frames))
    return st.lists(st.one_of(st.sampled_from(["accept", "gap"]), frames, poll, history_alone))


def apply(state: PromptState, event: Event, heard: list[Frame]) -> list[End]:
    """Apply an event to a state, and return the ends that it may mean, if it is conclusive."""
    match event:
        case "accept":
            state.accept()
        case "gap":
            state.on_reconnect()
        case Poll(queue, history):
            absent = queue is not None and queue.has_it and queue.place is None and state.accepted
            if queue is not None:
                state.on_queue(queue.place, 1.0)
            state.on_history(history.entry and history.entry.content, absent_from_queue=absent)
            if history.entry is not None:
                return [history.entry.end]
            return ends_without_entry(heard) if absent else []
        case list(frames):
            for frame in frames:
                state.on_frame(frame, 1.0)
            heard += frames
    return []


@settings(max_examples=300, deadline=None)
@given(stories(), st.data())
def test_in_any_order_a_prompt_ends_once_as_the_first_conclusive_answer_says(story: Story, data: st.DataObject) -> None:
    state = PromptState("p")
    state.submit()
    heard: list[Frame] = []
    expected: list[End] = []
    known: End | None = None
    final_poll = ["accept", Poll(story.states[-1], story.states[-1])]
    events = events_of(story)
    for event in [*data.draw(events, "before"), *final_poll, *data.draw(events, "after")]:
        phase = state.phase
        meant = apply(state, event, heard)
        expected = expected or meant
        known = known or state.end
        assert state.end == known
        assert state.end in (expected or [None])
        assert ORDER.index(state.phase) >= ORDER.index(phase)
    assert state.phase is Phase.ENDED


def ends_without_entry(heard: list[Frame]) -> list[End]:
    """Return possible ends: unordered frames prove at most the files they name, after a success."""
    ends: list[End] = [Loss()]
    if Ending("p", succeeded=True) in heard:
        for runs in [(first, second) for first in (1, 2, None) for second in (1, 2, None)]:
            named = [(node, run) for node, run in zip(NODES, runs, strict=True) if run]
            if named and all(Executed("p", node, output(node, run)) in heard for node, run in named):
                ends.append(Success(tuple(OutputFile(f"{node}-{run}.png", "", "output") for node, run in named)))
    return ends


GAP = "gap"


class OneServer(RuleBasedStateMachine):
    """Simulate a server and a client that follows one prompt; frames and answers take any time.

    Frames arrive in the order in which they were sent, and frames missed by a closed socket are lost.
    """

    @initialize(posts=st.integers(1, 2), answered=st.booleans(), went_on=st.integers(0, 9))
    def it_is_posted(self, posts: int, answered: bool, went_on: int) -> None:  # noqa: FBT001
        self.pending, self.runs = posts, 0
        self.running: str | None = None
        self.entry: Entry | None = None
        self.open = True
        self.on_the_way: deque[Frame] = deque()
        self.heard: list[Frame | str] = []
        self.poll: list[Any] = []
        self.state = PromptState("p")
        self.state.submit()
        self.phase = self.state.phase
        self.expected: End | None = None
        if answered:
            self.state.accept()
        for _ in range(min(went_on, 5 * posts)):
            self.the_server_advances("success")

    def send(self, *frames: Frame) -> None:
        if self.open:
            self.on_the_way.extend(frames)

    @property
    def place(self) -> str | None:
        return "running" if self.running is not None else "pending" if self.pending else None

    @precondition(lambda self: not self.state.accepted)
    @rule()
    def the_post_is_answered(self) -> None:
        self.state.accept()

    @precondition(lambda self: self.place is not None)
    @rule(kind=st.sampled_from(["success", *KINDS]))
    def the_server_advances(self, kind: str) -> None:
        """Advance by one stage of a run: its start, each output, its ending, its entry."""
        if self.running is None:
            self.pending, self.runs, self.running, self.to_do = self.pending - 1, self.runs + 1, "in work", list(NODES)
            self.send(Started("p"), Alive("p"), Executing("p", "3"), Step("p", "3", 1, 9))
        elif self.running != "in work":
            self.entry, self.running = entry_of(self.running, self.runs), None
            self.send(Executing("p", None))
        elif self.to_do and kind == "success":
            node = self.to_do.pop(0)
            self.send(Executing("p", node), Executed("p", node, output(node, self.runs)))
        else:
            self.running = kind
            self.send(Ending("p", succeeded=kind == "success"))

    @precondition(lambda self: self.place == "pending")
    @rule()
    def it_is_deleted(self) -> None:
        self.pending = 0

    @precondition(lambda self: self.entry)
    @rule()
    def the_entry_is_evicted(self) -> None:
        self.entry = None

    @precondition(lambda self: self.place or self.entry)
    @rule()
    def the_server_restarts(self) -> None:
        self.pending, self.running, self.entry = 0, None, None
        self.the_socket_closes()

    @precondition(lambda self: self.open)
    @rule()
    def the_socket_closes(self) -> None:
        self.open = False
        self.on_the_way.clear()

    @precondition(lambda self: not self.open)
    @rule()
    def the_socket_opens(self) -> None:
        self.open = True
        self.state.on_reconnect()
        self.heard.append(GAP)

    @precondition(lambda self: self.on_the_way)
    @rule(count=st.integers(1, 20), times=st.integers(1, 2))
    def frames_come(self, count: int, times: int) -> None:
        for _ in range(min(count, len(self.on_the_way))):
            frame = self.on_the_way.popleft()
            self.heard.append(frame)
            for _ in range(times):
                self.state.on_frame(frame, 1.0)

    @rule(steps=st.integers(1, 4))
    def a_poll_advances(self, steps: int) -> None:
        """Advance a poll: it starts, the queue is read, then the history, and the answers arrive."""
        for _ in range(steps):
            match self.poll:
                case []:
                    self.poll = [self.state.accepted]
                case [_]:
                    self.poll.append(self.place)
                case [_, _]:
                    self.poll.append(self.entry)
                case [accepted, place, entry]:
                    self.poll = []
                    self.state.on_queue(place, 1.0)
                    self.hear(entry, absent=accepted and place is None)

    @precondition(lambda self: self.heard and self.heard[-1] == Executing("p", None))
    @rule()
    def the_history_alone_is_read(self) -> None:
        self.hear(self.entry, absent=False)

    def hear(self, entry: Entry | None, *, absent: bool) -> None:
        if self.expected is None:
            self.expected = entry.end if entry else self.end_without_entry() if absent else None
        self.state.on_history(entry and entry.content, absent_from_queue=absent)

    def end_without_entry(self) -> End:
        """Return the end by the last ending received: a success if all frames of its run arrived."""
        whole = succeeded = False
        newest: dict[str, int] = {}
        for frame in self.heard:
            match frame:
                case Started() | "gap":
                    whole = isinstance(frame, Started)
                case Executed(node=node, output=found):
                    newest[node] = int(found["images"][0]["filename"].removeprefix(f"{node}-")[0])
                case Ending(succeeded=ended_well):
                    succeeded = ended_well and whole
        return made(*(newest[node] for node in NODES)) if succeeded else Loss()

    @invariant()
    def it_ends_when_and_as_the_first_conclusive_answer_says(self) -> None:
        assert self.state.end == self.expected

    @invariant()
    def its_phase_only_goes_forward(self) -> None:
        last, self.phase = self.phase, self.state.phase
        assert ORDER.index(last) <= ORDER.index(self.phase)

    def teardown(self) -> None:
        self.state.accept()
        self.pending, self.running, self.poll = 0, None, []
        self.a_poll_advances(4)
        assert self.state.end is not None
        assert self.state.end == self.expected


TestOneServer = OneServer.TestCase
TestOneServer.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
