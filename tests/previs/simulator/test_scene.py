"""The picture of a graph is found by following its links."""

from typing import Any

import pytest

from previs.simulator.scene import Reading, Reference, Scene
from tests.previs.simulator.sessions import text_to_image


def scene(graph: dict[str, Any], node: str = "9") -> Scene:
    return Reading(graph, lambda _: (640, 360)).scene(node)


def with_controlnet() -> dict[str, Any]:
    graph = text_to_image()
    graph["20"] = {"class_type": "LoadImage", "inputs": {"image": "hero.png"}}
    graph["21"] = {"class_type": "Canny", "inputs": {"image": ["20", 0], "low_threshold": 0.4, "high_threshold": 0.8}}
    graph["22"] = {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"positive": ["6", 0], "negative": ["7", 0], "image": ["21", 0], "strength": 0.8},
    }
    graph["3"]["inputs"] |= {"positive": ["22", 0], "negative": ["22", 1]}
    return graph


def with_custom_sampler() -> dict[str, Any]:
    graph = text_to_image()
    graph["3"] = {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {"noise": ["30", 0], "guider": ["31", 0], "sigmas": ["32", 0], "latent_image": ["5", 0]},
    }
    graph["30"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": 77}}
    graph["31"] = {"class_type": "BasicGuider", "inputs": {"model": ["4", 0], "conditioning": ["33", 0]}}
    graph["32"] = {"class_type": "BasicScheduler", "inputs": {"model": ["4", 0], "steps": 9}}
    graph["33"] = {"class_type": "FluxGuidance", "inputs": {"conditioning": ["6", 0], "guidance": 3.5}}
    return graph


def test_size_batch_seed_and_text_come_from_latent_sampler_and_prompt() -> None:
    graph = text_to_image(seed=5, text="雨夜")
    graph["5"]["inputs"] = {"width": 1024, "height": 576, "batch_size": 3}
    assert scene(graph) == Scene(size=(1024, 576), batch=3, seed=5, text="雨夜")


def test_a_reference_of_a_controlnet_is_found_with_strength_and_edges() -> None:
    found = scene(with_controlnet())
    assert found.references == (Reference("hero.png", 0.8, edges=True),)
    assert found.text == "a city"


def test_an_image_to_image_reference_sets_the_size_and_its_strength_comes_from_denoise() -> None:
    graph = text_to_image(denoise=0.6)
    graph["11"] = {"class_type": "LoadImage", "inputs": {"image": "hero.png"}}
    graph["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["11", 0], "vae": ["4", 2]}}
    found = scene(graph)
    assert found.size == (640, 360)
    assert found.file is None
    assert found.references == (Reference("hero.png", pytest.approx(0.4), edges=False),)


def test_samplers_made_of_several_nodes_are_read() -> None:
    graph = with_custom_sampler()
    found = scene(graph)
    assert (found.seed, found.text) == (77, "a city")
    assert Reading(graph, lambda _: (1, 1)).steps("3") == 9


@pytest.mark.parametrize(
    ("class_type", "inputs", "size"),
    [
        ("ImageScale", {"width": 200, "height": 100}, (200, 100)),
        ("ImageScaleBy", {"scale_by": 0.5}, (32, 32)),
        ("ImageUpscaleWithModel", {"upscale_model": ["40", 0]}, (256, 256)),
        ("ImageScaleToTotalPixels", {"megapixels": 1.0}, (1024, 1024)),
        ("ImageScaleToMaxDimension", {"largest_size": 512}, (512, 512)),
    ],
)
def test_scaling_after_the_sampler_changes_the_size(
    class_type: str, inputs: dict[str, Any], size: tuple[int, int]
) -> None:
    graph = text_to_image()
    graph["40"] = {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "4x-UltraSharp.pth"}}
    graph["41"] = {"class_type": class_type, "inputs": {"image": ["8", 0], **inputs}}
    graph["9"]["inputs"]["images"] = ["41", 0]
    assert scene(graph).size == size


def test_values_of_primitive_nodes_are_followed() -> None:
    graph = text_to_image()
    graph["50"] = {"class_type": "PrimitiveInt", "inputs": {"value": 640}}
    graph["51"] = {"class_type": "PrimitiveString", "inputs": {"value": "night"}}
    joined = {"string_a": "a city", "string_b": ["51", 0], "delimiter": ", "}
    graph["52"] = {"class_type": "StringConcatenate", "inputs": joined}
    graph["5"]["inputs"]["width"] = ["50", 0]
    graph["6"]["inputs"]["text"] = ["52", 0]
    found = scene(graph)
    assert (found.size, found.text) == ((640, 64), "a city, night")


def test_a_plain_surface_has_its_colour() -> None:
    graph: dict[str, Any] = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 36, "color": 0xFF8000}}
    }
    assert scene(graph, "1") == Scene(size=(64, 36), color=0xFF8000)
