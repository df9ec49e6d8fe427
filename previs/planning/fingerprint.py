"""Fingerprints, seeds and prompt ids: what makes a take itself, whoever renders it and wherever; pure."""

import hashlib
import json
import uuid
from typing import Any

from previs.comfyui.protocol.graph import Graph
from previs.workflow import without_output_names

# Raised when the same graph would have to be rendered again although nothing in it changed.
_VERSION = 2
# ComfyUI takes seeds to 2^64 - 1, but whatever reads JSON with JavaScript's numbers keeps only 53 bits.
_SEED_BITS = 53
_LARGEST_SEED = (1 << 64) - 1
_NAMESPACE = uuid.UUID("6f1c2b0e-1f0e-5c7e-9f6d-0a3f4f6f0b11")


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """The one way to write a JSON value: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def fingerprint(graph: Graph) -> str:
    """SHA-256 over what decides on the picture, hexadecimal.

    References are in the graph under names made of the hash of their content; titles of nodes and names of output
    files are left out. Whole numbers are one number however they are written: ComfyUI saves 1 as 1.0 into a picture.
    """
    return hashlib.sha256(canonical_json([_VERSION, _with_one_form(without_output_names(graph))])).hexdigest()


def _with_one_form(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _with_one_form(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_one_form(each) for each in value]
    return value


def derived_seed(seedless: str, take: int) -> int:
    """A seed of 53 bits for a take, from the fingerprint of its graph bound with seed 0."""
    digest = hashlib.sha256(f"{seedless}:{take}".encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - _SEED_BITS)


def numbered_seed(seed: int, take: int) -> int:
    """The seed of a take of a shot that has its own: the seed itself for the first, the next ones for the others."""
    return (seed + take - 1) & _LARGEST_SEED


def prompt_id(fingerprint: str, generation: int, *, render_nonce: str = "") -> str:
    """The id under which a take's render is known to every server; UUIDv5.

    Args:
        fingerprint: of the take.
        generation: 0, and one more for each render of it that a server remembers as failed.
        render_nonce: another one for a render that must not be taken for an earlier one.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{fingerprint}:{generation}:{render_nonce}"))
