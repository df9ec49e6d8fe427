"""Define the Prefect block that holds what senders of shot lists may reach."""

from typing import Final, Self

from prefect.blocks.core import Block
from pydantic import Field, model_validator

from previs.ingest.access import Allowed

# The folder comes with the checkout, and holds nothing that is secret.
EXAMPLES: Final = "examples"


class AllowedSources(Block):
    """Hold what paths and URLs in events, forms and inline lists may reach besides public addresses."""

    _block_type_name = "Allowed Sources"
    _block_type_slug = "allowed-sources"
    _description = (
        "Hosts, networks, buckets and folders from which senders of shot lists may have files read, and that they may "
        "choose as farm and store."
    )

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
        description=(
            "s3://bucket or s3://bucket/prefix, besides the store's own: read with the store's credentials, and "
            "written to by a run whose form names it as the store."
        ),
        examples=[["s3://studio-lists/film"]],
    )
    folders: list[str] = Field(
        default_factory=lambda: [EXAMPLES],
        title="Folders",
        description=(
            "Paths on the machine that runs the flow; relative ones are below the checkout. A run's form may name any "
            "of them but examples as the store."
        ),
        examples=[["/mnt/lists"]],
    )
    trust_run_parameters: bool = Field(
        default=False,
        title="Trust run parameters",
        description=(
            "Whether the parameters of a run that somebody starts by hand are the operator's. Those of a run that an "
            "event starts never are."
        ),
    )

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
