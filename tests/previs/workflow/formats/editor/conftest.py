"""Provide a server's node classes, and files that ComfyUI's editor saved."""

import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from tests.previs.workflow.formats.editor.drawings import Drawing


@pytest.fixture
def drawing() -> Drawing:
    """Return an empty file."""
    return Drawing()


def _choices(*names: str) -> list[Any]:
    return [list(names), {}]


@pytest.fixture(scope="session")
def classes(object_info: dict[str, Any]) -> Mapping[str, NodeClass]:
    """Return a real server's classes, with some of custom node packs and newer servers."""
    custom = {
        "Seeder": {"required": {"amount": ["INT", {"min": 1}], "mode": _choices("fixed", "free")}},
        "Uploader": {
            "required": {"image": [["hero"], {"image_upload": True}], "size": ["INT", {}]},
            "optional": {"label": ["STRING", {}]},
        },
        "Forced": {"required": {"key": ["STRING", {"forceInput": True}], "count": ["INT", {}], "text": ["STRING", {}]}},
        "VHS_VideoCombine": {
            "required": {
                "images": ["IMAGE"],
                "frame_rate": ["FLOAT", {"default": 8}],
                "format": _choices("video/h264-mp4"),
            }
        },
        "Models": {"required": {"name": [["a.safetensors"], {}], "kind": _choices("default", "fp8")}},
        "Lists": {"required": {"tags": ["COMBO", {"options": ["a", "b"], "multiselect": True}]}},
        "Growing": {"required": {"model": ["COMFY_DYNAMICCOMBO_V3", {"options": []}], "seed": ["INT", {}]}},
        "Batch": {"required": {"images": ["COMFY_AUTOGROW_V3", {}]}},
        "Camera": {"required": {"image": ["WEBCAM", {}]}},
        "Chooser": {
            "required": {
                "kind": ["COMBO", {"options": ["x", "y"], "control_after_generate": True}],
                "name": ["STRING", {}],
            }
        },
        "Noise": {"required": {"seed": ["INT", {}], "mode": _choices("free", "fixed")}},
        "Remote": {"required": {"kind": _choices("x", "y"), "shown": ["BOOLEAN", {}]}},
        "Pair": {"required": {"one": ["INT", {}], "other": ["INT", {}]}},
        "Power Lora Loader (rgthree)": {"required": {}, "optional": {"model": ["MODEL"], "clip": ["CLIP"]}},
        "Painted": {"required": {"paint": ["PAINT_BOX", {}], "size": ["INT", {}]}},
    }
    custom_info = {name: {"input": inputs, "output": ["*"], "output_name": ["*"]} for name, inputs in custom.items()}
    return {name: read_class(name, each) for name, each in (object_info | custom_info).items()}


@pytest.fixture(scope="session")
def templates() -> Mapping[str, dict[str, Any]]:
    """Return the workflow files of ComfyUI's own templates, by name."""
    files = importlib.metadata.files("comfyui-workflow-templates") or []
    return {
        each.name: json.loads(each.locate().read_text("utf-8"))
        for each in sorted(files)
        if each.suffix == ".json" and not each.name.startswith("index.")
    }
