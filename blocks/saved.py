"""Blocks that somebody saved in Prefect."""

from typing import TypeVar, cast

from prefect.blocks.core import Block
from pydantic import ValidationError

from blocks.asking import asking_prefect
from previs.errors import SourceNotFound

AnyBlock = TypeVar("AnyBlock", bound=Block)


async def saved(kind: type[AnyBlock], name: str) -> AnyBlock | None:
    """The block that somebody saved under a name; none if nobody did.

    Raises:
        SourceNotFound: what was saved is not in order any more; the sentence shows no values.
        PrefectUnavailable: Prefect's server does not answer.
        PrefectRefused: it wants another password.
    """
    try:
        with asking_prefect():
            return cast("AnyBlock", await kind.aload(name))
    except ValueError:
        # This is how Prefect says that there is none.
        return None
    except RuntimeError as error:
        # And this is how it says that what it has does not fit; the cause shows what was saved.
        place = f"the saved block {kind.get_block_type_slug()}/{name}"
        raise SourceNotFound(place, _reasons(error.__cause__)) from None


def _reasons(cause: BaseException | None) -> str:
    if not isinstance(cause, ValidationError):
        return "it does not fit its type; save it again"
    faults = cause.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in faults)
