"""Test how model files are found in graphs, and their hashes in headers."""

import json
from collections.abc import Iterator
from importlib.metadata import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import read_class
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.models import ModelFile, header_hash, model_files
from previs.simulator import VERSIONS
from previs.workflow.formats.editor import classes_in, convert, is_editor_file
from tests.previs.comfyui.graphs import graph
from tests.previs.comfyui.recordings import FOLDER

INFO: dict[str, Any] = json.loads((FOLDER / "object_info.json").read_text("utf-8"))

HASH = "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b"
OTHER = "0f" * 32


def node(class_type: str, **inputs: object) -> Graph:
    return {"1": {"class_type": class_type, "inputs": dict(inputs)}}


def as_texts(made: Graph) -> set[str]:
    return {str(file) for file in model_files(made)}


def test_the_checkpoint_of_a_graph_is_its_one_model_file() -> None:
    assert model_files(graph()) == {ModelFile("checkpoints", "sd_xl_base_1.0.safetensors")}


def declared_in(document: Any) -> Iterator[ModelFile]:
    """Yield the models that a template's nodes declare, with their folders."""
    if isinstance(document, dict):
        for each in document.get("properties", {}).get("models", []) if "widgets_values" in document else []:
            yield ModelFile(each["directory"], each["name"])
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from declared_in(each)


def test_folders_agree_with_comfyuis_own_templates() -> None:
    classes = {name: read_class(name, described) for name, described in INFO.items()}
    found, declared = set[ModelFile](), set[ModelFile]()
    for file in files("comfyui-workflow-templates") or ():
        document = json.loads(file.read_text("utf-8")) if file.match("templates/*.json") else None
        if isinstance(document, dict) and is_editor_file(document) and classes_in(document) <= classes.keys():
            found |= model_files(convert(document, classes, name=file.name).graph)
            declared |= set(declared_in(document))
    names = {file.name for file in declared}
    known = {file for file in found if file.name in names}
    assert len(known) > 50
    assert known - declared == set()


LOADERS = [
    ("AudioEncoderLoader", "audio_encoder_name", "audio_encoders"),
    ("CLIPLoader", "clip_name", "text_encoders"),
    ("CLIPVisionLoader", "clip_name", "clip_vision"),
    ("CheckpointLoader", "ckpt_name", "checkpoints"),
    ("CheckpointLoaderSimple", "ckpt_name", "checkpoints"),
    ("ControlNetLoader", "control_net_name", "controlnet"),
    ("CreateHookLora", "lora_name", "loras"),
    ("CreateHookLoraModelOnly", "lora_name", "loras"),
    ("CreateHookModelAsLora", "ckpt_name", "checkpoints"),
    ("CreateHookModelAsLoraModelOnly", "ckpt_name", "checkpoints"),
    ("DiffControlNetLoader", "control_net_name", "controlnet"),
    ("DualCLIPLoader", "clip_name1", "text_encoders"),
    ("DualCLIPLoader", "clip_name2", "text_encoders"),
    ("GLIGENLoader", "gligen_name", "gligen"),
    ("HypernetworkLoader", "hypernetwork_name", "hypernetworks"),
    ("ImageOnlyCheckpointLoader", "ckpt_name", "checkpoints"),
    ("LoraLoader", "lora_name", "loras"),
    ("LoraLoaderModelOnly", "lora_name", "loras"),
    ("ModelPatchLoader", "name", "model_patches"),
    ("PhotoMakerLoader", "photomaker_model_name", "photomaker"),
    ("QuadrupleCLIPLoader", "clip_name1", "text_encoders"),
    ("QuadrupleCLIPLoader", "clip_name2", "text_encoders"),
    ("QuadrupleCLIPLoader", "clip_name3", "text_encoders"),
    ("QuadrupleCLIPLoader", "clip_name4", "text_encoders"),
    ("StyleModelLoader", "style_model_name", "style_models"),
    ("TripleCLIPLoader", "clip_name1", "text_encoders"),
    ("TripleCLIPLoader", "clip_name2", "text_encoders"),
    ("TripleCLIPLoader", "clip_name3", "text_encoders"),
    ("UNETLoader", "unet_name", "diffusion_models"),
    ("UpscaleModelLoader", "model_name", "upscale_models"),
    ("VAELoader", "vae_name", "vae"),
    ("unCLIPCheckpointLoader", "ckpt_name", "checkpoints"),
]
NO_MODELS = {
    "CheckpointLoader.config_name",  # a .yaml
    "DiffusersLoader.model_path",  # a folder
    *("Load3D.model_file", "Load3DAnimation.model_file"),  # scenes
    *("LoadAudio.audio", "LoadLatent.latent", "LoadVideo.file"),  # of the input folder
}


@pytest.mark.parametrize(("class_type", "name", "folder"), LOADERS)
def test_each_loader_of_the_core_has_its_folder(class_type: str, name: str, folder: str) -> None:
    assert folder in VERSIONS["0.33.0"].folders
    assert as_texts(node(class_type, **{name: "夜/a.safetensors"})) == {f"{folder}/夜/a.safetensors"}


def test_no_loader_of_the_core_is_left_out() -> None:
    """Use a real server with one checkpoint: inputs for files offer an empty choice, or that checkpoint."""
    of_files = {
        f"{class_type}.{name}"
        for class_type, described in INFO.items()
        for section in ("required", "optional")
        for name, (kind, *rules) in described["input"].get(section, {}).items()
        if (rules[0].get("options") if kind == "COMBO" else kind) in ([], ["sd_xl_base_1.0.safetensors"])
        or (class_type, name) == ("VAELoader", "vae_name")
    }
    assert of_files - NO_MODELS == {f"{class_type}.{name}" for class_type, name, _ in LOADERS}


@pytest.mark.parametrize(
    ("class_type", "inputs", "files"),
    [
        ("LTXAVTextEncoderLoader", {"text_encoder": "gemma.safetensors"}, {"text_encoders/gemma.safetensors"}),
        ("LatentUpscaleModelLoader", {"model_name": "x2.safetensors"}, {"latent_upscale_models/x2.safetensors"}),
        ("WanVideoModelLoader", {"model": "wan.safetensors"}, {"diffusion_models/wan.safetensors"}),
        ("WanVideoVAELoader", {"model_name": "wan.safetensors"}, {"vae/wan.safetensors"}),
        ("LoadWanVideoT5TextEncoder", {"model_name": "umt5.safetensors"}, {"text_encoders/umt5.safetensors"}),
        ("WanVideoLoraSelect", {"lora": "rain.safetensors"}, {"loras/rain.safetensors"}),
        ("IPAdapterModelLoader", {"ipadapter_file": "plus.safetensors"}, {"ipadapter/plus.safetensors"}),
        (
            "CR LoRA Stack",
            {"lora_name_1": "a.safetensors", "lora_name_2": "None", "lora_name_3": "b\\c.safetensors"},
            {"loras/a.safetensors", "loras/b\\c.safetensors"},
        ),
        ("Lora Loader Stack (rgthree)", {"lora_01": "a.safetensors"}, {"loras/a.safetensors"}),
        (
            "Power Lora Loader (rgthree)",
            {
                "PowerLoraLoaderHeaderWidget": {"type": "PowerLoraLoaderHeaderWidget"},
                "lora_1": {"on": True, "lora": "a.safetensors", "strength": 1},
                "lora_2": {"on": False, "lora": "b.safetensors", "strength": 1},
                "lora_3": {"lora": "c.safetensors"},
            },
            {"loras/a.safetensors", "loras/c.safetensors"},
        ),
        ("LoraLoader|pysssss", {"lora_name": {"content": "a.safetensors", "image": None}}, {"loras/a.safetensors"}),
    ],
)
def test_custom_loaders_are_known_by_class_or_by_the_names_of_their_inputs(
    class_type: str, inputs: dict[str, object], files: set[str]
) -> None:
    assert as_texts(node(class_type, **inputs)) == files


@pytest.mark.parametrize(
    ("class_type", "inputs"),
    [
        ("FaceDetailer", {"model_name": "face.safetensors"}),
        ("KSampler", {"name": "a.safetensors"}),
        ("CLIPTextEncode", {"text": "lora_name a.safetensors"}),
        ("VAELoader", {"vae_name": "pixel_space"}),
        ("CheckpointLoaderSimple", {"ckpt_name": "v1-5.ckpt"}),
        ("CheckpointLoaderSimple", {"ckpt_name": "V1-5.SAFETENSORS"}),
        ("UnetLoaderGGUF", {"unet_name": "flux.gguf"}),
        ("CheckpointLoaderSimple", {"ckpt_name": ["7", 0]}),
        ("LoraLoader", {"lora_name": {"lora": {"lora": "a.safetensors"}, "content": 5}}),
        ("LoraLoader", {"lora_name": None, "lora": [], "lora_1": {}}),
    ],
)
def test_other_inputs_and_other_kinds_of_files_are_not_model_files(class_type: str, inputs: dict[str, object]) -> None:
    assert model_files(node(class_type, **inputs)) == set()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("a.safetensors"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["on", "lora", "content"]) | st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["lora", "lora_name", "ckpt_name", "model", "text"]) | st.text(), ANYTHING, max_size=4
    )
)
def test_model_files_in_arbitrary_inputs_have_a_folder_and_the_suffix(inputs: dict[str, Any]) -> None:
    for file in model_files({"1": {"class_type": "LoraLoader", "inputs": inputs}}):
        assert file.name.endswith(".safetensors")
        assert file.folder in VERSIONS["0.33.0"].folders


@pytest.mark.parametrize(
    "metadata",
    [
        {"modelspec.hash_sha256": f"0x{HASH}", "modelspec.title": "SDXL"},
        {"modelspec.hash_sha256": f" 0X{HASH.upper()} "},
        {"modelspec.hash_sha256": HASH, "sshs_model_hash": OTHER},
        {"sshs_model_hash": HASH, "sshs_legacy_hash": "8a1f33b2", "ss_network_dim": "32"},
        {"modelspec.hash_sha256": "None", "sshs_model_hash": HASH},
        {"modelspec.hash_sha256": None, "sshs_model_hash": HASH},
        {"modelspec.hash_sha256": f"0x{OTHER}00", "sshs_model_hash": HASH},
    ],
)
def test_a_hash_comes_from_modelspec_or_else_from_kohyas_trainers(metadata: dict[str, object]) -> None:
    assert header_hash(metadata) == HASH


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"format": "pt"},
        {"sshs_legacy_hash": "8a1f33b2"},
        {"modelspec.hash_sha256": "0x"},
        {"modelspec.hash_sha256": int(HASH, 16)},
        {"modelspec.hash_sha256": [HASH]},
        {"modelspec.hash_sha256": HASH[:12]},
        {"modelspec.hash_sha256": HASH.replace("3", "٣")},
        {"hash_sha256": HASH},
    ],
)
def test_a_value_that_is_not_a_sha256_is_not_a_hash(metadata: dict[str, object]) -> None:
    assert header_hash(metadata) is None


@given(st.dictionaries(st.sampled_from(["modelspec.hash_sha256", "sshs_model_hash"]) | st.text(), ANYTHING, max_size=4))
def test_arbitrary_headers_are_read_without_an_error(metadata: dict[str, Any]) -> None:
    assert header_hash(metadata) is None
