"""All errors that callers may meet.

A caller has two choices, so there are two branches: have a person change something, or try again.

* :exc:`PrevisError`
    * :exc:`BoardIncomplete`: a run published its board, and some shots have no frame
    * :exc:`FixTheInput`: the same will fail again until somebody changes something
        * :exc:`ShotListFaults`: a shot list breaks rules; every fault at once
        * :exc:`WorkflowFaults`: workflow settings or a saved graph cannot be used for a shot
        * :exc:`SourceNotFound`: a path or address that the input names holds nothing, or nothing readable
        * :exc:`NotAPicture`: a reference is no image
        * :exc:`PlanRefused`: no server has what takes of a plan need; nothing was posted
        * :exc:`PromptRefused`: a server refused a graph by validation
        * :exc:`NodeFailed`: a node raised while it ran
        * :exc:`NothingMade`: a graph ran to its end and left no file
        * :exc:`AccessDenied`: a server, or the proxy before it, wants other credentials
        * :exc:`FarmRefused`: the farm's settings cannot be used
        * :exc:`StoreRefused`: wrong bucket, region, key or missing permission
        * :exc:`NotInStore`: a board, run, shot or take that was named is not in the store
        * :exc:`RecordUnreadable`: a manifest or another record is damaged, or of a later version
        * :exc:`DeploymentRefused`: what is to be registered with Prefect cannot be
        * :exc:`PrefectRefused`: Prefect's server lets nobody in without its password
        * :exc:`WebhookRefused`: the receiver of a webhook does not want the message, or its settings cannot be used
    * :exc:`TryAgain`: the same may succeed later or elsewhere
        * :exc:`ServerUnreachable`: no connection, or none that answers
        * :exc:`ServerUnavailable`: an answer that is no answer: 5xx, 429, not the protocol
        * :exc:`NoServer`: no server of the farm could be reached for the time allowed
        * :exc:`OutOfMemory`: the GPU had no room
        * :exc:`RenderTimedOut`: one render took longer than allowed (also a ``TimeoutError``)
        * :exc:`ServerSilent`: no frame for too long while a prompt runs (also a ``TimeoutError``)
        * :exc:`PromptLost`: in neither queue nor history after having been accepted: a restart
        * :exc:`PromptInterrupted`: somebody stopped it on the server
        * :exc:`FrameDamaged`: a file that is not whole, or not what it claims to be
        * :exc:`SourceUnavailable`: a source could not be read this time
        * :exc:`StoreUnavailable`: the store did not take or give a file this time
        * :exc:`WebhookUnavailable`: the receiver of a webhook did not take the message this time
        * :exc:`PrefectUnavailable`: Prefect's server does not answer as it should
        * :exc:`EventNotSent`: Prefect did not take an event

Every error passes its values unchanged to ``super().__init__``, so it survives pickling, and builds its sentence in
``__str__``.
"""

from dataclasses import dataclass
from typing import Any, Final

_MOST_TOLD: Final = 100


class PrevisError(Exception):
    """The root of all errors of this library."""


class BoardIncomplete(PrevisError):
    """A run published its board, and some shots have no frame.

    Args:
        message: which shots failed, and why.
        shots: what the run would have returned, a shot each, with those that failed marked.
    """

    def __init__(self, message: str, shots: list[dict[str, Any]]) -> None:
        super().__init__(message, shots)
        self.message = message
        self.shots = shots

    def __str__(self) -> str:
        return self.message


class FixTheInput(PrevisError):
    """A person must change something before the same can succeed."""


class TryAgain(PrevisError):
    """The same may succeed later or on another server."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input.

    Attributes:
        place: where, in a person's words: ``shot 3 (shot_id SH030)``, ``row 7``, ``node 6 (CLIPTextEncode)``.
        field: the field or input, empty when the place as a whole is meant.
        value: what was found there, as shown to a person; empty when there is nothing to show.
        remedy: what would be right.
    """

    place: str
    field: str
    value: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.place}, {self.field}" if self.field else self.place
        return f"{where}: {self.value}: {self.remedy}" if self.value else f"{where}: {self.remedy}"


def _report(head: str, faults: tuple[Fault, ...]) -> str:
    """A line for each fault; of very many the first alone, as the sentence of an error is a state's message."""
    told = [str(fault) for fault in faults[:_MOST_TOLD]]
    if further := len(faults) - len(told):
        told.append("and 1 further fault" if further == 1 else f"and {further} further faults")
    return "\n".join([head, *(f"  - {each}" for each in told)])


class ShotListFaults(FixTheInput):
    """A shot list breaks rules.

    Args:
        source: the list's name: a path, an address, or ``the shot list``.
        faults: every fault of the list, in its order.
    """

    def __init__(self, source: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(source, faults)
        self.source = source
        self.faults = faults

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return _report(f"{self.source} has {count}:", self.faults)


class WorkflowFaults(FixTheInput):
    """Workflow settings or a saved graph cannot be used, or not for this shot.

    Args:
        source: the workflow's name: a path, an address, or ``the workflow settings``.
        faults: every fault found.
    """

    def __init__(self, source: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(source, faults)
        self.source = source
        self.faults = faults

    def __str__(self) -> str:
        return _report(f"{self.source} cannot be used:", self.faults)


class SourceNotFound(FixTheInput):
    """A path or address that the input names holds nothing that can be read."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri} cannot be read: {self.reason}"


class NotAPicture(FixTheInput):
    """A reference is no image that can be opened."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"reference {self.uri} is no usable image: {self.reason}"


class PlanRefused(FixTheInput):
    """There are takes that every server would refuse; nothing of the plan was posted.

    Args:
        takes: how many they are.
        faults: what would be refused, the shots in each one's place.
    """

    def __init__(self, takes: int, faults: tuple[Fault, ...]) -> None:
        super().__init__(takes, faults)
        self.takes = takes
        self.faults = faults

    def __str__(self) -> str:
        count = "1 take" if self.takes == 1 else f"{self.takes} takes"
        return _report(f"no server can render {count}:", self.faults)


class PromptRefused(FixTheInput):
    """A server refused a graph by validation; nothing of it is queued.

    Args:
        server: the server's base URL.
        faults: what it refused, one for each input.
    """

    def __init__(self, server: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(server, faults)
        self.server = server
        self.faults = faults

    def __str__(self) -> str:
        return _report(f"{self.server} refused the graph:", self.faults)


class NodeFailed(FixTheInput):
    """A node raised while it ran."""

    def __init__(self, server: str, node_id: str, class_type: str, reason: str) -> None:
        super().__init__(server, node_id, class_type, reason)
        self.server = server
        self.node_id = node_id
        self.class_type = class_type
        self.reason = reason

    def __str__(self) -> str:
        return f"node {self.node_id} ({self.class_type}) failed on {self.server}: {self.reason}"


class NothingMade(FixTheInput):
    """A graph ran to its end and left no file that counts as a frame."""

    def __init__(self, server: str, prompt_id: str) -> None:
        super().__init__(server, prompt_id)
        self.server = server
        self.prompt_id = prompt_id

    def __str__(self) -> str:
        return (
            f"{self.server} ran prompt {self.prompt_id} to its end but it left no file: "
            "the graph needs an output node that saves, such as SaveImage (PreviewImage keeps nothing)"
        )


class AccessDenied(FixTheInput):
    """A server, or the proxy before it, does not let us in."""

    def __init__(self, server: str, status: int) -> None:
        super().__init__(server, status)
        self.server = server
        self.status = status

    def __str__(self) -> str:
        return f"{self.server} denies access (HTTP {self.status}): check the headers or the token of the farm block"


class FarmRefused(FixTheInput):
    """The farm's settings cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the farm cannot be used: {self.reason}"


class StoreRefused(FixTheInput):
    """The store will not take or give files until its settings or permissions change."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(store, reason)
        self.store = store
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.store} cannot be used: {self.reason}"


class NotInStore(FixTheInput):
    """A board, run, shot or take that a person named is not in the store.

    Args:
        store: its name.
        what: such as ``board 'Night City'``.
        remedy: what there is instead.
    """

    def __init__(self, store: str, what: str, remedy: str) -> None:
        super().__init__(store, what, remedy)
        self.store = store
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.store} has no {self.what}: {self.remedy}"


class RecordUnreadable(FixTheInput):
    """A manifest, or another record that previs wrote, is damaged or of a later version."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place} cannot be used: {self.reason}"


class DeploymentRefused(FixTheInput):
    """What is to be registered with Prefect cannot be as it was asked for."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot deploy: {self.reason}"


class PrefectRefused(FixTheInput):
    """Prefect's server lets nobody in without its password.

    Args:
        server: the address of its API.
        answer: that it gave.
    """

    def __init__(self, server: str, answer: str) -> None:
        super().__init__(server, answer)
        self.server = server
        self.answer = answer

    def __str__(self) -> str:
        remedy = "set PREFECT_API_AUTH_STRING to what PREFECT_SERVER_API_AUTH_STRING is there, or PREFECT_API_KEY"
        return f"Prefect at {self.server} refuses the password, or that there is none ({self.answer}): {remedy}"


class WebhookRefused(FixTheInput):
    """The receiver of a webhook will not take a message until somebody changes something.

    Args:
        receiver: its address, without what could be a secret.
        reason: what it answered, or what of the settings cannot be used.
    """

    def __init__(self, receiver: str, reason: str) -> None:
        super().__init__(receiver, reason)
        self.receiver = receiver
        self.reason = reason

    def __str__(self) -> str:
        return f"the webhook to {self.receiver} is refused: {self.reason}"


class ServerUnreachable(TryAgain):
    """A server does not answer at all."""

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(server, reason)
        self.server = server
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.server} is unreachable: {self.reason}"


class ServerUnavailable(TryAgain):
    """A server, or a proxy before it, answers with something that is no answer.

    Args:
        server: the server's base URL.
        request: method and first part of the path.
        answer: what came instead.
        retry_after: seconds after which it wants to be asked again; none if it did not say.
    """

    def __init__(self, server: str, request: str, answer: str, retry_after: float | None = None) -> None:
        super().__init__(server, request, answer, retry_after)
        self.server = server
        self.request = request
        self.answer = answer
        self.retry_after = retry_after

    def __str__(self) -> str:
        sentence = f"{self.server} answered {self.request} with {self.answer}"
        return sentence if self.retry_after is None else f"{sentence}, to be asked again in {self.retry_after:g} s"


class NoServer(TryAgain):
    """No server of the farm could be reached for the time allowed."""

    def __init__(self, servers: tuple[str, ...], seconds: float) -> None:
        super().__init__(servers, seconds)
        self.servers = servers
        self.seconds = seconds

    def __str__(self) -> str:
        return f"no server could be reached for {self.seconds:g} s: {', '.join(self.servers)}"


class OutOfMemory(TryAgain):
    """The GPU had no room for the graph."""

    def __init__(self, server: str, node_id: str, class_type: str) -> None:
        super().__init__(server, node_id, class_type)
        self.server = server
        self.node_id = node_id
        self.class_type = class_type

    def __str__(self) -> str:
        return f"{self.server} ran out of memory at node {self.node_id} ({self.class_type})"


class RenderTimedOut(TryAgain, TimeoutError):
    """One render took longer than allowed, counted from the moment the server started on it."""

    def __init__(self, server: str, seconds: float) -> None:
        super().__init__(server, seconds)
        self.server = server
        self.seconds = seconds

    def __str__(self) -> str:
        return f"the render on {self.server} was not done after {self.seconds:g} s"


class ServerSilent(TryAgain, TimeoutError):
    """A running prompt gave no sign of life for too long."""

    def __init__(self, server: str, seconds: float) -> None:
        super().__init__(server, seconds)
        self.server = server
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{self.server} was silent for {self.seconds:g} s in the middle of a render"


class PromptLost(TryAgain):
    """An accepted prompt is in neither queue nor history any more: the server was restarted."""

    def __init__(self, server: str, prompt_id: str) -> None:
        super().__init__(server, prompt_id)
        self.server = server
        self.prompt_id = prompt_id

    def __str__(self) -> str:
        return f"{self.server} no longer knows prompt {self.prompt_id}: it was restarted, or the prompt was deleted"


class PromptInterrupted(TryAgain):
    """Somebody stopped the prompt on the server."""

    def __init__(self, server: str, prompt_id: str) -> None:
        super().__init__(server, prompt_id)
        self.server = server
        self.prompt_id = prompt_id

    def __str__(self) -> str:
        return f"prompt {self.prompt_id} was interrupted on {self.server}"


class FrameDamaged(TryAgain):
    """A file that is not whole, or not what it claims to be."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"file {self.name!r} is damaged: {self.reason}"


class SourceUnavailable(TryAgain):
    """A source could not be read this time."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri} could not be read this time: {self.reason}"


class StoreUnavailable(TryAgain):
    """The store did not take or give a file this time."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(store, reason)
        self.store = store
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.store} is in trouble: {self.reason}"


class WebhookUnavailable(TryAgain):
    """The receiver of a webhook did not take a message this time.

    Args:
        receiver: its address, without what could be a secret.
        reason: what came instead.
        retry_after: seconds after which it wants to be asked again; none if it did not say.
    """

    def __init__(self, receiver: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(receiver, reason, retry_after)
        self.receiver = receiver
        self.reason = reason
        self.retry_after = retry_after

    def __str__(self) -> str:
        sentence = f"the webhook to {self.receiver} was not taken: {self.reason}"
        return sentence if self.retry_after is None else f"{sentence}, to be sent again in {self.retry_after:g} s"


class PrefectUnavailable(TryAgain):
    """Prefect's server does not answer, or not as it should.

    Args:
        server: the address of its API.
        reason: what came instead.
    """

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(server, reason)
        self.server = server
        self.reason = reason

    def __str__(self) -> str:
        return f"Prefect at {self.server} is in trouble: {self.reason}"


class EventNotSent(TryAgain):
    """Prefect did not take an event."""

    def __init__(self, event: str, reason: str) -> None:
        super().__init__(event, reason)
        self.event = event
        self.reason = reason

    def __str__(self) -> str:
        return f"the event {self.event} was not sent: {self.reason}"
