"""Describe the versions of ComfyUI that a simulator can be: what each answers, and how they differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

VersionName = Literal["0.3.64", "0.33.0"]

OLDEST: VersionName = "0.3.64"

_MEMORY = 24 * 1024**3

_FEATURES: dict[str, Any] = {"supports_preview_metadata": True, "max_upload_size": 100 * 1024 * 1024}
_FEATURES_0_33: dict[str, Any] = {
    "supports_preview_metadata": True,
    "supports_model_type_tags": True,
    "max_upload_size": _FEATURES["max_upload_size"],
    "extension": {"manager": {"supports_v4": True}},
    "node_replacements": True,
    "assets": False,
}

_FOLDERS = (
    *("checkpoints", "configs", "loras", "vae", "text_encoders", "diffusion_models", "clip_vision", "style_models"),
    *("embeddings", "diffusers", "vae_approx", "controlnet", "gligen", "upscale_models", "custom_nodes"),
    *("hypernetworks", "photomaker", "classifiers", "model_patches", "audio_encoders"),
)
_FOLDERS_0_33 = (
    *("checkpoints", "configs", "loras", "vae", "text_encoders", "diffusion_models", "clip_vision", "style_models"),
    *("embeddings", "diffusers", "vae_approx", "controlnet", "gligen", "upscale_models", "latent_upscale_models"),
    *("custom_nodes", "datasets", "hypernetworks", "photomaker", "classifiers", "model_patches", "audio_encoders"),
    *("background_removal", "frame_interpolation", "geometry_estimation", "optical_flow", "detection"),
)

_PACKAGES_0_33 = {
    "comfyui-frontend-package": "1.49.6",
    "comfyui-workflow-templates": "0.11.44",
    "comfyui-embedded-docs": "0.5.10",
    "comfy-kitchen": "0.2.31",
    "comfy-aimdo": "0.4.13",
}


@dataclass(frozen=True, slots=True)
class Version:
    """Represent one version of ComfyUI.

    Attributes:
        features: Answer to ``/features``, and the feature flags that the WebSocket sends.
        folders: Answer to ``/models``.
        system_stats: Answer to ``/system_stats``.
        object_info: Name of the bundled file with the node classes.
        has_jobs: Whether it answers ``/api/jobs`` and adds ``create_time`` to a prompt's extra data.
        takes_only_uuids: Whether it refuses a ``prompt_id`` that is not a canonical lower-case UUID.
        names_missing_nodes: Whether a refusal names a node class that is not installed (``missing_node_type``). Such a
            version fails with 500 for a node that is no object: an editor's file. Others answer ``invalid_prompt``.
    """

    features: Mapping[str, Any]
    folders: tuple[str, ...]
    system_stats: Mapping[str, Any]
    object_info: str
    has_jobs: bool
    takes_only_uuids: bool
    names_missing_nodes: bool


def _system_stats(name: VersionName, frontend: str, templates: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    device = {"name": "simulated", "type": "cpu", "index": None, "vram_total": _MEMORY, "vram_free": _MEMORY // 2}
    return {
        "system": {
            "os": "posix",
            "ram_total": _MEMORY,
            "ram_free": _MEMORY // 2,
            "comfyui_version": name,
            "required_frontend_version": frontend,
            "installed_templates_version": templates,
            "required_templates_version": templates,
            **more,
            "python_version": "3.11 (simulated)",
            "pytorch_version": "none (simulated)",
            "embedded_python": False,
            "argv": ["previs", "simulate"],
        },
        "devices": [{**device, "torch_vram_total": _MEMORY, "torch_vram_free": _MEMORY // 2}],
    }


def _packages() -> list[dict[str, str]]:
    return [{"name": name, "installed": number, "required": number} for name, number in _PACKAGES_0_33.items()]


VERSIONS: Mapping[VersionName, Version] = {
    "0.3.64": Version(
        features=_FEATURES,
        folders=_FOLDERS,
        system_stats=_system_stats("0.3.64", "1.27.10", "0.1.95"),
        object_info="object_info.json",
        has_jobs=False,
        takes_only_uuids=False,
        names_missing_nodes=False,
    ),
    "0.33.0": Version(
        features=_FEATURES_0_33,
        folders=_FOLDERS_0_33,
        system_stats=_system_stats(
            "0.33.0", "1.49.6", "0.11.44", comfy_package_versions=_packages(), deploy_environment="local-git"
        ),
        object_info="object_info-0.33.0.json.gz",
        has_jobs=True,
        takes_only_uuids=True,
        names_missing_nodes=True,
    ),
}
