"""Check the order of a take's frames: the shot's frame first."""

from previs.comfyui.protocol.graph import Graph
from previs.planning.frame_order import shown_first
from previs.records.takes import Frame
from tests.previs.workflow.detection.test_saves import case

FREE: Graph = {
    node: {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": [f"1{node}", 0]}} for node in "123"
} | {f"1{node}": {"class_type": "LoadImage", "inputs": {"image": f"{node}.png"}} for node in "123"}


def frame(node: str | None, width: int | None = 64, media_type: str = "image/png", name: str = "") -> Frame:
    return Frame(key=name, sha256="", size=1, media_type=media_type, width=width, height=width, node=node)


def test_the_final_picture_comes_before_the_draft_even_if_that_is_larger() -> None:
    draft, final = frame("9", 4096), frame("12", 1024)
    assert shown_first(case("hires_two_saves"), [draft, final]) == (final, draft)


def test_of_equals_the_largest_comes_first_and_a_batch_stays_together_in_its_order() -> None:
    small, first, second = frame("1", 512), frame("2", 1024, name="1"), frame("2", 768, name="2")
    assert shown_first(FREE, [small, first, second]) == (first, second, small)


def test_equals_of_one_size_keep_their_order() -> None:
    frames = (frame("2"), frame("1"), frame("3"))
    assert shown_first(FREE, frames) == frames


def test_a_sound_comes_last() -> None:
    sound, picture = frame("1", None, "audio/flac"), frame("2")
    assert shown_first(FREE, [sound, picture]) == (picture, sound)


def test_frames_of_earlier_records_keep_their_order() -> None:
    frames = (frame(None, 8), frame(None, 1024))
    assert shown_first(FREE, frames) == frames


def test_frames_of_nodes_that_the_graph_does_not_name_come_after_the_others() -> None:
    unknown, known = frame("1.0.0.2", 1024), frame("1", 64)
    assert shown_first(FREE, [unknown, known]) == (known, unknown)
