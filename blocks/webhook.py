"""The webhook: which system is told what happens to boards, and how it knows that it is we who tell it."""

from typing import Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, model_validator

from previs.notifications.events import EventName
from previs.notifications.webhook import EVENTS, WebhookEndpoint, own_header, receiver_url, signing_key


class Webhook(Block):
    """A system without Prefect that is told what happens to boards."""

    model_config = ConfigDict(hide_input_in_errors=True)

    # Prefect has a block "Webhook" of its own.
    _block_type_name = "Storyboard Webhook"
    _block_type_slug = "storyboard-webhook"
    _description = "A system without Prefect that is told by HTTP when a board is ready or something goes wrong."

    url: SecretStr = Field(
        title="Address",
        description=(
            "Where messages are posted to, such as https://pipeline.studio.example/hooks/boards. Kept secret, since "
            "some services have their key in it."
        ),
    )
    secret: SecretStr | None = Field(
        default=None,
        title="Signing secret",
        description="Shared with the receiver: whsec_ with base64 after it, or any other text. Unset, none is signed.",
    )
    events: list[EventName] = Field(
        default_factory=lambda: list(EVENTS),
        min_length=1,
        title="Events",
        description="What the receiver wants to hear of.",
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        title="Headers",
        description="Other headers that the receiver, or a proxy before it, wants to see.",
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        self.receiver()
        return self

    def receiver(self) -> WebhookEndpoint:
        """Where messages go, and which."""
        secret = self.secret.get_secret_value() if self.secret is not None else ""
        return WebhookEndpoint(
            receiver_url(self.url.get_secret_value()),
            # A form leaves an empty text where nothing was given.
            signing_key(secret) if secret else None,
            dict(own_header(name, value.get_secret_value()) for name, value in self.headers.items()),
            frozenset(self.events),
        )
