"""Check that a run's inputs are loaded, or every unusable one is reported."""

import asyncio
import base64
import hashlib
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from previs.comfyui.protocol.classes import NodeClass
from previs.errors import ShotListFaults, SourceNotFound, SourceUnavailable, WorkflowFaults
from previs.ingest.load import RunInputs, load_inputs
from previs.ingest.offload import INLINE_BYTES, shots_parameter
from previs.ingest.reader import SourceReader
from previs.shots import Shot, ShotList
from previs.store import FolderStore, S3Settings, S3Store, Store
from previs.workflow import WorkflowSettings
from tests.previs.comfyui.graphs import graph

CHECKPOINT = "sd_xl_base_1.0.safetensors"
SETTINGS = {"checkpoint": CHECKPOINT}
SIGNED = "?X-Amz-Credential=AKIDSECRET&X-Amz-Signature=signature-4711"


async def no_server(names: Collection[str], *, needed: bool) -> dict[str, dict[str, NodeClass | None]]:
    """Look up classes on a farm without a server that answers."""
    assert not needed, names
    return {}


def png(colour: str, size: tuple[int, int] = (8, 6)) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", size, colour).save(packed, "PNG")
    return packed.getvalue()


RED, BLUE = png("red"), png("blue")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def shot(shot_id: int | str, *urls: str, **fields: Any) -> dict[str, Any]:
    references = [{"url": url, "reference_id": f"ref_{number}"} for number, url in enumerate(urls, 1)]
    return {"shot_id": shot_id, "prompt": "夜", "references": references, "duration": 1.0} | fields


def shas(inputs: RunInputs) -> dict[str, str]:
    return {url: picture.sha256 for url, picture in inputs.pictures.items()}


class Site(ThreadingHTTPServer):
    """Serve files; answer 404 for missing ones, and 503 below ``/broken``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Page(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path.partition("?")[0])
        broken = self.path.startswith("/broken")
        self.send_response(503 if broken else 404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Log nothing."""


@pytest.fixture(scope="module")
def running_site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture
def site(running_site: Site) -> Site:
    running_site.files.clear()
    running_site.asked.clear()
    return running_site


@pytest.fixture
async def reader() -> AsyncIterator[SourceReader]:
    async with SourceReader() as opened:
        yield opened


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture
def load(reader: SourceReader, folder_store: FolderStore) -> Callable[..., Any]:
    """Load inputs, by default with a folder as the store and plain settings."""

    async def run(shots: object, workflow: object = SETTINGS, store: Store = folder_store) -> RunInputs:
        return await load_inputs(shots, workflow, reader, store, no_server)

    return run


def write(folder: Path, **files: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        plain = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        (folder / name.replace("__", ".")).write_bytes(plain)


async def test_a_lists_relative_names_are_relative_to_its_folder(load: Any, tmp_path: Path) -> None:
    write(tmp_path / "夜 景", 镜头__json=[shot(1, "参考/a.png", "../b.png")])
    write(tmp_path / "夜 景" / "参考", a__png=RED)
    write(tmp_path, b__png=BLUE)
    inputs = await load(str(tmp_path / "夜 景" / "镜头.json"))
    assert shas(inputs) == {"参考/a.png": sha256(RED), "../b.png": sha256(BLUE)}
    assert inputs.pictures["参考/a.png"].file.path.read_bytes() == RED
    assert inputs.name == "镜头"
    assert inputs.workflow_facts == SETTINGS


async def test_a_lists_title_names_the_board_before_its_file_does(load: Any, tmp_path: Path) -> None:
    write(tmp_path, list__json={"title": "雨夜", "shots": [shot(1)]})
    assert (await load(str(tmp_path / "list.json"))).name == "雨夜"
    assert (await load([shot(1)])).name == "storyboard"
    assert (await load("data:application/json," + json.dumps([shot(1)]))).name == "storyboard"


async def test_relative_names_of_a_list_on_the_web_are_relative_to_its_url(load: Any, site: Site) -> None:
    site.files |= {
        "/film/shots.yaml": b"shots: [{shot_id: 1, prompt: night, duration: 1, references: "
        b"[{url: refs/a.png, reference_id: r}]}]",
        "/film/refs/a.png": RED,
    }
    inputs = await load(f"{site.url}/film/shots.yaml{SIGNED}")
    assert shas(inputs) == {"refs/a.png": sha256(RED)}
    assert inputs.name == "shots"


async def test_relative_names_of_a_list_in_s3_are_relative_to_its_key(
    settings: S3Settings, s3_store: S3Store, tmp_path: Path
) -> None:
    await s3_store.put(
        "in/夜 景.json", json.dumps([shot(1, "refs/a.png", "/refs/b.png"[1:])]).encode(), media_type="a/b"
    )
    await s3_store.put("in/refs/a.png", RED, media_type="image/png")
    await s3_store.put("in/refs/b.png", BLUE, media_type="image/png")
    async with SourceReader(settings) as reader:
        inputs = await load_inputs(s3_store.uri("in/夜 景.json"), SETTINGS, reader, FolderStore(tmp_path), no_server)
    assert shas(inputs) == {"refs/a.png": sha256(RED), "refs/b.png": sha256(BLUE)}
    assert inputs.name == "夜 景"


async def test_relative_names_of_an_inline_list_are_in_the_stores_references(store: Store) -> None:
    await store.put("references/城/a.png", RED, media_type="image/png")
    await store.put("references/style.png", BLUE, media_type="image/png")
    workflow = SETTINGS | {"reference_images": ["style.png"], "controlnet": "control_v11p_sd15_canny.pth"}
    async with SourceReader(store.settings if isinstance(store, S3Store) else None) as reader:
        inputs = await load_inputs([shot(1, "城/a.png")], workflow, reader, store, no_server)
    assert shas(inputs) == {"城/a.png": sha256(RED)}
    assert [picture.sha256 for picture in inputs.workflows[None].pictures] == [sha256(BLUE)]


async def test_a_link_out_of_the_references_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(RED)
    folder = tmp_path / "store" / "references"
    folder.mkdir(parents=True)
    (folder / "file.png").symlink_to(tmp_path / "secret.png")
    (folder / "folder").symlink_to(tmp_path)
    (folder / "blue.png").write_bytes(BLUE)
    (folder / "inside.png").symlink_to("blue.png")
    store, names = FolderStore(tmp_path / "store"), ("file.png", "folder/secret.png", "inside.png")
    async with SourceReader() as reader:
        with pytest.raises(ShotListFaults) as caught:
            await load_inputs([shot(1, *names)], SETTINGS, reader, store, no_server)
        assert [fault.value for fault in caught.value.faults] == ["file.png", "folder/secret.png"]
        assert "a symbolic link leads out" in caught.value.faults[0].remedy
        assert shas(await load_inputs([shot(1, "inside.png")], SETTINGS, reader, store, no_server)) == {
            "inside.png": sha256(BLUE)
        }


async def test_a_list_sent_through_the_store_means_the_same_as_inline(store: Store) -> None:
    await store.put("references/a.png", RED, media_type="image/png")
    shots = [shot(1, "a.png", notes="夜" * INLINE_BYTES)]
    place = await shots_parameter(shots, store)
    assert isinstance(place, str)
    async with SourceReader(store.settings if isinstance(store, S3Store) else None) as reader:
        handed, inline = [await load_inputs(either, SETTINGS, reader, store, no_server) for either in (place, shots)]
        with pytest.raises(ShotListFaults, match=r"leads out|local file"):
            await load_inputs(
                await shots_parameter([shot(1, "../takes/x", notes="夜" * INLINE_BYTES)], store),
                SETTINGS,
                reader,
                store,
                no_server,
            )
    assert (handed.shot_list, handed.pictures) == (inline.shot_list, inline.pictures)


@pytest.mark.parametrize("outside", ["/etc/passwd", "file:///etc/passwd", "../secret.png", "a/../../secret.png"])
async def test_an_inline_list_reads_no_file_of_this_machine_but_references(load: Any, outside: str) -> None:
    with pytest.raises(ShotListFaults) as caught:
        await load([shot(1, outside)])
    [fault] = caught.value.faults
    assert (fault.place, fault.field) == ("shot 1 (shot_id 1)", "references[0].url")


async def test_a_list_made_by_this_program_names_files_relative_to_its_folder_and_anywhere(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(RED)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "b.png").write_bytes(BLUE)
    names = ["b.png", "../a.png", str(tmp_path / "a.png"), (tmp_path / "a.png").as_uri()]
    async with SourceReader() as reader:
        folder = str(tmp_path / "here")
        inputs = await load_inputs([shot(1, *names)], SETTINGS, reader, None, no_server, folder=folder)
    assert list(shas(inputs).values()) == [sha256(BLUE), *[sha256(RED)] * 3]


async def test_a_picture_can_be_a_data_uri(load: Any) -> None:
    inside = f"data:image/png;base64,{base64.b64encode(RED).decode()}"
    assert shas(await load([shot(1, inside)])) == {inside: sha256(RED)}


async def test_urls_mean_the_same_in_every_list(site: Site, s3_store: S3Store) -> None:
    site.files["/a.png"] = RED
    await s3_store.put("b.png", BLUE, media_type="image/png")
    async with SourceReader(s3_store.settings) as reader:
        inputs = await load_inputs(
            [shot(1, f"{site.url}/a.png", s3_store.uri("b.png"))], SETTINGS, reader, s3_store, no_server
        )
    assert list(shas(inputs).values()) == [sha256(RED), sha256(BLUE)]


BINDINGS = b'schema: previs.bindings/1\nprompt: "7.text"\nnegative: []\n'


def rules(inputs: RunInputs) -> set[str]:
    return {row.rule for row in inputs.workflows[None].workflow.report().rows if row.what == "prompt"}


async def test_a_bindings_file_beside_a_graph_in_s3_or_on_the_web_is_used(site: Site, s3_store: S3Store) -> None:
    made = json.dumps(graph()).encode()
    site.files |= {"/look/%E5%A4%9C.json": made, "/look/%E5%A4%9C.bindings.yaml": BINDINGS}
    await s3_store.put("in/夜.json", made, media_type="application/json")
    await s3_store.put("in/夜.bindings.yaml", BINDINGS, media_type="text/yaml")
    async with SourceReader(s3_store.settings) as reader:
        for place in (s3_store.uri("in/夜.json"), f"{site.url}/look/%E5%A4%9C.json"):
            inputs = await load_inputs([shot(1)], place, reader, s3_store, no_server)
            assert rules(inputs) == {"bindings file"}
        assert site.asked == ["/look/%E5%A4%9C.json", "/look/%E5%A4%9C.bindings.yaml"]


async def test_any_answer_of_a_web_server_without_a_bindings_file_is_accepted(load: Any, site: Site) -> None:
    site.files["/g.json"] = json.dumps(graph()).encode()
    assert rules(await load([shot(1)], f"{site.url}/g.json")) == {"positive of KSampler 3"}
    site.files["/g.bindings.yaml"] = b"\n<!doctype html><title>not found</title>"
    assert rules(await load([shot(1)], f"{site.url}/g.json")) == {"positive of KSampler 3"}
    site.asked.clear()
    assert rules(await load([shot(1)], f"{site.url}/g.json{SIGNED}")) == {"positive of KSampler 3"}
    assert site.asked == [f"/g.json{SIGNED}"]


async def test_a_bindings_file_with_faults_is_reported(load: Any, site: Site) -> None:
    site.files |= {"/g.json": json.dumps(graph()).encode(), "/g.bindings.yaml": b"schema: previs.bindings/1\npromt: x"}
    with pytest.raises(WorkflowFaults, match=r"g\.bindings\.yaml"):
        await load([shot(1)], f"{site.url}/g.json")


async def test_a_picture_that_many_shots_name_is_fetched_once(load: Any, site: Site) -> None:
    site.files["/a.png"] = RED
    await load([shot(number, f"{site.url}/a.png") for number in range(20)])
    assert site.asked == ["/a.png"]


async def test_one_name_in_list_and_workflow_is_two_pictures_when_their_places_differ(
    load: Any, tmp_path: Path
) -> None:
    write(tmp_path / "list", shots__json=[shot(1, "a.png")], a__png=RED)
    controlled = SETTINGS | {"reference_images": ["a.png"], "controlnet": "control_v11p_sd15_canny.pth"}
    write(tmp_path / "flow", settings__json=controlled, a__png=BLUE)
    inputs = await load(str(tmp_path / "list" / "shots.json"), str(tmp_path / "flow" / "settings.json"))
    assert shas(inputs) == {"a.png": sha256(RED)}
    assert [picture.sha256 for picture in inputs.workflows[None].pictures] == [sha256(BLUE)]
    assert inputs.workflow_facts == str(tmp_path / "flow" / "settings.json")


async def test_a_picture_is_turned_upright_and_hashed_as_given(load: Any, tmp_path: Path) -> None:
    packed = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6), "red").save(packed, "JPEG", exif=exif)
    write(tmp_path, shots__json=[shot(1, "a.jpg")], a__jpg=packed.getvalue())
    [picture] = (await load(str(tmp_path / "shots.json"))).pictures.values()
    assert (picture.sha256, picture.suffix) == (sha256(packed.getvalue()), ".jpg")
    with Image.open(picture.file.path) as upright:
        assert upright.size == (6, 8)


async def test_models_mean_the_same_as_their_json(load: Any) -> None:
    as_models = await load(ShotList(shots=(Shot(**shot(1)),)), WorkflowSettings(checkpoint=CHECKPOINT))
    in_a_list = await load([Shot(**shot(1))])
    as_json = await load([shot(1)])
    assert as_models.shot_list == in_a_list.shot_list == as_json.shot_list
    assert as_models.workflows == as_json.workflows
    assert as_models.workflow_facts == SETTINGS


async def test_all_unusable_pictures_are_in_one_report_with_their_places(load: Any, site: Site, tmp_path: Path) -> None:
    missing, denied = f"{site.url}/missing.png", "ftp://render/a.png"
    shots = [
        shot(1, "a.png", "gone.png"),
        shot("SH02", "text.png", missing),
        shot("SH03", "gone.png", denied, "data:image/png;base64,AAA"),
    ]
    controlled = SETTINGS | {"reference_images": ["a.png", "half.png"], "controlnet": "c.pth"}
    write(tmp_path, shots__json=shots, settings__json=controlled, a__png=RED, text__png="a text", half__png=RED[:-20])
    with pytest.raises(ShotListFaults) as caught:
        await load(str(tmp_path / "shots.json"), str(tmp_path / "settings.json"))
    assert caught.value.source == str(tmp_path / "shots.json")
    assert [(fault.place, fault.field) for fault in caught.value.faults] == [
        ("shot 1 (shot_id 1)", "references[1].url"),
        ("shot 2 (shot_id SH02)", "references[0].url"),
        ("shot 2 (shot_id SH02)", "references[1].url"),
        ("shot 3 (shot_id SH03)", "references[0].url"),
        ("shot 3 (shot_id SH03)", "references[1].url"),
        ("shot 3 (shot_id SH03)", "references[2].url"),
        ("the workflow", "reference_images[1]"),
    ]
    reasons = [fault.remedy for fault in caught.value.faults]
    assert "there is no such file" in reasons[0]
    assert "a PNG or JPEG is needed" in reasons[1]
    assert "there is nothing at this URL (404)" in reasons[2]


async def test_a_signature_in_a_pictures_url_is_never_reported(load: Any, site: Site) -> None:
    site.files["/text.png"] = b"no picture"
    with pytest.raises(ShotListFaults) as caught:
        await load([shot(1, *(f"{site.url}/{name}.png{SIGNED}" for name in ("missing", "text")))])
    assert len(caught.value.faults) == 2
    assert "signature-4711" not in f"{caught.value} {caught.value!r}"


async def test_a_missing_list_or_workflow_is_named(load: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"shots\.json cannot be read: there is no such file"):
        await load(str(tmp_path / "shots.json"))
    with pytest.raises(SourceNotFound, match=r"graph\.json cannot be read: there is no such file"):
        await load([shot(1)], str(tmp_path / "graph.json"))


async def test_faults_of_the_list_come_before_any_picture_is_fetched(load: Any, site: Site) -> None:
    with pytest.raises(ShotListFaults, match="2 faults"):
        await load([shot(1, f"{site.url}/a.png", duration=0), shot(2, prompt="")])
    with pytest.raises(WorkflowFaults):
        await load([shot(1, f"{site.url}/a.png")], {"checkpoint": ""})
    assert site.asked == []


async def test_a_picture_that_is_unavailable_for_now_is_no_fault_of_the_list(load: Any, site: Site) -> None:
    with pytest.raises(SourceUnavailable, match="503"):
        await load([shot(1, f"{site.url}/broken/a.png"), shot(2, "missing.png")])


async def test_a_list_is_read_beside_the_event_loop(tmp_path: Path) -> None:
    shots = [{"shot_id": n, "prompt": "p", "duration": 1, "notes": ["x"] * 10} for n in range(20_000)]
    (tmp_path / "list.json").write_text(json.dumps(shots), "utf-8")
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            start = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - start)

    ticking, start = asyncio.create_task(tick()), time.monotonic()
    async with SourceReader() as reader:
        with pytest.raises(ShotListFaults):
            await load_inputs(str(tmp_path / "list.json"), SETTINGS, reader, None, no_server)
    ticking.cancel()
    assert max(gaps, default=1e9) < (time.monotonic() - start) / 3


async def test_a_google_sheet_is_read_as_csv_or_says_that_it_is_not_shared(
    load: Callable[..., Any], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", site.url)
    address = "http://docs.google.com/spreadsheets/d/1AbC_dEf-12345"
    site.files[f"{address}/export"] = b"The film,,\r\nShot,Beschreibung,Dauer\r\n1,Nebel,4\r\n"
    inputs = await load(f"{address}/edit?usp=sharing#gid=7")
    assert site.asked == [f"{address}/export?format=csv&gid=7"]
    assert (inputs.name, inputs.shot_list.shots[0].description) == ("sheet 1AbC_dEf-123", "Nebel")
    site.files[f"{address}/export"] = b"<!doctype html><title>Sign in</title>"
    with pytest.raises(SourceNotFound, match='share the sheet with "anyone with the link"'):
        await load(f"{address}/edit")


async def test_names_in_a_look_file_are_relative_to_that_file(load: Any, tmp_path: Path) -> None:
    look = {
        "characters": {"MEI": {"references": ["mei.png"]}},
        "workflows": {"oil": "oil.json"},
        "sequences": {"S": {"workflow": "oil"}, "T": {"workflow": "oil.json"}},
    }
    write(tmp_path / "film", look__json=look, oil__json=SETTINGS | {"steps": 7}, mei__png=RED)
    shots = [shot(1, "mei.png"), shot(2, cast=["MEI"], sequence="S"), shot(3, sequence="T")]
    write(tmp_path, list__json={"look": "film/look.json", "shots": shots}, mei__png=BLUE)
    inputs = await load(str(tmp_path / "list.json"))
    assert shas(inputs) == {"mei.png": sha256(BLUE), str(tmp_path / "film" / "mei.png"): sha256(RED)}
    full = str(tmp_path / "film" / "oil.json")
    assert [each.workflow for each in inputs.shot_list.shots] == [None, "oil", full]
    assert [inputs.workflows[key].workflow.steps for key in (None, "oil", full)] == [30, 7, 7]
    assert inputs.named_facts == {"oil": full, full: full}
    assert not inputs.shot_list.notices


async def test_a_board_has_at_most_100_workflows(load: Any, tmp_path: Path, site: Site) -> None:
    shots = [shot(number, workflow=f"{site.url}/{number}.json") for number in range(101)]
    write(tmp_path, list__json=shots)
    with pytest.raises(ShotListFaults, match="101 workflows: a board has at most 100"):
        await load(str(tmp_path / "list.json"))
    assert site.asked == []


async def test_a_runs_workflow_that_no_shot_uses_is_said_and_not_read(load: Any, tmp_path: Path) -> None:
    write(tmp_path, list__json={"workflow": "own.json", "shots": [shot(1)]}, own__json=SETTINGS)
    inputs = await load(str(tmp_path / "list.json"), "gone.json")
    assert inputs.shot_list.notices == ("no shot uses the run's workflow: the list names others",)
    assert inputs.workflow_facts == "gone.json"
    assert (await load(str(tmp_path / "list.json"), WorkflowSettings(checkpoint=CHECKPOINT))).shot_list.notices == ()
