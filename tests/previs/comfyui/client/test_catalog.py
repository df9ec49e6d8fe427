"""Test that node classes are requested once, and again after invalidation."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest

from previs.comfyui.client.catalog import Catalog
from previs.comfyui.protocol.requirements import Requirement, requirements_of
from previs.errors import ServerUnavailable, ServerUnreachable
from tests.conftest import Serve
from tests.previs.comfyui.client.clients import api_of
from tests.previs.comfyui.client.http_server import Asked, answering, response
from tests.previs.comfyui.graphs import graph

LOADER = "CheckpointLoaderSimple"
SDXL, FLUX = (Requirement(LOADER, "ckpt_name", f"{name}.safetensors") for name in ("sdxl", "flux"))


@contextlib.asynccontextmanager
async def catalog_of(url: str) -> AsyncIterator[Catalog]:
    async with api_of(url) as api:
        yield Catalog(api)


@contextlib.asynccontextmanager
async def stocked(names: list[str]) -> AsyncIterator[tuple[Catalog, Asked]]:
    """Yield the catalog of a server whose one class loads these checkpoints; the list may change."""

    def answer(line: str) -> bytes:
        rules = {"input": {"required": {"ckpt_name": [names]}}}
        return response(200, {LOADER: rules} if line == f"GET /object_info/{LOADER}" else {})

    async with answering(answer) as (url, asked), catalog_of(url) as catalog:
        yield catalog, asked


async def test_a_simulated_server_lacks_what_it_does_not_offer(simulate: Serve) -> None:
    _, url = await simulate()
    made = graph()
    made["4"]["inputs"]["ckpt_name"] = "flux.safetensors"
    made["10"] = {"class_type": "FaceDetailer", "inputs": {}}
    async with catalog_of(url) as catalog:
        await catalog.learn({node["class_type"] for node in made.values()})
        assert catalog.lacks(requirements_of(made)) == {FLUX, Requirement("FaceDetailer")}
        assert catalog.lacks(requirements_of(graph())) == set()


async def test_nothing_is_lacking_before_classes_are_requested() -> None:
    async with stocked(["sdxl.safetensors"]) as (catalog, _):
        assert catalog.lacks(frozenset({FLUX})) == set()
        assert not catalog.offers_choice(FLUX)
        await catalog.learn({LOADER})
        assert catalog.lacks(frozenset({SDXL, FLUX})) == {FLUX}
        assert catalog.offers_choice(FLUX)


async def test_each_class_is_requested_once_even_if_the_server_lacks_it() -> None:
    async with stocked([]) as (catalog, asked):
        for classes in ([LOADER, LOADER], [LOADER, "Unknown"], ["Unknown"]):
            await catalog.learn(classes)
        assert asked.lines == [f"GET /object_info/{LOADER}", "GET /object_info/Unknown"]
        assert catalog.lacks(frozenset({Requirement("Unknown")})) == {Requirement("Unknown")}


async def test_concurrent_calls_request_each_class_once() -> None:
    async with stocked([]) as (catalog, asked):
        await asyncio.gather(*(catalog.learn({LOADER, "Unknown"}) for _ in range(5)))
        assert sorted(asked.lines) == [f"GET /object_info/{LOADER}", "GET /object_info/Unknown"]


async def test_an_added_model_is_found_after_invalidation() -> None:
    names = ["sdxl.safetensors"]
    async with stocked(names) as (catalog, asked):
        await catalog.learn({LOADER})
        assert catalog.lacks(frozenset({FLUX})) == {FLUX}
        names.append("flux.safetensors")
        await catalog.learn({LOADER})
        assert catalog.lacks(frozenset({FLUX})) == {FLUX}
        for forgotten in ({LOADER, "NeverLearned"}, None):
            catalog.invalidate(forgotten)
            assert catalog.lacks(frozenset({FLUX})) == set()
            await catalog.learn({LOADER})
            assert catalog.lacks(frozenset({FLUX})) == set()
        assert len(asked.lines) == 3


async def test_only_the_named_classes_are_invalidated() -> None:
    async with stocked([]) as (catalog, asked):
        await catalog.learn({LOADER, "Unknown"})
        catalog.invalidate({LOADER})
        await catalog.learn({LOADER, "Unknown"})
        assert asked.lines.count(f"GET /object_info/{LOADER}") == 2
        assert asked.lines.count("GET /object_info/Unknown") == 1


async def test_a_name_of_a_class_never_becomes_another_path() -> None:
    odd = ["夜/../景", "a?b#c", "%2e%2e", "\ud800"]
    async with stocked([]) as (catalog, asked):
        await catalog.learn(odd)
        paths = [line.removeprefix("GET /object_info/") for line in asked.lines]
    assert len(paths) == 4
    assert not [path for path in paths if "/" in path or "?" in path or "#" in path]
    assert {"夜/../景", "a?b#c", "%2e%2e"} <= {unquote(path) for path in paths}


@pytest.mark.parametrize("odd", [None, "text", 5, [], [{"input": {}}]])
async def test_unreadable_rules_count_as_an_unknown_class(odd: object) -> None:
    async with answering(lambda _: response(200, {LOADER: odd})) as (url, _), catalog_of(url) as catalog:
        await catalog.learn({LOADER})
        assert catalog.lacks(frozenset({Requirement(LOADER), SDXL})) == {Requirement(LOADER)}


async def test_a_failed_request_is_repeated_the_next_time(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with catalog_of(url) as catalog:
        for error, fault in ((ServerUnavailable, "refuse"), (ServerUnreachable, "hang_up")):
            simulator.faults.only_paths = ("/object_info/VAEDecode",)
            setattr(simulator.faults, fault, float("inf"))
            with pytest.raises(error):
                await catalog.learn({LOADER, "VAEDecode"})
            assert catalog.offers_choice(SDXL)
            simulator.faults.heal()
        await catalog.learn({LOADER, "VAEDecode"})
        assert catalog.lacks(frozenset({SDXL, Requirement("VAEDecode")})) == {SDXL}


async def test_a_class_whose_name_no_request_can_hold_is_lacking() -> None:
    async with stocked([]) as (catalog, asked):
        await catalog.learn({"K" * 70_000})
    assert catalog.classes == {"K" * 70_000: None}
    assert asked.lines == []
