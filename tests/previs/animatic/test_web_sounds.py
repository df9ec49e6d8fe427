"""Sounds by URL are fetched as a sender's are, each once, and one that cannot be had costs no film."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from previs.animatic.make import Settings, make
from previs.animatic.timeline import timeline
from previs.animatic.web_sounds import is_url
from previs.ingest.access import Allowed
from previs.ingest.reader import SourceReader
from previs.store import FolderStore, S3Store
from tests.previs.animatic.films import RED, board, loudness, png, still, wav
from tests.previs.comfyui.client.listening import serving_app
from tests.previs.records.published import put_files, sha

CONTENT = png((64, 36), RED)
PICTURE = still(CONTENT)
HERE = Allowed.of([], ["127.0.0.1"], [], [])


@asynccontextmanager
async def sounds(*contents: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    asked: list[str] = []

    async def answer(request: Request) -> Response:
        asked.append(request.url.path)
        return Response(contents[int(request.path_params["number"])], media_type="audio/wav")

    async with serving_app(Route("/{number}.wav", answer)) as url:
        yield url, asked


@pytest.fixture
async def store(folder_store: FolderStore) -> FolderStore:
    await put_files(folder_store, {PICTURE.key: CONTENT})
    return folder_store


async def test_a_sound_is_heard_with_its_shots_and_fetched_once(store: FolderStore, tmp_path: Path) -> None:
    async with sounds(wav(2)) as (url, asked), SourceReader(allowed=HERE) as reader:
        shots = [{}, {"sound": f"{url}/0.wav"}, {"sound": f"{url}/0.wav"}]
        line = timeline(board(PICTURE, PICTURE, PICTURE, shots=shots))
        made = await make(store, line, tmp_path / "out.mp4", reader=reader)
    assert (made.faults, made.notices) == ((), ())
    assert asked == ["/0.wav"]
    heard = loudness(tmp_path / "out.mp4", 0.5)
    assert heard[0] < 5
    assert heard[1] > 30


async def test_what_the_operator_does_not_allow_is_not_asked(store: FolderStore, tmp_path: Path) -> None:
    async with sounds(wav(1)) as (url, asked):
        line = timeline(board(PICTURE, shots=[{"sound": f"{url}/0.wav"}]))
        made = await make(store, line, tmp_path / "out.mp4")
    assert asked == []
    [fault] = made.faults
    assert fault.startswith(f"shot SH01: the sound {url}/0.wav: ")
    assert (tmp_path / "out.mp4").stat().st_size > 0


async def test_what_is_no_sound_and_what_is_gone_are_named(store: FolderStore, tmp_path: Path) -> None:
    async with sounds(b"<html>", b"") as (url, _), SourceReader(allowed=HERE) as reader:
        shots = [{"sound": f"{url}/{name}"} for name in ("0.wav", "1.wav", "gone")]
        line = timeline(board(PICTURE, PICTURE, PICTURE, shots=shots))
        made = await make(store, line, tmp_path / "out.mp4", reader=reader)
    assert [each.partition(": the sound")[0] for each in made.faults] == ["shot SH01", "shot SH02", "shot SH03"]


async def test_a_sound_in_the_store_is_heard(s3_store: S3Store, tmp_path: Path) -> None:
    content = wav(1)
    await put_files(s3_store, {PICTURE.key: CONTENT, f"inputs/{sha(content)}.wav": content})
    shots = [{"sound": s3_store.uri(f"inputs/{sha(content)}.wav")}, {"sound": "s3://another/rain.wav"}]
    made = await make(s3_store, timeline(board(PICTURE, PICTURE, shots=shots)), tmp_path / "out.mp4", Settings())
    assert [each.partition(": the sound")[0] for each in made.faults] == ["shot SH02"]
    assert loudness(tmp_path / "out.mp4", 0.5)[0] > 30


@pytest.mark.parametrize(
    ("sound", "url"),
    [
        ("https://a/b.wav", True),
        ("s3://b/c", True),
        ("rain on https://a", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_urls(sound: str, url: bool) -> None:  # noqa: FBT001 - what is expected
    assert is_url(sound) is url
