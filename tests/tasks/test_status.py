"""Check when a run's status is sent to its feed of events."""

from tasks.status import StatusFeed


def test_a_status_is_sent_every_five_minutes_and_once_a_wait_has_begun_or_ended_for_good() -> None:
    now, sent = 0.0, []
    feed = StatusFeed(lambda status: sent.append((now, status)), clock=lambda: now)
    for now in range(0, 2000, 2):
        waits = 100 <= now < 110 or 200 <= now < 1200
        feed.note("waits" if waits else "renders", waits=waits)
    assert sent == [
        (216, "waits"),
        (516, "waits"),
        (816, "waits"),
        (1116, "waits"),
        (1216, "renders"),
        (1516, "renders"),
        (1816, "renders"),
    ]
