"""Describe the form that Prefect's pages make of a flow's parameters."""

import inspect
from collections.abc import Callable, Collection, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from prefect.blocks.core import Block
from prefect.utilities.callables import parameter_docstrings
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from blocks.aws import S3BucketStore

MORE: Final = "more"
"""Field of the form that holds the folded parameters."""

_OF_MORE: Final = "Workflow, some of the shots, takes that are rendered again, limits, parts, webhook, notices."
_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY


def form_signature(function: Callable[..., object], folded: Collection[str]) -> inspect.Signature:
    """Return the signature from which Prefect makes the form.

    A field has the title that its annotation gives it. It offers no choice of "None", which an empty field means, and
    no text where a saved block can be chosen.

    Args:
        function: Function of the flow.
        folded: Names of the parameters that the form shows only if ``more`` is opened.
    """
    descriptions = parameter_docstrings(inspect.getdoc(function))
    shown: list[inspect.Parameter] = []
    more: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        annotation, default = _offered(parameter.annotation), parameter.default
        if default is None:
            annotation = Annotated[annotation, _Unset()]
        # Prefect passes on no other title.
        about: dict[str, Any] = {"json_schema_extra": {"title": _title(annotation)}}
        given = ... if default in {None, inspect.Parameter.empty} else default
        if name in folded:
            more[name] = (annotation, Field(given, description=descriptions[name], **about))
        else:
            field = Field(given, **about)
            shown.append(parameter.replace(annotation=annotation, default=field))
    if more:
        model = create_model("More", __config__=ConfigDict(title="Show"), **more)
        field = Field(None, description=_OF_MORE, json_schema_extra={"title": "More settings"})
        shown.append(inspect.Parameter(MORE, _KEYWORD, annotation=model | None, default=field))
    return inspect.Signature([each.replace(kind=_KEYWORD) for each in shown])


def unfolded(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's parameters with those that the form has folded, unless they are null, in place of others."""
    more = parameters.get(MORE)
    others = {name: value for name, value in parameters.items() if name != MORE}
    given = more.items() if isinstance(more, Mapping) else ()
    return others | {name: value for name, value in given if value is not None or name not in others}


class _Unset:
    """Make a field optional without a default.

    A form sends a default of null with every run, and Prefect, asked to validate, refuses it.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's hook
        return core_schema.with_default_schema(handler(source), default_factory=lambda: None)


def _title(annotation: Any) -> str:  # noqa: ANN401 - any type
    titles = [each.title for each in get_args(annotation)[1:] if isinstance(each, FieldInfo) and each.title]
    return titles[0]


def _offered(annotation: Any) -> Any:  # noqa: ANN401 - any type
    """Return the type that a form offers of a parameter's: saved blocks if it has any, and never None."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[_offered(arguments[0]), *arguments[1:]]
    if origin in {Union, UnionType}:
        blocks = tuple(each for each in arguments if is_block(each))
        return Union[blocks or tuple(each for each in arguments if each is not NoneType)]  # noqa: UP007 - computed
    return annotation


def is_block(kind: object) -> bool:
    """Return whether a type is one of Prefect's blocks, or stands for one."""
    return isinstance(kind, type) and issubclass(kind, Block | S3BucketStore)
