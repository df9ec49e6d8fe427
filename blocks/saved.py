"""Load blocks that are saved in Prefect."""

from typing import TypeVar, cast

from prefect.blocks.core import Block
from pydantic import ValidationError

from blocks.asking import asking_prefect
from previs.errors import SourceNotFound

AnyBlock = TypeVar("AnyBlock", bound=Block)


async def saved(kind: type[AnyBlock], name: str) -> AnyBlock | None:
    """Return the block that is saved under a name, or None if there is none.

    Raises:
        SourceNotFound: The saved values are no longer valid; the error does not show them.
        PrefectUnavailable: Prefect's server is unreachable or in trouble.
        PrefectRefused: The server rejects the password.
    """
    try:
        with asking_prefect():
            return cast("AnyBlock", await kind.aload(name))
    except ValueError:
        # Prefect raises it if no such block is saved.
        return None
    except RuntimeError as error:
        # Prefect raises it if the saved values do not fit the type; its cause would show them.
        block = f"the saved block {kind.get_block_type_slug()}/{name}"
        raise SourceNotFound(block, _reasons(error.__cause__)) from None


def _reasons(cause: BaseException | None) -> str:
    if not isinstance(cause, ValidationError):
        return "it does not fit its type; save it again"
    faults = cause.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in faults)
