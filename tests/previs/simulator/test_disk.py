"""Files get ComfyUI's names, and no path leads out of its folder."""

import posixpath
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.simulator.disk import Disk, OutsideError, leads_out, media_type


def test_outputs_are_numbered_by_prefix_and_go_into_its_subfolder() -> None:
    disk = Disk(keep=10)
    names = [disk.save("output", "boards/第1场/shot", "png", b"x") for _ in range(2)]
    assert names[1] == {"filename": "shot_00002_.png", "subfolder": "boards/第1场", "type": "output"}
    assert disk.read("output", "boards/第1场/shot_00002_.png")


@pytest.mark.parametrize("prefix", ["../shot", "/shot", "a/../../shot"])
def test_a_prefix_that_leads_out_of_the_folder_is_refused(prefix: str) -> None:
    with pytest.raises(OutsideError, match="not allowed"):
        Disk(keep=10).save("output", prefix, "png", b"x")


def test_the_oldest_files_are_dropped() -> None:
    disk = Disk(keep=2)
    for number in range(4):
        disk.write("output", f"{number}.png", b"x")
    assert list(disk.files["output"]) == ["2.png", "3.png"]


def test_numbers_continue_after_the_files_of_an_earlier_server(tmp_path: Path) -> None:
    Disk(keep=1, root=tmp_path).save("output", "shot", "png", b"old")
    again = Disk(keep=1, root=tmp_path)
    assert again.save("output", "shot", "png", b"new")["filename"] == "shot_00002_.png"
    assert (tmp_path / "output" / "shot_00001_.png").read_bytes() == b"old"


def test_a_file_can_be_loaded_from_another_folder_by_its_annotation() -> None:
    disk = Disk(keep=2)
    disk.write("output", "shot_00001_.png", b"x")
    assert "shot_00001_.png [output]" in disk
    assert "shot_00001_.png" not in disk


def test_only_images_in_the_input_folder_itself_are_offered(tmp_path: Path) -> None:
    for disk in (Disk(keep=5), Disk(keep=5, root=tmp_path)):
        for path in ("b.png", "a.jpg", "notes.txt", "storyboard/c.png"):
            disk.write("input", path, b"x")
        assert disk.images() == ["a.jpg", "b.png"]


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "b", ""]), max_size=6))
def test_a_path_leads_out_if_and_only_if_it_leaves_its_folder(parts: list[str]) -> None:
    path = "/".join(parts)
    whole = posixpath.normpath(posixpath.join("/folder", path))
    assert leads_out(posixpath.normpath(path)) == (not f"{whole}/".startswith("/folder/"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.PNG", "image/png"), ("a.webp", "image/webp"), ("a.mp4", "video/mp4"), ("a", "application/octet-stream")],
)
def test_the_media_type_depends_on_the_extension(name: str, kind: str) -> None:
    assert media_type(name) == kind
