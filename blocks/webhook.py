"""Define the Prefect block that holds a webhook: who receives events about boards, signed with which secret."""

from typing import Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, model_validator

from previs.notifications.events import EventName
from previs.notifications.webhook import EVENTS, WebhookEndpoint, own_header, receiver_url, signing_key


class Webhook(Block):
    """Hold the address of a system without Prefect that receives events about boards."""

    model_config = ConfigDict(hide_input_in_errors=True)

    # Prefect itself has a block "Webhook".
    _block_type_name = "Storyboard Webhook"
    _block_type_slug = "storyboard-webhook"
    _description = "A system without Prefect that receives a message by HTTP when a board is ready or a problem occurs."

    url: SecretStr = Field(
        title="Address",
        description=(
            "URL to which messages are posted, such as https://pipeline.studio.example/hooks/boards. Kept secret, as "
            "the URLs of some services contain their key."
        ),
    )
    secret: SecretStr | None = Field(
        default=None,
        title="Signing secret",
        description=(
            "Shared with the receiver: whsec_ and base64, or any other text, of at least 16 bytes. Unset: messages are "
            "not signed."
        ),
    )
    events: list[EventName] = Field(
        default_factory=lambda: list(EVENTS),
        min_length=1,
        title="Events",
        description="Events that the receiver gets.",
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        title="Headers",
        description="Other headers that the receiver, or a proxy before it, needs.",
    )

    @model_validator(mode="after")
    def _check_receiver(self) -> Self:
        self.receiver()
        return self

    def receiver(self) -> WebhookEndpoint:
        """Return the address, key, headers and events of the webhook."""
        secret = self.secret.get_secret_value() if self.secret is not None else ""
        return WebhookEndpoint(
            receiver_url(self.url.get_secret_value()),
            # A form leaves an empty text in a field that is not filled in.
            signing_key(secret) if secret else None,
            dict(own_header(name, value.get_secret_value()) for name, value in self.headers.items()),
            frozenset(self.events),
        )
