"""Options that several commands share."""

from typing import Annotated

from cyclopts import Parameter, validators

from previs.command.overrides import overrides_in

Flag = Annotated[bool, Parameter(negative="")]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))]
Runs = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Days = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=36_500))]
Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]
Farm = Annotated[list[str] | None, Parameter(negative="")]
Shots = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


def _readable(_: object, written: list[str] | None) -> None:
    overrides_in(written or ())


Overrides = Annotated[list[str] | None, Parameter(name="--override", negative="", validator=_readable)]
