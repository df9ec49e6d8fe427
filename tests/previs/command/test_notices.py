"""previs notices sends a test to each service of a saved block, and says what became of it."""

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.notices import Notices
from previs.command.notices import send_test
from previs.errors import NoticesRefused
from tests.previs.notifications.test_services import SECRET, receiver


async def test_each_service_gets_a_test_and_a_line(
    prefect_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in prefect_environment.items():
        monkeypatch.setenv(name, value)
    async with receiver() as heard, receiver(403) as other:
        urls = [f"json://{heard.host}/{SECRET}", f"json://{other.host}/{SECRET}?retry=0"]
        with temporary_settings({PREFECT_API_URL: prefect_environment["PREFECT_API_URL"]}):
            await Notices(urls=urls, language="zh").asave("crew")  # type: ignore[arg-type]
        assert await send_test("crew") == 1
        with pytest.raises(NoticesRefused, match="no block Storyboard Notices is saved as 'nobody'"):
            await send_test("nobody")
    assert [each["title"] for each in (*heard.bodies, *other.bodies)] == ["previs：这是测试通知"] * 2
    assert [len(each["attachments"]) for each in heard.bodies] == [1]
    out, err = capfd.readouterr()
    assert out == "1. JSON (json://): sent\n"
    assert err.startswith("2. JSON (json://): not sent: ")
    assert "error=403" in err
    assert SECRET not in out + err
