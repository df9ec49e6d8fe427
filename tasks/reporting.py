"""Define flows that any parameters start, and whose runs end with the report of what is wrong.

Prefect's engine binds a run's parameters to the signature of the flow's function before the run begins. If they do not
fit, the process dies with a traceback, and the run's state says only that a process has ended.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Generic, ParamSpec

from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic_core import PydanticSerializationError

from previs.errors import FixTheInput, PrevisError
from previs.store.opening import AWS_BUCKET
from previs.text.logs import mute_unread_handlers, show_logs_visibly
from tasks.form import form_signature
from tasks.parameter_check import check_parameters

P = ParamSpec("P")
Run = Coroutine[Any, Any, State[Any]]


def reporting_flow(
    *, name: str, timeout_seconds: float, persist_result: bool | None = None, folded: Collection[str] = ()
) -> Callable[[Callable[P, Run]], Flow[P, Run]]:
    """Make a function a flow. If an error of previs ends its run, the state is Failed and its message the error's.

    Wrong parameters are such an error.

    Args:
        name: Name of the flow.
        timeout_seconds: Limit of a run.
        persist_result: Whether Prefect stores the result; None for its default.
        folded: Parameters that the form shows only on request.
    """

    def decorate(function: Callable[P, Run]) -> Flow[P, Run]:
        # Prefect's own check would write the values to the log.
        made = _SecretFlow(
            function,
            name=name,
            timeout_seconds=timeout_seconds,
            persist_result=persist_result,
            validate_parameters=False,
        )
        made.fn = _Reporting(made, function)
        # Prefect's command makes the form of a deployment from it.
        made.__signature__ = form_signature(function, folded)  # type: ignore[attr-defined]
        return made

    return decorate


class _SecretFlow(Flow[P, Run]):
    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters that Prefect shows: a reference for an S3Bucket, which hides no session token."""
        return super().serialize_parameters({name: _shown(value) for name, value in parameters.items()})


def _shown(value: object) -> object:
    if not isinstance(value, Block) or value.get_block_type_slug() != AWS_BUCKET:
        return value
    try:
        return value.model_dump(mode="json", context={"serialize_blocks_as_references": True})
    except PydanticSerializationError:
        return "<S3Bucket>"


class _Unknown(inspect.Parameter):
    """Represent a parameter that the function does not have; its name may be no name of Python's."""

    def __init__(self, name: str) -> None:
        super().__init__("unknown", inspect.Parameter.KEYWORD_ONLY)
        self._given = name

    @property
    def name(self) -> str:
        """Return the name as it was given."""
        return self._given


class _Reporting(Generic[P]):
    """Call the function of a flow with whatever parameters a run has."""

    def __init__(self, made: Flow[P, Run], function: Callable[P, Run]) -> None:
        # Without __wrapped__, behind which Prefect would look for the signature.
        vars(self).update({name: getattr(function, name) for name in functools.WRAPPER_ASSIGNMENTS})
        self._flow = made
        self._function = function
        self._own = inspect.signature(function)

    @property
    def __signature__(self) -> inspect.Signature:
        """Return the function's signature; in a process that runs the flow, one that takes the run's parameters."""
        given = self._given()
        if given is None:
            return self._own
        required, keyword = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
        own = [
            each.replace(kind=keyword, default=None if each.default is required else each.default)
            for each in self._own.parameters.values()
        ]
        others = [_Unknown(name) for name in given if name not in self._own.parameters]
        return inspect.Signature([*own, *others])

    def _given(self) -> Mapping[str, Any] | None:
        """Return the parameters of the run that this process executes; None if it does not run this flow."""
        context = FlowRunContext.get()
        if context is not None:
            return context.parameters if context.flow is self._flow else None
        return None if flow_run.id is None else _parameters_of(flow_run.id)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> State[Any]:
        show_logs_visibly(FixTheInput)
        mute_unread_handlers()
        given = dict(zip(self._own.parameters, args, strict=False)) | kwargs
        descriptions = {name: about["description"] for name, about in self._flow.parameters.properties.items()}
        try:
            return await self._function(**await check_parameters(self._flow.name, self._own, descriptions, given))  # type: ignore[call-arg]
        except PrevisError as error:
            return Failed(message=str(error), data=error)


@functools.lru_cache(maxsize=1)
def _parameters_of(identity: str) -> Mapping[str, Any]:  # noqa: ARG001 - Prefect asks its server each time
    """Return the parameters of the run with this id, which the environment names."""
    parameters: Mapping[str, Any] = flow_run.parameters
    return parameters
