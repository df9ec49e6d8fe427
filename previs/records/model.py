"""Define the model of which all records are."""

from functools import lru_cache

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Represent something that is kept, and never changed.

    A run holds thousands of records, in most of which the same fields are given. pydantic notes these in a set for each
    record, of up to 2 KB; records that have the same fields share one.
    """

    model_config = ConfigDict(frozen=True)

    def model_post_init(self, _: object, /) -> None:
        """Share the set of the fields that are given."""
        object.__setattr__(self, "__pydantic_fields_set__", _shared(frozenset(self.__pydantic_fields_set__)))


# The fields of a record are its reader's to give: a store may hold any number of combinations.
@lru_cache(1_000)
def _shared(fields: frozenset[str]) -> set[str]:
    return set(fields)
