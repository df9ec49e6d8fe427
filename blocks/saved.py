"""Blocks that somebody saved in Prefect."""

from typing import TypeVar, cast

from prefect.blocks.core import Block

AnyBlock = TypeVar("AnyBlock", bound=Block)


async def saved(kind: type[AnyBlock], name: str) -> AnyBlock | None:
    """The block that somebody saved under a name; Prefect raises a ``ValueError`` if nobody did."""
    try:
        return cast("AnyBlock", await kind.aload(name))
    except ValueError:
        return None
