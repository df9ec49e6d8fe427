"""Define the Prefect block that holds a webhook: who receives events about boards, signed with which secret."""

from typing import Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, model_validator

from blocks.form_fields import LOGOS, Secret, also_secret, unset
from previs.notifications.events import EventName
from previs.notifications.webhook import EVENTS, WebhookEndpoint, own_header, receiver_url, signing_key


class Webhook(Block):
    """Hold the address of a system without Prefect that receives events about boards."""

    model_config = ConfigDict(hide_input_in_errors=True, json_schema_extra=also_secret("headers.*"))

    # Prefect itself has a block "Webhook".
    _block_type_name = "Storyboard Webhook"
    _block_type_slug = "storyboard-webhook"
    _logo_url = HttpUrl(f"{LOGOS}/webhook.png")
    _documentation_url = HttpUrl(
        "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"
    )
    _description = "A system without Prefect that receives a message by HTTP when a board is ready or a problem occurs."

    url: SecretStr = Field(
        title="Address",
        description="URL to which messages are posted. Kept secret, as some services put their key into it.",
    )
    secret: Secret = Field(
        default_factory=unset,
        title="Signing secret",
        description="whsec_ and base64, or any text of at least 16 bytes. Empty: messages are not signed.",
    )
    events: list[EventName] = Field(
        default=list(EVENTS),
        min_length=1,
        title="Events",
        description="Events that the receiver gets.",
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        title="Headers",
        description="Other headers that the receiver or a proxy needs; their values stay secret.",
    )

    @model_validator(mode="after")
    def _check_receiver(self) -> Self:
        self.receiver()
        return self

    def receiver(self) -> WebhookEndpoint:
        """Return the address, key, headers and events of the webhook."""
        return WebhookEndpoint(
            receiver_url(self.url.get_secret_value()),
            signing_key(self.secret.get_secret_value()) if self.secret is not None else None,
            dict(own_header(name, value.get_secret_value()) for name, value in self.headers.items()),
            frozenset(self.events),
        )
