"""Say where the relative names in a list or workflow lead, and whose they are; pure."""

from dataclasses import dataclass

from previs.store import Store, keys
from previs.store.addresses import base_of, kind_of

_NO_BASE = "data:"


@dataclass(frozen=True, slots=True)
class Base:
    """Hold the base of relative names in a list or workflow.

    Attributes:
        uri: Path or URL of the folder.
        inline: Whether the list or workflow was sent inline, and so may name no local file outside the folder.
        sender: Whether what the list or workflow names counts as named by a sender.
        resolved: Whether the names are full paths and URLs already.
        beside: URL of the operator whose host a sender's names may reach too.
    """

    uri: str
    inline: bool
    sender: bool = False
    resolved: bool = False
    beside: str | None = None


def base_at(uri: str, given: Base) -> Base:
    """Return the base of a document; one from the web is nobody's own, and what it names is a sender's."""
    if kind_of(uri) == "http" and not given.sender:
        return Base(base_of(uri), inline=False, sender=True, beside=uri)
    return Base(base_of(uri), inline=False, sender=given.sender)


def inline_base(store: Store | None) -> Base:
    """Return the base of what was sent inline: the folder of references in the store."""
    return Base(store.uri(keys.REFERENCES) if store else _NO_BASE, inline=True)
