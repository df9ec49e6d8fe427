"""A cron line or a time zone that cannot be used is refused in one sentence."""

import pytest

from previs.errors import ScheduleRefused
from tasks.schedules import checked_cron


def test_a_schedule_without_a_time_zone_is_in_utc() -> None:
    made = checked_cron("it", "0 3 * * 1-5", None)
    assert (made.cron, made.timezone) == ("0 3 * * 1-5", "Etc/UTC")
    assert checked_cron("it", "@daily", "Europe/Berlin").timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("cron", "timezone", "reason"),
    [
        ("0 3 * *", None, "cron: '0 3 * *' has 4 fields: it needs five: minute, hour"),
        ("0 0 3 * * *", None, "cron: '0 0 3 * * *' has 6 fields"),
        ("", None, "cron: '' has 0 fields"),
        ("0 25 * * *", None, 'cron: Invalid cron string: "0 25 * * *"'),
        ("0 3 * * *", "Europe/Berln", 'timezone: Invalid timezone: "Europe/Berln"'),
    ],
)
def test_a_wrong_cron_line_or_time_zone_is_refused_with_its_value(cron: str, timezone: str | None, reason: str) -> None:
    with pytest.raises(ScheduleRefused) as refused:
        checked_cron("it", cron, timezone)
    assert str(refused.value).startswith(f"it cannot have this schedule: {reason}")
