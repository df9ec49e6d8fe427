"""Define the Prefect block that holds a farm: its ComfyUI servers and how to reach them."""

from typing import Annotated, Self

from prefect.blocks.core import Block
from pydantic import AfterValidator, ConfigDict, Field, HttpUrl, SecretStr, model_validator

from blocks.form_fields import PositiveNumber, Secret, Text, also_secret, unset
from previs.comfyui.client.address import LARGEST_FILE, Address, base_url, header
from previs.comfyui.client.tls import Tls
from previs.comfyui.protocol.deadlines import Limits

# Earlier blocks had this field; those values were the defaults.
_SILENCE, _EARLIER_SILENCE_SECONDS, _EARLIER_RENDER_SECONDS = "silence_seconds", 60, 300


class ComfyUIFarm(Block):
    """Hold the addresses and limits of ComfyUI servers that render together."""

    model_config = ConfigDict(hide_input_in_errors=True, json_schema_extra=also_secret("headers.*"))

    _block_type_name = "ComfyUI Farm"
    _block_type_slug = "comfyui-farm"
    _description = "ComfyUI servers that render a storyboard's takes together."
    _logo_url = HttpUrl("https://github.com/Comfy-Org.png")
    _documentation_url = HttpUrl("https://docs.comfy.org")

    servers: list[Annotated[str, AfterValidator(base_url)]] = Field(
        title="Servers",
        description="Base URL of each server, such as http://render-01:8188.",
        min_length=1,
        examples=[["http://127.0.0.1:8188"]],
    )
    token: Secret = Field(
        default_factory=unset,
        title="Bearer token",
        description="For servers behind a proxy: sent as Authorization: Bearer with every request.",
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        title="Headers",
        description="Other headers that a proxy needs with every request; their values stay secret.",
    )
    certificate_authority: Text = Field(
        default_factory=unset,
        title="Certificate authority",
        description="For https with your own certificates: a PEM file's text, or its path where the flow runs.",
    )
    verify_certificates: bool = Field(
        default=True,
        title="Verify certificates",
        description="If turned off, anybody in between can read the token and change the pictures.",
    )
    places: int = Field(
        default=2,
        ge=1,
        le=16,
        title="Places per server",
        description="Prompts in a server's queue: one runs, the others wait.",
    )
    render_seconds: PositiveNumber = Field(
        default_factory=unset,
        title="Longest render",
        description="Seconds for one take. Empty: 30 minutes for images, 4 hours for video and sound, or more.",
    )
    patience_seconds: float = Field(
        default=600, gt=0, title="Patience", description="Seconds to wait while no server can be reached."
    )
    run_seconds: float = Field(
        default=12 * 3600,
        gt=0,
        le=23 * 3600,
        title="Longest run",
        description="Seconds for the whole run; what is done by then is published.",
    )
    frame_gigabytes: float = Field(
        default=LARGEST_FILE / 1e9,
        gt=0,
        title="Largest take",
        description="Gigabytes of the files of one take; a take with more fails.",
    )

    @model_validator(mode="after")
    def _check_headers(self) -> Self:
        self._all_headers()
        return self

    def addresses(self) -> tuple[Address, ...]:
        """Return every server's address, with the headers that a proxy needs and the size of frames.

        Raises:
            FarmRefused: The certificate authority cannot be read.
        """
        tls = Tls(self.certificate_authority, self.verify_certificates)
        largest = round(self.frame_gigabytes * 1e9)
        addresses = tuple(Address(url, self._all_headers(), tls, largest) for url in dict.fromkeys(self.servers))
        if any(url.startswith("https:") for url in self.servers):
            # Read now, so that a fault stops the run before anything is rendered.
            _ = tls.context
        return addresses

    def _all_headers(self) -> dict[str, str]:
        headers = dict(header(name, value.get_secret_value()) for name, value in self.headers.items())
        if self.token is not None:
            headers |= [header("Authorization", f"Bearer {self.token.get_secret_value().strip()}")]
        return headers

    def limits(self) -> Limits:
        """Return the time limits of a render."""
        return Limits(render=None if self._is_earlier_default else self.render_seconds)

    @property
    def _unknown(self) -> dict[str, object]:
        # Prefect's blocks keep fields that their class does not have, and add one of their own when they are passed on.
        return {name: value for name, value in (self.model_extra or {}).items() if name != "block_type_slug"}

    @property
    def _is_earlier_default(self) -> bool:
        """Return whether the block was saved when 300 s was the default, with that value."""
        return _SILENCE in self._unknown and self.render_seconds == _EARLIER_RENDER_SECONDS

    def notices(self) -> list[str]:
        """Return what a run should report about the block: fields that have no effect."""
        notices = [
            f"{name!r} is no field of a ComfyUI farm block, and has no effect"
            for name in self._unknown
            if name != _SILENCE
        ]
        if self._unknown.get(_SILENCE, _EARLIER_SILENCE_SECONDS) != _EARLIER_SILENCE_SECONDS:
            notices.append(
                f"{_SILENCE} {self._unknown[_SILENCE]} of the farm block has no effect any more: a take renders as "
                "long as its server answers and lists it, at most render_seconds"
            )
        if self._is_earlier_default:
            notices.append(
                f"render_seconds {_EARLIER_RENDER_SECONDS:g} of the farm block is not used, as it was the default when "
                "the block was saved: images may take 30 minutes, video and sound 4 hours; to set a limit, save a new "
                "block, or give the run's render_seconds"
            )
        return notices
