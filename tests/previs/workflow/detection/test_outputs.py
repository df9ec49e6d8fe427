import copy
from collections.abc import Callable
from typing import Any

from previs.workflow import ShotValues, checkpoint_of, read_workflow, with_output_prefix, without_output_names

Write = Callable[..., dict[str, Any]]


def test_every_saving_node_gets_the_prefix_in_a_copy(saved: dict[str, Any], node: Write) -> None:
    saved["10"] = node("SaveAnimatedWEBP", images=["8", 0], filename_prefix="move", fps=6.0)
    before = copy.deepcopy(saved)
    changed = with_output_prefix(saved, "previs/ab12")
    assert saved == before
    assert [changed[i]["inputs"]["filename_prefix"] for i in ("9", "10")] == ["previs/ab12"] * 2
    assert {i: n for i, n in changed.items() if i not in ("9", "10")} == {
        i: n for i, n in saved.items() if i not in ("9", "10")
    }


def test_output_names_and_titles_do_not_affect_the_fingerprint_graph(saved: dict[str, Any]) -> None:
    titled = with_output_prefix(copy.deepcopy(saved), "elsewhere")
    titled["6"]["_meta"] = {"title": "my words"}
    assert without_output_names(titled) == without_output_names(saved)
    assert saved["9"]["inputs"]["filename_prefix"] == "shot"


def test_every_other_value_affects_the_fingerprint_graph(saved: dict[str, Any]) -> None:
    other = copy.deepcopy(saved)
    other["3"]["inputs"]["steps"] = 21
    assert without_output_names(other) != without_output_names(saved)


def test_the_checkpoint_of_settings_is_found() -> None:
    graph = read_workflow({"checkpoint": "a.safetensors"}, name="x").bind(ShotValues("p", None, 1))
    assert checkpoint_of(graph) == "a.safetensors"


def test_the_checkpoint_is_that_of_the_first_sampler(saved: dict[str, Any], node: Write) -> None:
    refiner = copy.deepcopy(saved["3"])
    refiner["inputs"] |= {"model": ["1", 0], "latent_image": ["3", 0]}
    saved["8"]["inputs"]["samples"] = ["2", 0]
    graph = {"1": node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"), "2": refiner, **saved}
    assert checkpoint_of(graph) == "sd_xl_base_1.0.safetensors"


def test_a_diffusion_model_behind_a_lora_and_a_guider_is_found(saved: dict[str, Any], node: Write) -> None:
    saved["1"] = node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default")
    saved["2"] = node("LoraLoaderModelOnly", model=["1", 0], lora_name="ink.safetensors", strength_model=1.0)
    saved["10"] = node("BasicGuider", model=["2", 0], conditioning=["6", 0])
    saved["3"] = node("SamplerCustomAdvanced", guider=["10", 0], latent_image=["5", 0])
    del saved["4"], saved["8"], saved["9"], saved["7"]
    saved["6"]["inputs"] = {"text": "x"}
    assert checkpoint_of(saved) == "flux1-dev.safetensors"


def test_a_graph_without_a_model_has_no_checkpoint(node: Write) -> None:
    assert checkpoint_of({"1": node("EmptyImage", width=64), "2": node("SaveImage", images=["1", 0])}) is None
