"""Pass large arguments to tasks."""

from typing import TypeVar, cast

from prefect.utilities.annotations import opaque

Argument = TypeVar("Argument")


def as_is(argument: Argument) -> Argument:
    """Return an argument that Prefect passes to a task without searching it for futures.

    The search is most of the cost of a task call: for a graph of 27 KB, a call takes 40 ms with Prefect 3.8, and 4 ms
    without the search.
    """
    return cast("Argument", opaque(argument))
