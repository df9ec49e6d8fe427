"""Define the Prefect block that says who gets notices of boards: chat services and mail."""

import asyncio
from typing import Annotated, Any, Final, Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator, model_validator

from blocks.form_fields import LOGOS
from previs.errors import NoticeNotSent, NoticesRefused
from previs.notifications.notices import NOTICE_EVENTS, NoticeEvent, NoticeLanguage, sample_notice
from previs.notifications.services import Service, service
from previs.publishing.contact_picture import sample_picture

_MOST: Final = 20


class Notices(Block):
    """Hold chat services and mail addresses that are told of boards, as URLs of apprise."""

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Storyboard Notices"
    _block_type_slug = "storyboard-notices"
    _logo_url = HttpUrl(f"{LOGOS}/notify.png")
    _documentation_url = HttpUrl("https://appriseit.com/services/")
    _description = (
        "Chat services and mail that get a message when a board is ready, shots failed, or a run ended early."
    )

    urls: Annotated[list[SecretStr], Field(min_length=1, max_length=_MOST)] = Field(
        title="Services",
        description="URLs of apprise, one for each service, such as slack://… or mailto://…; kept secret.",
    )
    events: list[NoticeEvent] = Field(
        default=list(NOTICE_EVENTS),
        min_length=1,
        title="Events",
        description="board.ready: every shot has its frames. shots.failed: some lack one. run.failed: no board.",
    )
    language: NoticeLanguage = Field(
        default="board",
        title="Language",
        description="board: that of the board's page.",
    )
    picture: bool = Field(
        default=True,
        title="Picture",
        description="Attach a picture of the shots, where the service takes files.",
    )
    signed_link: bool = Field(
        default=False,
        title="Signed link",
        description="For a private bucket: a link that works for everybody who reads the notice, for some days.",
    )

    @field_validator("urls", mode="before")
    @classmethod
    def _drop_blanks(cls, urls: Any) -> Any:  # noqa: ANN401 - whatever is given
        if not isinstance(urls, list):
            return urls
        return [each for each in urls if not isinstance(each, str) or each.strip()]

    @model_validator(mode="after")
    def _check_services(self) -> Self:
        try:
            self.services()
        except NoticesRefused as error:
            raise ValueError(error.reason) from None
        return self

    def services(self) -> list[Service]:
        """Return the services.

        Raises:
            NoticesRefused: apprise cannot use a URL; the error shows its scheme alone.
        """
        return [service(url.get_secret_value()) for url in self.urls]

    async def test(self) -> dict[str, str]:
        """Send a test notice to each service, and return why it was not accepted, by the service's name."""
        picture = sample_picture() if self.picture else None
        notice = sample_notice(self.language, picture)

        async def sent(each: Service) -> str:
            try:
                await each.send(notice)
            except NoticeNotSent as error:
                return error.reason
            return ""

        services = self.services()
        results = await asyncio.gather(*map(sent, services))
        return {
            f"{number}. {each.name}": result
            for number, (each, result) in enumerate(zip(services, results, strict=True), 1)
        }
