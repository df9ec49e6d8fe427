"""Check the parameters of a run against the signature of its flow's function."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from prefect.blocks.core import Block, UnknownBlockType
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from blocks.asking import asking_prefect
from previs.comfyui.protocol.input_check import TYPE_NAMES, format_value
from previs.errors import Fault, ParametersRefused
from previs.shots import plain_json
from previs.store.credentials import credentials_in
from previs.text.similar import meant
from tasks.form import MORE, is_block, unfolded

_NAMES: Final = {
    int: TYPE_NAMES["INT"],
    float: TYPE_NAMES["FLOAT"],
    bool: TYPE_NAMES["BOOLEAN"],
    str: TYPE_NAMES["STRING"],
    list: "a list",
    dict: "an object",
}
_BOUNDS: Final = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_REFERENCE: Final = "$ref"


async def check_parameters(
    flow: str, signature: inspect.Signature, descriptions: Mapping[str, str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters with which a flow's function can be called: saved blocks loaded, values of its types.

    Raises:
        ParametersRefused: Some are missing, unknown or of another type; the error has all of them.
        FixTheInput: A parameter holds a secret, or what is no block; see :mod:`tasks.parameters`.
        PrefectUnavailable: Prefect's server does not return a saved block.
    """
    known = signature.parameters
    faults = [*_faults_of_more(given, known)]
    given = unfolded(given)
    faults += [Fault(name, "", "", _unknown(name, known)) for name in given if name not in known]
    checked = {}
    for name, parameter in known.items():
        required = parameter.default is inspect.Parameter.empty
        value = given.get(name)
        if required and (value is None or value == ""):
            faults.append(Fault(name, "", "", f"missing, and the flow needs it: {descriptions[name]}"))
        elif name in given:
            try:
                checked[name] = await _converted(value, parameter.annotation)
            except ValidationError:
                faults.append(Fault(name, "", _shown(value), f"give {wanted(parameter.annotation)}"))
            except UnknownBlockType:
                faults.append(
                    Fault(
                        name,
                        "",
                        "",
                        "run pip install --editable '.[aws]' in the checkout: it is a block of prefect-aws",
                    )
                )
            except ValueError:
                remedy = "the saved block is gone or cannot be read: choose another, or save it again"
                faults.append(Fault(name, "", "", remedy))
    if faults:
        raise ParametersRefused(flow, tuple(faults))
    return checked


def _faults_of_more(given: Mapping[str, Any], known: Mapping[str, inspect.Parameter]) -> Iterator[Fault]:
    more = given.get(MORE) or {}
    if not isinstance(more, Mapping):
        yield Fault(MORE, "", format_value(more), "give an object of parameters, or leave it out")
        return
    for name in more.keys() & known.keys() & given.keys():
        if more[name] is not None and given[name] not in (more[name], known[name].default):
            yield Fault(name, "", "", f"given twice, here and in {MORE}: keep one")


async def _converted(value: object, annotation: Any) -> object:  # noqa: ANN401 - any type
    if isinstance(value, Mapping) and _REFERENCE in value and _blocks_of(annotation):
        with asking_prefect():
            value = await Block.aload_from_ref(value[_REFERENCE])
    adapter: TypeAdapter[object] = TypeAdapter(annotation)
    return adapter.validate_python(value)


def _unknown(name: str, known: Iterable[str]) -> str:
    if closest := meant(name, known):
        return f"not a parameter: did you mean {closest}?"
    return f"not a parameter: remove it; the parameters are {', '.join(known)}"


def _shown(value: object) -> str:
    """Return a value as it looks in JSON, or nothing if it holds a URL with credentials."""
    return "" if any(credentials_in(plain_json(value))) else format_value(value)


def wanted(annotation: Any) -> str:  # noqa: ANN401 - any type
    """Describe the values that a parameter takes, such as ``a whole number, at least 1, at most 100``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        facts = [fact for each in arguments[1:] if isinstance(each, FieldInfo) for fact in each.metadata]
        bounds = [
            f", {words} {getattr(fact, bound):g}"
            for fact in facts
            for bound, words in _BOUNDS.items()
            if hasattr(fact, bound)
        ]
        return wanted(arguments[0]) + "".join(bounds)
    if origin in {Union, UnionType}:
        return ", or ".join(dict.fromkeys(wanted(each) for each in arguments if each is not NoneType))
    kind = origin or annotation
    return f"a saved {kind.get_block_type_name()}" if is_block(kind) else _NAMES[kind]


def _blocks_of(annotation: Any) -> list[type[Block]]:  # noqa: ANN401 - any type
    if is_block(annotation):
        return [annotation]
    return [block for each in get_args(annotation) for block in _blocks_of(each)]
