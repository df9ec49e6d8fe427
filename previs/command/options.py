"""Define option types that several commands share."""

from typing import Annotated

from cyclopts import Parameter, validators

from previs.command.overrides import parse_overrides

Flag = Annotated[bool, Parameter(negative="")]
Landscape = Annotated[bool | None, Parameter(negative="--portrait")]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))]
Runs = Annotated[int, Parameter(validator=validators.Number(gte=1))]
TakeNumber = Annotated[int | None, Parameter(validator=validators.Number(gte=1))]
Days = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=36_500))]
RenderSeconds = Annotated[float, Parameter(validator=validators.Number(gt=0))]
Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]
Names = Annotated[list[str] | None, Parameter(negative="")]
Shots = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
PassName = Annotated[str, Parameter(name="--pass")]
Passes = Annotated[list[str] | None, Parameter(name="--pass", negative="")]
ShotOrList = Annotated[str, Parameter(allow_leading_hyphen=True)]


def _check_overrides(_: object, options: list[str] | None) -> None:
    parse_overrides(options)


Overrides = Annotated[list[str] | None, Parameter(name="--override", negative="", validator=_check_overrides)]
