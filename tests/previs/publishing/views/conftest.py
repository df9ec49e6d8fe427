import base64
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace

import pytest
from PIL import Image

from previs.records.manifest import Manifest, PassEntry, ShotEntry, TakeEntry
from previs.records.takes import Attempt, Frame


def data_uri(colour: str, size: tuple[int, int] = (320, 180), *, noise: bool = False) -> str:
    picture = Image.effect_noise(size, 90).convert("RGB") if noise else Image.new("RGB", size, colour)
    packed = BytesIO()
    picture.save(packed, "PNG")
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"


def frame_of(name: str = "a.png", media_type: str = "image/png", **fields: object) -> Frame:
    known = {
        "key": f"frames/aa/{name}",
        "sha256": "aa",
        "size": 3,
        "media_type": media_type,
        "width": 1024,
        "height": 576,
    }
    return Frame(**(known | fields))


def take_of(take: int = 1, **fields: object) -> TakeEntry:
    known: dict[str, object] = {
        "take": take,
        "outcome": "rendered",
        "fingerprint": "f" * 64,
        "seed": 7,
        "server": "http://render-01:8188",
        "seconds": 12.34,
        "frames": (frame_of(),),
    }
    return TakeEntry(**(known | fields))


def pass_of(name: str = "finish", take: int = 1, **fields: object) -> PassEntry:
    return PassEntry(name=name, **(dict(take_of(take)) | fields))


def failed_take(error: str, take: int = 1) -> TakeEntry:
    return take_of(take, outcome="failed", frames=(), error=error, seconds=None, server=None)


def skipped_take(before: str = "SH010", take: int = 1) -> TakeEntry:
    return failed_take(f"{before}, which it builds on, has no frame", take).model_copy(update={"outcome": "skipped"})


def attempt_of(error: str = "http://render-02:8188 is lost", **fields: object) -> Attempt:
    known = {"at": datetime(2026, 10, 31, 17, 41, tzinfo=UTC), "server": "http://render-02:8188", "error": error}
    return Attempt(**(known | fields))


def shot_of(shot_id: int | str = "SH010", **fields: object) -> ShotEntry:
    known: dict[str, object] = {
        "shot_id": shot_id,
        "success": True,
        "image_url": None,
        "prompt": "a lamp",
        "duration": 3.0,
        "shot": {},
        "takes": (take_of(),),
    }
    return ShotEntry(**(known | fields))


def board_of(*shots: ShotEntry, **fields: object) -> Manifest:
    known: dict[str, object] = {
        "board": "night",
        "run": "r1",
        "started": datetime(2026, 10, 31, 17, 40, tzinfo=UTC),
        "finished": datetime(2026, 10, 31, 17, 44, 12, tzinfo=UTC),
        "workflow": {},
        "shots": shots,
    }
    return Manifest(**(known | fields))


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """What tests build boards from."""
    return SimpleNamespace(
        frame=frame_of,
        take=take_of,
        made_pass=pass_of,
        failed=failed_take,
        skipped=skipped_take,
        attempt=attempt_of,
        shot=shot_of,
        board=board_of,
        data_uri=data_uri,
    )
