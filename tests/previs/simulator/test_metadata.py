"""A simulated server answers with headers of model files where ComfyUI does (``view_metadata`` in its server.py)."""

from typing import Any

import pytest

from previs.simulator import Simulator
from tests.previs.simulator.sessions import visit

HEADER = {"modelspec.title": "夜 rain", "ss_network_dim": "32"}


def stocked() -> Simulator:
    simulator = Simulator(seconds=0, draw=False, previews=False)
    simulator.metadata |= {
        ("loras", "anime/雨.safetensors"): HEADER,
        ("diffusion_models", "flux.safetensors"): HEADER,
        ("text_encoders", "t5.safetensors"): HEADER,
        ("vae", "empty.safetensors"): {},
        ("vae", "old.ckpt"): HEADER,
        ("vae", "thumbnail.safetensors"): {"modelspec.thumbnail": "x" * (1 << 20)},
    }
    return simulator


@pytest.mark.parametrize("start", ["", "/api"])
@pytest.mark.parametrize(
    ("folder", "name", "told"),
    [
        ("loras", "anime/雨.safetensors", HEADER),
        ("loras", "../loras/../anime/./雨.safetensors", HEADER),
        ("loras", "/anime/雨.safetensors", HEADER),
        ("diffusion_models", "flux.safetensors", HEADER),
        ("unet", "flux.safetensors", HEADER),
        ("clip", "t5.safetensors", HEADER),
        ("vae", "empty.safetensors", {}),
    ],
)
async def test_a_header_is_answered(start: str, folder: str, name: str, told: dict[str, Any]) -> None:
    async with visit(stocked()) as visitor:
        answer = await visitor.http.get(f"{start}/view_metadata/{folder}", params={"filename": name})
    assert (answer.status_code, answer.json()) == (200, told)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("folder", "query"),
    [
        ("loras", {}),
        ("loras", {"filename": ""}),
        ("loras", {"filename": "雨.safetensors"}),
        ("checkpoints", {"filename": "anime/雨.safetensors"}),
        ("nowhere", {"filename": "anime/雨.safetensors"}),
        ("vae", {"filename": "old.ckpt"}),
        ("vae", {"filename": "thumbnail.safetensors"}),
    ],
)
async def test_where_no_header_is_read_the_answer_is_an_empty_404(folder: str, query: dict[str, str]) -> None:
    async with visit(stocked()) as visitor:
        answer = await visitor.http.get(f"/view_metadata/{folder}", params=query)
    assert (answer.status_code, answer.content) == (404, b"")


async def test_a_replaced_file_has_its_new_header_at_once_and_after_a_restart() -> None:
    simulator = stocked()
    asked = "/view_metadata/vae?filename=empty.safetensors"
    async with visit(simulator) as visitor:
        assert (await visitor.http.get(asked)).json() == {}
        simulator.metadata["vae", "empty.safetensors"] = HEADER
        assert (await visitor.http.get(asked)).json() == HEADER
        simulator.restart()
    async with visit(simulator) as visitor:
        assert (await visitor.http.get(asked)).json() == HEADER
