"""Check values in uncommon places: frames as a latent's batch, sizes inside loaders, and style nodes of any pack."""

from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.errors import WorkflowFaults
from previs.workflow import PlacedReference, SavedGraph, ShotValues
from previs.workflow.saved import read_graph

SAVE = {"filename_prefix": "x", "images": ["8", 0]}
VIDEO = {"class_type": "VHS_VideoCombine", "inputs": {**SAVE, "frame_rate": 8}}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def read(graph: dict[str, Any], classes: dict[str, NodeClass | None] | None = None) -> SavedGraph:
    return read_graph(graph, name="look.json", known=[], classes=classes)


def values(**given: Any) -> ShotValues:
    return ShotValues(**({"prompt": "fog", "negative_prompt": None, "seed": 5} | given))


class TestFrames:
    @pytest.mark.parametrize(
        ("class_type", "rate", "frames"),
        [
            ("ADE_AnimateDiffLoaderGen1", 8, 24),
            ("ADE_UseEvolvedSampling", 12, 36),
            ("AnimateDiffLoaderV1", 10, 30),
            ("HotshotXLLoader", 8, 24),
        ],
    )
    def test_a_motion_models_frames_are_the_batch(
        self, saved: dict[str, Any], class_type: str, rate: int, frames: int
    ) -> None:
        saved["40"] = node(class_type, model=["4", 0], model_name="mm.ckpt")
        saved["3"]["inputs"]["model"] = ["40", 0]
        saved["9"] = {**VIDEO, "inputs": {**VIDEO["inputs"], "frame_rate": rate}}
        assert read(saved).bind(values(duration=3.0))["5"]["inputs"]["batch_size"] == frames

    def test_a_batch_that_is_played_is_a_video_without_a_motion_model(self, saved: dict[str, Any]) -> None:
        saved["9"], saved["5"]["inputs"]["batch_size"] = VIDEO, 16
        assert read(saved).bind(values(duration=4.0))["5"]["inputs"]["batch_size"] == 32

    def test_one_picture_that_is_played_and_several_that_are_saved_are_no_video(self, saved: dict[str, Any]) -> None:
        assert read(saved | {"9": VIDEO}).bind(values(duration=4.0))["5"]["inputs"]["batch_size"] == 1
        saved["5"]["inputs"]["batch_size"] = 4
        assert read(saved).bind(values(duration=4.0))["5"]["inputs"]["batch_size"] == 4

    def test_frames_without_a_rate_are_said(self, saved: dict[str, Any]) -> None:
        saved["40"] = node("ADE_AnimateDiffLoaderGen1", model=["4", 0])
        saved["3"]["inputs"]["model"] = ["40", 0]
        report = read(saved).report(values(duration=3.0))
        assert "duration is not used: no node of the graph sets the frame rate" in report.notices

    def test_more_frames_than_a_batch_may_have_are_said(self, saved: dict[str, Any]) -> None:
        saved["9"], saved["5"]["inputs"]["batch_size"] = VIDEO, 16
        (said,) = [each for each in read(saved).report(values(duration=600)).notices if "600" in each]
        assert said.endswith("it takes 0.125 to 512 s: 512 s is made")


def loader(**inputs: Any) -> dict[str, Any]:
    held = {"ckpt_name": "a.safetensors", "positive": "a boat", "negative": "text", "batch_size": 1}
    latent = {"empty_latent_width": 512, "empty_latent_height": 512}
    return node("Loader", **{**held, **latent, **inputs})


def with_loader(saved: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    saved["3"]["inputs"] |= {"positive": ["1", 1], "negative": ["1", 2], "latent_image": ["1", 3], "model": ["1", 0]}
    saved["8"]["inputs"]["vae"] = ["1", 4]
    return {"1": made, **{each: saved[each] for each in ("3", "8", "9")}}


RESOLUTIONS = [["width x height (custom)", "512 x 512", "512 x 768"]]
WITH_RESOLUTIONS: dict[str, NodeClass | None] = {
    "Loader": read_class(
        "Loader",
        {
            "input": {
                "required": {
                    "ckpt_name": ["STRING", {}],
                    "positive": ["STRING", {"multiline": True}],
                    "negative": ["STRING", {"multiline": True}],
                    "resolution": RESOLUTIONS,
                    "empty_latent_width": ["INT", {"min": 64, "max": 2048}],
                    "empty_latent_height": ["INT", {"min": 64, "max": 2048}],
                }
            },
            "output": ["MODEL", "CONDITIONING", "CONDITIONING", "LATENT", "VAE"],
        },
    )
}


class TestSizes:
    @pytest.mark.parametrize("names", [("width", "height"), ("empty_latent_width", "empty_latent_height")])
    def test_a_loaders_latent_takes_the_size(self, saved: dict[str, Any], names: tuple[str, str]) -> None:
        plain = {"ckpt_name": "a.safetensors", "positive": "a boat", "negative": "text"}
        graph = with_loader(saved, node("Loader", **plain, **dict.fromkeys(names, 512)))
        made = read(graph).bind(values(width=768, height=512))
        assert [made["1"]["inputs"][name] for name in names] == [768, 512]

    @pytest.mark.parametrize(
        ("width", "height", "resolution", "latent"),
        [
            (512, 768, "512 x 768", (512, 512)),
            (640, 384, "width x height (custom)", (640, 384)),
            (512, 512, "512 x 512", (512, 512)),
        ],
    )
    def test_a_loader_that_reads_its_size_only_for_one_choice_gets_that_choice(
        self, saved: dict[str, Any], width: int, height: int, resolution: str, latent: tuple[int, int]
    ) -> None:
        graph = with_loader(saved, loader(resolution="512 x 512"))
        made = read(graph, WITH_RESOLUTIONS).bind(values(width=width, height=height))["1"]["inputs"]
        assert made["resolution"] == resolution
        assert (made["empty_latent_width"], made["empty_latent_height"]) == latent

    def test_a_size_beyond_a_loaders_bounds_is_refused(self, saved: dict[str, Any]) -> None:
        graph = with_loader(saved, loader(resolution="512 x 512"))
        with pytest.raises(WorkflowFaults, match="512x512, 512x768 or 64 to 2048 by 64 to 2048"):
            read(graph, WITH_RESOLUTIONS).bind(values(width=4096, height=512))


def style_class(name: str, **inputs: Any) -> dict[str, NodeClass | None]:
    return {name: read_class(name, {"input": {"required": inputs}, "output": ["MODEL"], "output_name": ["model"]})}


class TestStyle:
    @pytest.mark.parametrize(
        ("class_type", "name"),
        [
            ("StyleReferenceApply", "image"),
            ("ReduxAdvanced", "image"),
            ("ApplyVisualStyle", "reference"),
            ("MyLook", "style_image"),
            ("Shift Style (Pro)", "ref_style"),
        ],
    )
    def test_a_picture_at_a_style_node_of_any_pack_is_a_style(
        self, saved: dict[str, Any], class_type: str, name: str
    ) -> None:
        saved["20"] = node(class_type, model=["4", 0], weight=0.8, **{name: ["21", 0]})
        saved["21"] = node("LoadImage", image="mood.png")
        saved["3"]["inputs"]["model"] = ["20", 0]
        workflow = read(saved, style_class(class_type, model=["MODEL"], **{name: ["IMAGE"]}))
        look = PlacedReference("look.png", "look", strength=0.5, role="style")
        made = workflow.bind(values(references=(look,)))
        assert made["21"]["inputs"]["image"] == "look.png"
        assert made["20"]["inputs"]["weight"] == 0.5

    def test_the_picture_that_a_style_is_put_on_is_no_style(self, saved: dict[str, Any]) -> None:
        saved["20"] = node("StyleTransfer", image=["21", 0], style_image=["22", 0])
        saved |= {each: node("LoadImage", image=f"{each}.png") for each in ("21", "22")}
        saved["23"] = node("VAEEncode", pixels=["20", 0], vae=["4", 2])
        saved["3"]["inputs"] |= {"latent_image": ["23", 0], "denoise": 0.5}
        roles = {each.node_id: each.role for each in read(saved).bindings if each.what == "reference"}
        assert roles == {"21": "start", "22": "style"}
