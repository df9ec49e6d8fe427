"""Define every error that callers may meet.

A caller has two choices, so there are two branches: have a person change something, or try again.

* :exc:`PrevisError`
    * :exc:`BoardIncomplete`: a run published its board, and some shots have no frame
    * :exc:`FixTheInput`: the same will fail again until somebody changes something
        * :exc:`ShotListFaults`: a shot list breaks rules; all its faults at once
        * :exc:`WorkflowFaults`: workflow settings or a saved graph cannot be used for a shot
        * :exc:`SourceNotFound`: a path or URL in the input does not exist or cannot be read
        * :exc:`NotAPicture`: a reference is not an image
        * :exc:`PlanRefused`: no server can render some takes of a plan; nothing was posted
        * :exc:`FarmRefused`: the farm's settings cannot be used
        * :exc:`StoreRefused`: wrong bucket, region, key or missing permission
        * :exc:`NotInStore`: the store has no such board, run, shot or take
        * :exc:`RecordUnreadable`: a manifest or another record is damaged, too large, or of a later version
        * :exc:`DeploymentRefused`: previs cannot register the deployments as asked
        * :exc:`ScheduleRefused`: a board or the nightly run cannot have this schedule
        * :exc:`ParametersRefused`: a run cannot start with its parameters
        * :exc:`PrefectRefused`: Prefect's server rejects the password or the key
        * :exc:`ReviewRefused`: what a reviewer asked for cannot be recorded or carried out
        * :exc:`WebhookRefused`: the receiver of a webhook rejects the message, or its settings cannot be used
        * :exc:`NoticesRefused`: the settings of notices cannot be used
        * :exc:`KitsuRefused`: Kitsu rejects the login, or lacks what was named
        * :exc:`PromptRefused`: a server refused a graph by validation
        * :exc:`NodeFailed`: a node raised while it ran
        * :exc:`NothingMade`: a graph ran to its end and left no file
        * :exc:`FileNotPassed`: a file does not get to a server or from it, because of a proxy, its folder or its size
        * :exc:`AccessDenied`: a server, or the proxy before it, rejects the credentials
    * :exc:`TryAgain`: the same may succeed later or elsewhere
        * :exc:`NoServer`: no server of the farm could be reached for the time allowed
        * :exc:`FrameDamaged`: a file is incomplete, or not what it claims to be
        * :exc:`SourceUnavailable`: a source could not be read this time
        * :exc:`StoreUnavailable`: the store did not accept or return a file this time
        * :exc:`WebhookUnavailable`: the receiver of a webhook did not accept the message this time
        * :exc:`NoticeNotSent`: a service did not accept a notice
        * :exc:`KitsuUnavailable`: Kitsu does not answer as it should
        * :exc:`PrefectUnavailable`: Prefect's server does not answer as it should
        * :exc:`EventNotSent`: Prefect did not accept an event
        * :exc:`ServerUnreachable`: a server does not answer
        * :exc:`ServerUnavailable`: a server answers 5xx, 429, or something that is not ComfyUI's protocol
        * :exc:`OutOfMemory`: the GPU had no room
        * :exc:`RenderTimedOut`: one render took longer than allowed (also a ``TimeoutError``)
        * :exc:`PromptLost`: an accepted prompt is in neither queue nor history: the server restarted
        * :exc:`PromptInterrupted`: somebody stopped the prompt on the server

Those from :exc:`PromptRefused` and from :exc:`ServerUnreachable` on are also a :exc:`ServerError`, which names the
server. Each error carries its values, a machine-readable ``code``, and survives pickling.
"""

import re
import string
from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, dataclass_transform

from previs.text.visible import shortened, visible

MOST_FAULTS: Final = 50
"""Faults that an error holds and shows; it counts the others."""

_LONGEST: Final = {"place": 500, "field": 200, "value": 500, "remedy": 1_500}
# A place names shots and a node; a value may be a row of nodes. What they quote is at most 60 characters each.
_LONGEST_TEXT, _LONGEST_LINES = 2_000, 100_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Describe one thing that is wrong with an input.

    Attributes:
        place: Where, in a person's words: ``shot 3 (shot_id SH030)``, ``row 7``, ``node 6 (CLIPTextEncode)``.
        field: Field or input; empty when the whole place is meant.
        value: Value found there, as shown to a person; empty when there is nothing to show.
        remedy: What would be right.
    """

    place: str
    field: str
    value: str
    remedy: str

    def __post_init__(self) -> None:
        """Keep the start of what is too long for a message; who makes a fault shortens the values that it quotes."""
        for name, most in _LONGEST.items():
            if len(text := getattr(self, name)) > most:
                object.__setattr__(self, name, shortened(text, most))

    def __str__(self) -> str:
        where = visible(f"{self.place}, {self.field}" if self.field else self.place)
        remedy = visible(self.remedy, lines=True)
        return f"{where}: {visible(self.value)}: {remedy}" if self.value else f"{where}: {remedy}"


@dataclass_transform(eq_default=False)
@dataclass(eq=False, repr=False)
class PrevisError(Exception):
    """Serve as the root of all errors of this library.

    A subclass declares its values as fields, like a dataclass, and the sentence that shows them.

    Attributes:
        code: Stable name for programs, such as ``server_unreachable`` for :class:`ServerUnreachable`.
        sentence: Format string over the values, which come from outside: each is shown on one line, with control
            characters visible.
        of_lines: Names of values that previs itself breaks into lines.
    """

    code: ClassVar[str] = "previs_error"
    sentence: ClassVar[str] = ""
    of_lines: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        """Derive the code from the class's name, and turn the class into a dataclass that compares by identity."""
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        dataclass(eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        """Keep the start of long texts, and hand all values to ``Exception``: unpickling calls the class with them."""
        for name, value in self._values().items():
            most = _LONGEST_LINES if name in self.of_lines else _LONGEST_TEXT
            if isinstance(value, str):
                setattr(self, name, shortened(value, most))
            elif isinstance(value, tuple):
                setattr(self, name, tuple(shortened(each, most) if isinstance(each, str) else each for each in value))
        super().__init__(*self._values().values())

    def __str__(self) -> str:
        values = self._values()
        shown = {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in values.items()}
        for name in self.of_lines:
            shown[name] = _Lines(shown[name])
        return _sentence(self.sentence, **shown)

    @property
    def cause(self) -> Hashable:
        """Return what failed, without the server: the same cause on two servers blames the input; None if unknown."""
        return None

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class FixTheInput(PrevisError):
    """Mark an error that lasts until a person changes something."""


class TryAgain(PrevisError):
    """Mark an error that may not occur later or on another server."""


class ServerError(PrevisError):
    """Name the ComfyUI server, by its base URL, where something failed."""

    server: str


class BoardIncomplete(PrevisError):
    """Report that a run published its board, and some shots have no frame.

    Attributes:
        message: Which shots failed, and why.
        shots: Result of the run, one item per shot, with failed shots marked.
    """

    sentence = "{message}"
    of_lines = frozenset({"message"})
    message: str
    shots: list[dict[str, Any]]


class ShotListFaults(FixTheInput):
    """Report that a shot list breaks rules.

    Attributes:
        source: The list's name: a path, a URL, or ``the shot list``.
        faults: Faults of the list, in its order: the first 50.
        more: How many faults it has beyond these.
    """

    sentence = "{source} has {count}:"
    source: str
    faults: tuple[Fault, ...]
    more: int = 0

    def __post_init__(self) -> None:
        _keep_first(self)
        super().__post_init__()

    def __str__(self) -> str:
        count = _count(len(self.faults) + self.more, "fault")
        return _report(_sentence(self.sentence, source=self.source, count=count), self.faults, self.more)


class WorkflowFaults(FixTheInput):
    """Report that workflow settings or a saved graph cannot be used, or not for this shot.

    Attributes:
        source: The workflow's name: a path, a URL, or ``the workflow settings``.
        faults: Faults found: the first 50.
        more: How many were found beyond these.
    """

    sentence = "{source} cannot be used:"
    source: str
    faults: tuple[Fault, ...]
    more: int = 0

    def __post_init__(self) -> None:
        _keep_first(self)
        super().__post_init__()

    def __str__(self) -> str:
        return _report(_sentence(self.sentence, source=self.source), self.faults, self.more)


class SourceNotFound(FixTheInput):
    """Report that a path or URL in the input does not exist or cannot be read."""

    sentence = "{uri} cannot be read: {reason}"
    of_lines = frozenset({"reason"})
    uri: str
    reason: str


class NotAPicture(FixTheInput):
    """Report that a reference is not an image that can be opened."""

    sentence = "reference {uri} is no usable image: {reason}"
    uri: str
    reason: str


class PlanRefused(FixTheInput):
    """Report that every server would refuse some takes; nothing of the plan was posted.

    Attributes:
        takes: How many takes.
        faults: What would be refused, each with its shots.
    """

    sentence = "no server can render {count}:"
    takes: int
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return _report(_sentence(self.sentence, count=_count(self.takes, "take")), self.faults)


class FarmRefused(FixTheInput):
    """Report that the farm's settings cannot be used."""

    sentence = "the farm cannot be used: {reason}"
    reason: str


class StoreRefused(FixTheInput):
    """Report that the store rejects requests until its settings or permissions change."""

    sentence = "{store} cannot be used: {reason}"
    store: str
    reason: str


class NotInStore(FixTheInput):
    """Report that the store has no such board, run, shot or take.

    Attributes:
        store: The store's name.
        what: Such as ``board 'Night City'``.
        remedy: What the store has instead.
    """

    sentence = "{store} has no {what}: {remedy}"
    store: str
    what: str
    remedy: str


class RecordUnreadable(FixTheInput):
    """Report that a manifest, or another record of previs, is damaged, too large, or of a later version."""

    sentence = "{place} cannot be used: {reason}"
    place: str
    reason: str


class DeploymentRefused(FixTheInput):
    """Report that previs cannot register the deployments as asked."""

    sentence = "cannot deploy: {reason}"
    of_lines = frozenset({"reason"})
    reason: str


class ScheduleRefused(FixTheInput):
    """Report that a board, or the nightly run, cannot have a schedule as asked."""

    sentence = "{what} cannot have this schedule: {reason}"
    what: str
    reason: str


class ParametersRefused(FixTheInput):
    """Report that a run cannot start with its parameters.

    Attributes:
        flow: Name of the flow.
        faults: Parameters that are missing, unknown or of another type, each as the place of a fault.
    """

    sentence = "{flow} cannot run with these parameters:"
    flow: str
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return _report(_sentence(self.sentence, flow=self.flow), self.faults)


class PrefectRefused(FixTheInput):
    """Report that Prefect's server rejects the password or the key.

    Attributes:
        server: URL of its API.
        answer: What it answered.
    """

    sentence = (
        "Prefect at {server} wants a password, or another one ({answer}): set PREFECT_API_AUTH_STRING to the value of "
        "PREFECT_SERVER_API_AUTH_STRING there, or set PREFECT_API_KEY"
    )
    server: str
    answer: str


class ReviewRefused(FixTheInput):
    """Report that what a reviewer asked for cannot be recorded or carried out.

    Attributes:
        reason: Why, and what to do.
    """

    sentence = "the review is not carried out: {reason}"
    reason: str


class WebhookRefused(FixTheInput):
    """Report that the receiver of a webhook rejects messages until somebody changes something.

    Attributes:
        receiver: Its URL, without what could be a secret.
        reason: What it answered, or which setting is wrong.
    """

    sentence = "the webhook to {receiver} is refused: {reason}"
    receiver: str
    reason: str


class NoticesRefused(FixTheInput):
    """Report that notices cannot be sent with these settings.

    Attributes:
        reason: What is wrong; of a service's URL, it shows the scheme alone.
    """

    sentence = "notices cannot be sent: {reason}"
    reason: str


class KitsuRefused(FixTheInput):
    """Report that Kitsu rejects the login, or lacks what was named.

    Attributes:
        host: URL of Kitsu.
        reason: What it rejects or lacks, and what to do.
    """

    sentence = "Kitsu at {host}: {reason}"
    of_lines = frozenset({"reason"})
    host: str
    reason: str


class PromptRefused(FixTheInput, ServerError):
    """Report that a server refused a graph by validation; nothing of it is queued.

    Attributes:
        faults: What it refused, one fault per input: the first 50.
        more: How many faults it reported beyond these.
    """

    sentence = "{server} refused the graph:"
    faults: tuple[Fault, ...]
    more: int = 0

    def __post_init__(self) -> None:
        _keep_first(self)
        super().__post_init__()

    def __str__(self) -> str:
        return _report(_sentence(self.sentence, server=self.server), self.faults, self.more)

    @property
    def cause(self) -> Hashable:
        """Return the refused values and where they stand; remedies differ with what a server has."""
        return frozenset((fault.place, fault.field, fault.value) for fault in self.faults)


class NodeFailed(FixTheInput, ServerError):
    """Report that a node raised while it ran."""

    sentence = "node {node_id} ({class_type}) failed on {server}: {reason}"
    node_id: str
    class_type: str
    reason: str

    @property
    def cause(self) -> Hashable:
        """Return the node and what it said."""
        return self.node_id, self.class_type, self.reason


class NothingMade(FixTheInput, ServerError):
    """Report that a graph ran to its end and left no file that counts as a frame."""

    sentence = (
        "{server} ran prompt {prompt_id} to its end but it left no file: "
        "the graph needs an output node that saves, such as SaveImage (PreviewImage keeps nothing)"
    )
    prompt_id: str


class FileNotPassed(FixTheInput, ServerError):
    """Report that a file does not get to a server or from it until somebody changes a setting.

    Attributes:
        name: Name of the file.
        reason: What happened, and what to change.
    """

    sentence = "file {name!r} did not get through to or from {server}: {reason}"
    name: str
    reason: str

    @property
    def cause(self) -> Hashable:
        """Return the reason: another server behind the same proxy gives the same."""
        return self.reason


class AccessDenied(FixTheInput, ServerError):
    """Report that a server, or the proxy before it, rejects the credentials.

    Attributes:
        status: The HTTP status.
    """

    sentence = "{server} denies access (HTTP {status}): check the headers or the token of the farm block"
    status: int


class NoServer(TryAgain):
    """Report that no server of the farm could be reached for the time allowed, in seconds."""

    sentence = "no server could be reached for {seconds:g} s: {servers}"
    servers: tuple[str, ...]
    seconds: float


class FrameDamaged(TryAgain):
    """Report that a file is incomplete, or not what it claims to be."""

    sentence = "file {name!r} is damaged: {reason}"
    name: str
    reason: str


class SourceUnavailable(TryAgain):
    """Report that a source could not be read this time."""

    sentence = "{uri} could not be read this time: {reason}"
    uri: str
    reason: str


class StoreUnavailable(TryAgain):
    """Report that the store did not accept or return a file this time."""

    sentence = "{store} is unavailable: {reason}"
    store: str
    reason: str


class WebhookUnavailable(TryAgain):
    """Report that the receiver of a webhook did not accept a message this time.

    Attributes:
        receiver: Its URL, without what could be a secret.
        reason: What happened instead.
        retry_after: Seconds that it asked to wait; None if it did not say.
    """

    sentence = "the webhook to {receiver} was not accepted: {reason}"
    receiver: str
    reason: str
    retry_after: float | None = None

    def __str__(self) -> str:
        return _with_pause(super().__str__(), self.retry_after)


class NoticeNotSent(TryAgain):
    """Report that a service did not accept a notice.

    Attributes:
        service: Name of the service, without what could be a secret.
        reason: What it answered, without any part of its URL.
    """

    sentence = "the notice to {service} was not sent: {reason}"
    service: str
    reason: str


class KitsuUnavailable(TryAgain):
    """Report that Kitsu does not answer as it should.

    Attributes:
        host: URL of Kitsu.
        reason: What happened.
    """

    sentence = "Kitsu at {host} does not answer as it should: {reason}"
    host: str
    reason: str


class PrefectUnavailable(TryAgain):
    """Report that Prefect's server does not answer, or not as it should.

    Attributes:
        server: URL of its API.
        reason: What happened instead.
    """

    sentence = "Prefect at {server} is unavailable: {reason}"
    server: str
    reason: str


class EventNotSent(TryAgain):
    """Report that Prefect did not accept an event."""

    sentence = "the event {event} was not sent: {reason}"
    event: str
    reason: str


class ServerUnreachable(TryAgain, ServerError):
    """Report that a server does not answer."""

    sentence = "{server} is unreachable: {reason}"
    reason: str


class ServerUnavailable(TryAgain, ServerError):
    """Report that a server, or a proxy before it, answers something other than the protocol.

    Attributes:
        request: Method and first part of the path.
        answer: What came instead.
        retry_after: Seconds that it asked to wait; None if it did not say.
    """

    sentence = "{server} answered {request} with {answer}"
    request: str
    answer: str
    retry_after: float | None = None

    def __str__(self) -> str:
        return _with_pause(super().__str__(), self.retry_after)


class OutOfMemory(TryAgain, ServerError):
    """Report that the GPU had no room for the graph."""

    sentence = "{server} ran out of memory at node {node_id} ({class_type})"
    node_id: str
    class_type: str


class RenderTimedOut(TryAgain, ServerError, TimeoutError):
    """Report that one render took longer than allowed, in seconds since the server started on it."""

    sentence = "the render on {server} was not done after {seconds:g} s"
    seconds: float


class PromptLost(TryAgain, ServerError):
    """Report that an accepted prompt is in neither queue nor history any more."""

    sentence = "{server} no longer knows prompt {prompt_id}: it was restarted, or the prompt was deleted"
    prompt_id: str


class PromptInterrupted(TryAgain, ServerError):
    """Report that somebody stopped the prompt on the server."""

    sentence = "prompt {prompt_id} was interrupted on {server}"
    prompt_id: str


class _Lines(str):
    """Hold a text whose line feeds stay."""

    __slots__ = ()


class _Visibly(string.Formatter):
    """Format values with their control characters visible."""

    def format_field(self, value: Any, format_spec: str) -> Any:  # noqa: ANN401 - the base class's signature
        """Return a value as text, on one line unless previs broke it into lines."""
        return visible(super().format_field(value, format_spec), lines=isinstance(value, _Lines))


def _sentence(pattern: str, **values: Any) -> str:  # noqa: ANN401 - values of any error
    return _Visibly().vformat(pattern, (), values)


def _keep_first(error: ShotListFaults | WorkflowFaults | PromptRefused) -> None:
    """Keep the first faults of an error and count the others: a list may have millions."""
    error.more += max(len(error.faults) - MOST_FAULTS, 0)
    error.faults = tuple(error.faults[:MOST_FAULTS])


def _report(head: str, faults: tuple[Fault, ...], more: int = 0) -> str:
    """Return one line per fault, of very many the first 50: the sentence becomes the message of a state."""
    lines = [str(fault) for fault in faults[:MOST_FAULTS]]
    if more := more + len(faults) - len(lines):
        lines.append(f"and {more:,} more")
    return "\n".join([head, *(f"  - {line}" for line in lines)])


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def _with_pause(sentence: str, seconds: float | None) -> str:
    return sentence if seconds is None else f"{sentence}; try again in {seconds:g} s"
