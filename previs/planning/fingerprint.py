"""Compute fingerprints, seeds and prompt ids, which are the same on every machine and in every run; pure."""

import hashlib
import json
import uuid
from typing import Any

from previs.comfyui.protocol.graph import Graph
from previs.workflow import without_output_names

# A higher version renders every graph again, though nothing in it changed.
_VERSION = 2
# ComfyUI accepts seeds up to 2^64 - 1, but JavaScript keeps only 53 bits of a number in JSON.
_SEED_BITS = 53
_LARGEST_SEED = (1 << 64) - 1
_NAMESPACE = uuid.UUID("6f1c2b0e-1f0e-5c7e-9f6d-0a3f4f6f0b11")


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Write a JSON value in one canonical form: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def fingerprint(graph: Graph) -> str:
    """Return the SHA-256 of everything in a graph that decides the picture, in hexadecimal.

    The graph names references by the hash of their content. Titles of nodes and names of output files do not count.
    1 and 1.0 are equal, because ComfyUI saves 1 as 1.0 into a picture.
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
    """Derive a take's seed of 53 bits from the fingerprint of its graph bound with seed 0."""
    digest = hashlib.sha256(f"{seedless}:{take}".encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - _SEED_BITS)


def retry_seed(seedless: str, take: int) -> int:
    """Derive the seed with which frame QC has a take rendered once more."""
    return derived_seed(f"{seedless}:qc", take)


def numbered_seed(seed: int, take: int) -> int:
    """Return the seed of a take if its shot sets one: that seed for take 1, the following numbers for the others."""
    return (seed + take - 1) & _LARGEST_SEED


def prompt_id(fingerprint: str, generation: int, *, render_nonce: str = "") -> str:
    """Return the prompt id of a take's render, the same on every server; a UUIDv5.

    Args:
        fingerprint: Fingerprint of the take.
        generation: 0, plus one for each failed render of the take that a server remembers.
        render_nonce: Text that tells a repeated render from earlier ones.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{fingerprint}:{generation}:{render_nonce}"))
