"""Declare fields of blocks as Prefect's forms show them well: plain types, without a choice of None."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from prefect.blocks.core import Block, schema_extra
from pydantic import BeforeValidator, Field, SecretStr, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from previs.store.s3_settings import without_blanks

# Prefect's own pictures: it takes only a URL.
LOGOS: Final = (
    "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos"
)

_Given = BeforeValidator(without_blanks)

# Of a union with None, Prefect's forms show a switch between the types. An empty field means None.
Text = Annotated[str | SkipJsonSchema[None], _Given]
Secret = Annotated[SecretStr | SkipJsonSchema[None], _Given]
Required = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
PositiveNumber = Annotated[Annotated[float, Field(gt=0)] | SkipJsonSchema[None], _Given]
Encryption = Annotated[Literal["AES256", "aws:kms", "aws:kms:dsse"] | SkipJsonSchema[None], _Given]


def unset() -> None:
    """Return None, as a default that a form does not show."""


def also_secret(*fields: str) -> Callable[[dict[str, Any], type[Block]], None]:
    """Return a hook for a block's schema that has Prefect hide the values of more fields.

    Prefect finds fields of secrets itself, but shows the values of a dictionary of secrets, and secrets that a block of
    an earlier version left behind.
    """

    def extend(schema: dict[str, Any], model: type[Block]) -> None:
        schema_extra(schema, model)
        schema["secret_fields"] += fields

    return extend
