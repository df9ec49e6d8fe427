"""Check when a run's status is sent to its feed of events."""

from tasks.status import StatusFeed


def test_a_status_is_sent_every_five_minutes_and_once_a_wait_has_begun_or_ended_for_good() -> None:
    now, sent = 0.0, []
    feed = StatusFeed(lambda event, status: sent.append((now, event, status)), clock=lambda: now)
    for now in range(0, 2000, 2):
        waits = 100 <= now < 110 or 200 <= now < 1200
        feed.note("waits" if waits else "renders", waits=waits)
    assert sent == [
        (216, "run.waiting", "waits"),
        (516, "run.waiting", "waits"),
        (816, "run.waiting", "waits"),
        (1116, "run.waiting", "waits"),
        (1216, "run.working", "renders"),
        (1516, "run.working", "renders"),
        (1816, "run.working", "renders"),
    ]
