"""Define the records of reviews: what people said of the shots of a board, and the guest links."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from previs.records.model import Record
from previs.records.takes import Items

Kind = Literal["approve", "again", "withdraw", "circle", "comment", "resolve", "reopen"]
Right = Literal["look", "comment", "decide"]

RIGHTS: Final[tuple[Right, ...]] = ("look", "comment", "decide")
"""Rights of a guest; each includes those before it."""

MOST_NAME: Final = 60
MOST_TEXT: Final = 20_000

PersonName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_NAME)]


class ReviewEvent(Record):
    """Record one thing that a person did to a shot; kept at reviews/BOARD/SHOT/NUMBER.json and never changed."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: Literal["previs.review/1"] = Field(
        "previs.review/1", alias="schema", title="Schema", description="Name and version of this format."
    )
    shot_id: str = Field(title="Shot ID", max_length=10_000, description="The shot's ID as text.")
    number: int = Field(ge=1, description="Number of the event within the shot, from 1; no two events have the same.")
    kind: Kind = Field(
        description=(
            "Either approve, again (render the shot again), withdraw (a decision), circle (a take, or none), comment, "
            "resolve or reopen (a comment)."
        )
    )
    at: AwareDatetime = Field(description="When, by the clock of the machine that served the page.")
    by: PersonName = Field(description="Name of the person, as given by the person or by the guest link.")
    guest: str | None = Field(default=None, description="ID of the guest link; null for people with the password.")
    run: str = Field(description="Run that the person saw.")
    take: int | None = Field(default=None, description="Number of the take that it is about; null if about none.")
    pass_name: str = Field(default="", description="Name of the pass that it is about; empty for a take.")
    picture: str | None = Field(
        default=None, description="SHA-256 of the first frame of that take or pass; null if it had none."
    )
    text: str = Field(
        default="", max_length=MOST_TEXT, description="The comment, or the new prompt; empty for the same prompt."
    )
    about: int | None = Field(default=None, description="Number of the comment that is resolved or reopened.")
    known: Items[str] = Field(
        default=(), description="Of again: first digits of the SHA-256 of the shot's frames, to recognise new ones."
    )
    nonce: str = Field(default="", description="Unique text by which its writer recognises it.")


class GuestLink(Record):
    """Record a guest link; kept at guests/ID.json. The link's secret is not in it."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: Literal["previs.guest/1"] = Field(
        "previs.guest/1", alias="schema", title="Schema", description="Name and version of this format."
    )
    id: str = Field(title="ID", description="First 32 digits of the SHA-256 of the secret, hexadecimal.")
    secret_sha256: str = Field(title="Secret SHA-256", description="SHA-256 of the link's secret, hexadecimal.")
    name: PersonName = Field(description="Name of the guest.")
    boards: Items[str] = Field(description="Names of the boards that the guest may see.")
    may: Right = Field(description="Either look, comment, or decide, which includes to comment.")
    created: AwareDatetime = Field(description="When the link was made.")
    ends: AwareDatetime = Field(description="When it ceases to work.")
    revoked: AwareDatetime | None = Field(default=None, description="When it was revoked; null if it was not.")
