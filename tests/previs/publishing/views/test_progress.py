import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from previs.publishing.views import Progress, RunningTake, progress_sheet, status_line

COUNT = st.integers(0, 400)
RUNNING = st.builds(
    RunningTake,
    shot_id=st.text(),
    take=st.integers(1, 9),
    server=st.text(),
    step=st.integers(-1, 50),
    steps=st.integers(-1, 40),
)
PROGRESS = st.builds(
    Progress,
    rendered=COUNT,
    cached=COUNT,
    failed=COUNT,
    skipped=COUNT,
    waiting=COUNT,
    running=st.lists(RUNNING, max_size=5).map(tuple),
    elapsed=st.floats(0, 1e6),
    title=st.text(),
    notice=st.text(),
)


def test_a_sheet_shows_counts_times_and_what_each_server_does() -> None:
    running = (
        RunningTake("SH|4", 1, "http://user:secret@render-01:8188", 15, 30),
        RunningTake(5, 2, "http://render-02:8188"),
    )
    sheet = progress_sheet(
        Progress(3, 2, 1, 0, 4, running, elapsed=90, title="夜市", notice="no server answers", joined=1)
    )
    assert "# 夜市" in sheet
    assert "3 rendered · 1 joined · 2 cached · 1 failed · 2 running · 4 waiting" in sheet
    assert "7 of 13 takes" in sheet
    assert "1 min 30 s so far, about 1 min 50 s left" in sheet
    assert "| SH\\|4 | 1 | render-01:8188 | 15/30 |" in sheet
    assert "| 5 | 2 | render-02:8188 | starting |" in sheet
    assert "no server answers" in sheet
    assert "secret" not in sheet


def test_no_remaining_time_is_shown_before_there_is_a_pace() -> None:
    assert "not known yet" in progress_sheet(Progress(cached=5, waiting=5, elapsed=60))


def test_a_run_that_is_done_has_no_time_left_and_a_full_bar() -> None:
    done = Progress(rendered=4, elapsed=10)
    assert done.left == 0
    assert "**100%**" in progress_sheet(done)
    assert "left" not in progress_sheet(done)


def test_skipped_takes_are_settled_and_change_no_pace() -> None:
    before = Progress(rendered=2, failed=1, waiting=6, elapsed=30)
    after = Progress(rendered=2, failed=1, skipped=5, waiting=1, elapsed=30)
    assert (after.total, after.settled, before.left, after.left) == (9, 8, 60, 10)
    assert "1 failed · 5 skipped · 1 waiting" in progress_sheet(after)
    assert "skipped" not in progress_sheet(before)


@pytest.mark.parametrize(("step", "steps", "share"), [(0, 0, 0), (5, 10, 0.5), (12, 10, 1), (-1, 10, 0), (3, -1, 0)])
def test_a_takes_share_is_between_nothing_and_all_of_it(step: int, steps: int, share: float) -> None:
    assert RunningTake(1, 1, "s", step, steps).share == share


@given(PROGRESS)
def test_no_text_breaks_out_of_a_sheet(progress: Progress) -> None:
    sheet = progress_sheet(progress)
    parser = MarkdownIt("commonmark").enable("table")
    tokens = [each for token in parser.parse(sheet) for each in (token, *(token.children or []))]
    tokens = [token for token in tokens if token.content != "<wbr>"]
    assert not {token.type for token in tokens} & {"link_open", "image", "html_inline", "html_block", "fence"}
    assert sum(token.type == "tr_open" for token in tokens) == (len(progress.running) + 1 if progress.running else 0)
    assert sum(token.type == "code_inline" for token in tokens) == 1


@given(PROGRESS)
def test_share_and_time_left_stay_in_their_bounds(progress: Progress) -> None:
    assert 0 <= progress.share <= 1
    assert progress.left is None or progress.left >= 0


def test_many_running_takes_are_cut_with_a_count() -> None:
    sheet = progress_sheet(Progress(running=tuple(RunningTake(n, 1, "http://a", 1, 2) for n in range(60))))
    assert "and 20 more" in sheet


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (
            Progress(rendered=1, waiting=3, notice="no server can be reached"),
            "waits, and no server renders · 1 of 4 takes done · no server can be reached",
        ),
        (
            Progress(rendered=2, waiting=1, running=(RunningTake(1, 1, "http://a"),), elapsed=60, notice="x"),
            "renders 1 take · 2 of 4 takes done · about 1 min left",
        ),
        (Progress(notice="no server can be reached"), "reads the input · no server can be reached"),
        (Progress(), "reads the input"),
        (Progress(cached=3), "publishes the board · 3 of 3 takes done"),
    ],
)
def test_a_status_says_what_the_run_does_or_waits_for(progress: Progress, line: str) -> None:
    assert status_line(progress) == line
