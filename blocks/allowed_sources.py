"""Define the Prefect block that holds what senders of shot lists may reach."""

from typing import Final, Self

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, field_validator, model_validator

from blocks.form_fields import LOGOS
from previs.ingest.access import Allowed

# The folder comes with the checkout, and holds nothing that is secret.
EXAMPLES: Final = "examples"


class AllowedSources(Block):
    """Hold what paths and URLs in events, forms and inline lists may reach besides public addresses."""

    _block_type_name = "Allowed Sources"
    _block_type_slug = "allowed-sources"
    _logo_url = HttpUrl(f"{LOGOS}/secret.png")
    _documentation_url = HttpUrl("https://owasp.org/www-community/attacks/Server_Side_Request_Forgery")
    _description = "What senders of shot lists may have read, and choose as farm and store, besides public addresses."

    hosts: list[str] = Field(
        default_factory=list,
        title="Hosts",
        description="Names of hosts, or addresses; *.studio.lan means every host below studio.lan.",
        examples=[["files.studio.lan"]],
    )
    networks: list[str] = Field(
        default_factory=list,
        title="Networks",
        description="Networks such as 10.1.0.0/16, or addresses. Link-local ones only as single addresses.",
        examples=[["10.1.0.0/16"]],
    )
    buckets: list[str] = Field(
        default_factory=list,
        title="Buckets",
        description="s3://bucket/prefix: read with the store's credentials, written to if a run's form names it.",
        examples=[["s3://studio-lists/film"]],
    )
    folders: list[str] = Field(
        default=[EXAMPLES],
        title="Folders",
        description="Paths where the flow runs, or below the checkout; all but examples are also stores.",
        examples=[["/mnt/lists"]],
    )
    trust_run_parameters: bool = Field(
        default=False,
        title="Trust run parameters",
        description="Take what is typed into a run's form as the operator's; an event's never is.",
    )

    @field_validator("hosts", "networks", "buckets", "folders", mode="after")
    @classmethod
    def _drop_blanks(cls, entries: list[str]) -> list[str]:
        # An empty path would be the whole checkout.
        return [stripped for each in entries if (stripped := each.strip())]

    @model_validator(mode="after")
    def _check_allowed(self) -> Self:
        self.allowed()
        return self

    def allowed(self) -> Allowed:
        """Return what senders' addresses may reach besides public ones."""
        return Allowed.of(self.hosts, self.networks, self.buckets, self.folders)

    def allowed_stores(self) -> Allowed:
        """Return which buckets and folders senders may choose as a store; the examples are only read."""
        return Allowed.of([], [], self.buckets, [each for each in self.folders if each.rstrip("/") != EXAMPLES])
