"""Read for a sender: what is not public is not even connected to, however it is spelled."""

import json
import logging
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import trustme
from PIL import Image

from previs.errors import FixTheInput, PrevisError, ShotListFaults, SourceNotFound, WorkflowFaults
from previs.ingest.access import ALLOW, Allowed
from previs.ingest.load import load_inputs
from previs.ingest.reader import ONE_ANSWER, SourceReader
from previs.store import FolderStore, S3Settings, S3Store
from previs.store.s3_connection import make_client
from tests.previs.ingest.test_load import no_server

CONTENT = b"[{shot_id: 1, prompt: rain, duration: 2}]"
# How the listening socket of this machine may be spelled, then what a private network and a cloud have.
LOOPBACK = [
    *("127.0.0.1", "2130706433", "0177.0.0.1", "0x7f000001", "127.1", "0x7f.0.0.1", "localhost", "localhost."),
    *("LOCALHOST", "127.9.9.9", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),  # noqa: S104 - a spelling
    *("loopback.example", "mixed.example", "rebinding.example"),
]
ELSEWHERE = [
    *("10.1.2.3", "172.16.0.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("[fd00::1]", "[fd00:ec2::254]", "[fe80::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a01:203]", "[::7f00:1]"),
    *("[2002:7f00:1::]", "[::ffff:a9fe:a9fe]", "224.0.0.1", "[ff02::1]", "255.255.255.255", "private.example"),
]
NAMES = {
    "loopback.example": [["127.0.0.1"]],
    "localhost.": [["127.0.0.1"]],
    "mixed.example": [["192.0.32.8", "127.0.0.1"]],
    "rebinding.example": [["127.0.0.2"], ["127.0.0.1"]],
    "private.example": [["10.20.30.40"]],
    "files.studio.lan": [["127.0.0.1"]],
}
# httpx takes an address with leading zeros for no URL, whoever gives it.
REACHABLE = [host for host in LOOPBACK if host not in {"0177.0.0.1", "mixed.example", "[::]"}]
_connected: list[Any] = []
sys.addaudithook(lambda name, values: _connected.append(values[1]) if name == "socket.connect" else None)


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = int(self.path.partition("/status/")[2] or 200)
        moved = self.path.partition("?to=")[2]
        site = self.server
        assert isinstance(site, Site)
        content = {"/html": b"<html>a page", "/list": site.content, "/a.png": site.picture}.get(self.path, CONTENT)
        site.hosts.append(self.headers["Host"])
        self.send_response(302 if moved else status)
        if moved:
            self.send_header("Location", moved)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Log nothing."""


class Site(ThreadingHTTPServer):
    """Count the connections that it accepts."""

    def __init__(self, host: str, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Page)
        self.accepted, self.hosts, self.context = 0, list[str](), context
        self.content = self.picture = CONTENT

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        self.accepted += 1
        return (self.context.wrap_socket(plain, server_side=True) if self.context else plain), address


@contextmanager
def serving(*sites: Site) -> Iterator[None]:
    threads = [threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True) for site in sites]
    for thread in threads:
        thread.start()
    yield
    for site, thread in zip(sites, threads, strict=True):
        site.shutdown()
        thread.join()
        site.server_close()


@pytest.fixture(scope="module")
def sites() -> Iterator[list[Site]]:
    """Listen on this machine's IPv4 and IPv6 loopback, and on a second loopback address, at one port."""
    first = Site("0.0.0.0")  # noqa: S104 - every loopback address of a test's machine
    with ExitStack() as stack:
        both = [first]
        if socket.has_ipv6:
            both.append(Site("::1", first.server_port))
        stack.enter_context(serving(*both))
        yield both


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a resolver that knows the names of this test, and answers differently when it is asked again."""
    answers = {name: [list(each) for each in given] for name, given in NAMES.items()}
    original = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        host = host.decode() if isinstance(host, bytes) else host
        if host not in answers:
            return original(host, port, *args, **more)
        now = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [found for address in now for found in original(address, port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def count(sites: list[Site]) -> int:
    return sum(site.accepted for site in sites)


async def refused(uri: str, allowed: Allowed | None = None) -> str:
    async with SourceReader(allowed=allowed or Allowed()) as reader:
        with pytest.raises(SourceNotFound) as caught:
            await reader.read(uri, sender=True)
    return caught.value.reason


@pytest.mark.parametrize("host", [*LOOPBACK, *ELSEWHERE])
async def test_no_spelling_of_an_address_that_is_not_public_is_connected_to(host: str, sites: list[Site]) -> None:
    before, _ = count(sites), _connected.clear()
    assert await refused(f"http://{host}:{sites[0].server_port}/list.yaml") == ONE_ANSWER
    assert count(sites) == before
    assert [address for address in _connected if isinstance(address, tuple)] == []


async def test_no_redirect_leads_to_an_address_that_is_not_public(sites: list[Site]) -> None:
    port = sites[0].server_port
    allowed = Allowed.of([], ["127.0.0.2"], [], [])
    for host in (*LOOPBACK[:-1], *ELSEWHERE):
        before, _ = count(sites), _connected.clear()
        async with SourceReader(allowed=allowed) as reader:
            with pytest.raises(PrevisError, match=re.escape(ONE_ANSWER)):
                await reader.read(f"http://127.0.0.2:{port}/?to=http://{host}:{port}/", sender=True)
        assert count(sites) == before + 1
        assert [address[0] for address in _connected if isinstance(address, tuple)] == ["127.0.0.2"]


async def test_a_resolver_that_changes_its_answer_is_asked_once(sites: list[Site]) -> None:
    async with SourceReader(allowed=Allowed.of([], ["127.0.0.2"], [], [])) as reader:
        _connected.clear()
        uri = f"http://rebinding.example:{sites[0].server_port}/"
        assert await reader.read(uri, sender=True) == CONTENT
        assert [address[0] for address in _connected if isinstance(address, tuple)] == ["127.0.0.2"]
        # Each request resolves and checks again: no connection is kept.
        with pytest.raises(SourceNotFound):
            await reader.read(uri, sender=True)
        assert len([address for address in _connected if isinstance(address, tuple)]) == 1


@pytest.mark.parametrize("host", REACHABLE)
async def test_all_are_reached_where_the_operator_allows_them(host: str, sites: list[Site]) -> None:
    networks = ["127.0.0.0/8", "0.0.0.0", "::1"]  # noqa: S104 - a spelling
    async with SourceReader(allowed=Allowed.of([], networks, [], [])) as reader:
        uri = f"http://{host}:{sites[0].server_port}/"
        assert await reader.read(uri, sender=True) == CONTENT
        assert await reader.read(uri) == CONTENT


@pytest.mark.parametrize("host", REACHABLE)
async def test_a_host_is_allowed_by_its_name(host: str, sites: list[Site]) -> None:
    async with SourceReader(allowed=Allowed.of([host], [], [], [])) as reader:
        assert await reader.read(f"http://{host}:{sites[0].server_port}/", sender=True) == CONTENT


@pytest.mark.parametrize("host", [host.strip("[]") for host in ELSEWHERE if "example" not in host])
def test_each_address_is_allowed_exactly(host: str) -> None:
    address = ip_address(host)
    assert "AllowedSources" in Allowed().fault_of(host, address)
    assert Allowed.of([], [host], [], []).fault_of(host, address) == ""
    assert Allowed.of([host], [], [], []).fault_of(host, address) == ""


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.169.254", "168.63.129.16"],
)
def test_no_network_and_no_name_allows_what_holds_a_machines_credentials(host: str) -> None:
    wide = Allowed.of(["metadata.internal"], ["0.0.0.0/0", "::/0"], [], [])
    assert "only the exact address" in wide.fault_of("metadata.internal", ip_address(host))


@pytest.mark.parametrize("host", ["1.1.1.1", "192.0.32.8", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"])
def test_public_addresses_need_no_permission(host: str) -> None:
    assert Allowed().fault_of(host, ip_address(host)) == ""


def test_a_star_allows_the_hosts_below_a_domain_and_no_other() -> None:
    allowed = Allowed.of(["*.studio.lan", "Files.Example."], [], [], [])
    assert [host for host in ("a.studio.lan", "a.b.studio.lan.", "FILES.example") if not allowed.names(host)] == []
    assert [
        host for host in ("studio.lan", "evilstudio.lan", "studio.lan.evil", "x.files.example") if allowed.names(host)
    ] == []


@pytest.mark.parametrize(
    "given",
    [
        {"hosts": ["http://a.lan/"]},
        {"hosts": ["*"]},
        {"hosts": [""]},
        {"networks": ["10.0.0.1/8"]},
        {"networks": ["lan"]},
        {"buckets": ["https://a/b"]},
        {"buckets": ["s3://"]},
    ],
)
def test_what_allows_nothing_is_refused_with_its_value(given: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="is no "):
        Allowed.of(**{"hosts": [], "networks": [], "buckets": [], "folders": []} | given)


async def test_closed_port_401_404_page_and_refusal_are_one_answer_and_the_log_tells_them_apart(
    sites: list[Site], caplog: pytest.LogCaptureFixture
) -> None:
    allowed = Allowed.of([], ["127.0.0.2"], [], [])
    with socket.socket() as closed:
        closed.bind(("127.0.0.2", 0))
        top = f"http://127.0.0.2:{sites[0].server_port}"
        uris = [
            f"http://127.0.0.2:{closed.getsockname()[1]}/",
            *(f"{top}{end}" for end in ("/status/401", "/status/404", "/html")),
        ]
        uris += [f"http://127.0.0.1:{sites[0].server_port}/", "http://no-such-name.invalid/"]
        with caplog.at_level(logging.WARNING, "previs.ingest"):
            assert {await refused(uri, allowed) for uri in uris} == {ONE_ANSWER}
    said = [record.getMessage() for record in caplog.records if record.name == "previs.ingest"]
    for word in ("no connection", "(401)", "(404)", "page", "127.0.0.1 is not public: the host or its network"):
        assert [line for line in said if word in line], word


async def test_a_password_in_a_senders_url_is_refused_before_anything_is_connected_to(sites: list[Site]) -> None:
    before = count(sites)
    uri = f"http://somebody:geheim@127.0.0.1:{sites[0].server_port}/"
    reason = await refused(uri, Allowed.of(["127.0.0.1"], [], [], []))
    assert "user or a password" in reason
    assert count(sites) == before


@pytest.mark.parametrize(
    "to",
    [
        *("file:///etc/passwd", "s3://theirs/a", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "ws://127.0.0.1:{port}/"),
        *(
            "http://somebody:geheim@127.0.0.1:{port}/",
            "http://somebody@127.0.0.1:{port}/",
            "//:geheim@127.0.0.1:{port}",
        ),
    ],
)
async def test_a_redirect_to_another_scheme_or_with_a_password_is_not_followed(to: str, sites: list[Site]) -> None:
    port, before = sites[0].server_port, count(sites)
    uri = f"http://127.0.0.1:{port}/?to={to.format(port=port)}"
    assert await refused(uri, Allowed.of(["127.0.0.1"], [], [], [])) == ONE_ANSWER
    assert count(sites) == before + 1


@pytest.mark.parametrize("uri", ["https://", "http:///x", "http:////x/", "http://:80/"])
async def test_a_url_without_a_host_is_not_there(uri: str) -> None:
    assert await refused(uri) == ONE_ANSWER


async def test_a_proxy_is_used_for_hosts_that_are_allowed_by_name_alone(
    sites: list[Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{sites[0].server_port}")
    before = count(sites)
    assert await refused("http://public.example/", Allowed.of([], ["0.0.0.0/0"], [], [])) == ONE_ANSWER
    assert count(sites) == before
    async with SourceReader(allowed=Allowed.of(["public.example"], [], [], [])) as reader:
        assert await reader.read("http://public.example/", sender=True) == CONTENT
        assert sites[0].hosts[-1] == "public.example"


async def test_a_checked_connection_keeps_the_hosts_name_and_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    reads = []
    for name in ("files.studio.lan", "other.studio.lan"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        site = Site("127.0.0.1", context=context)
        site.handle_error = lambda *_: None  # type: ignore[method-assign]
        with serving(site):
            async with SourceReader(allowed=Allowed.of(["files.studio.lan"], [], [], [])) as reader:
                try:
                    reads.append(await reader.read(f"https://files.studio.lan:{site.server_port}/", sender=True))
                except SourceNotFound:
                    reads.append(b"refused")
            assert site.hosts == ([f"files.studio.lan:{site.server_port}"] if name == "files.studio.lan" else [])
    assert reads == [CONTENT, b"refused"]


async def test_a_senders_paths_stay_in_allowed_folders_whatever_links_and_dots_say(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(b"geheim")
    (inside / "list.yaml").write_bytes(CONTENT)
    (inside / "link").symlink_to(outside / "secret")
    allowed = Allowed.of([], [], [], [str(inside)])

    wrong = [inside / "link", inside / ".." / "out" / "secret", outside / "secret", tmp_path / "inside"]
    paths = [*map(str, wrong), "/etc/passwd", "/proc/self/environ", (outside / "secret").as_uri()]
    async with SourceReader(allowed=allowed) as reader:
        assert await reader.read(str(inside / "list.yaml"), sender=True) == CONTENT
        assert await reader.read((inside / "list.yaml").as_uri(), sender=True) == CONTENT
        for path in (*paths, f"file://{inside}/../out/secret"):
            with pytest.raises(SourceNotFound, match="folders that the operator allows"):
                await reader.read(path, sender=True)


async def test_a_bucket_of_somebody_else_is_not_read_with_the_stores_credentials(s3_endpoint: str) -> None:
    def settings(bucket: str, prefix: str = "") -> S3Settings:
        keys = {"access_key_id": "testing", "secret_access_key": "testing"}
        return S3Settings.model_validate(
            {"bucket": bucket, "prefix": prefix, "region": "us-east-1", "endpoint_url": s3_endpoint} | keys
        )

    client = make_client(settings("ours"))
    for bucket in ("ours", "theirs", "lists"):
        client.create_bucket(Bucket=bucket)
        for key in ("film/list.yaml", "film2/list.yaml", "list.yaml"):
            client.put_object(Bucket=bucket, Key=key, Body=CONTENT)
    client.close()
    own = Allowed.of([], [], ["s3://lists/film"], [])
    async with (
        S3Store(settings("ours", "film")) as store,
        SourceReader.for_store(store, own.with_store(store)) as reader,
    ):
        for uri in ("s3://ours/film/list.yaml", "s3://lists/film/list.yaml"):
            assert await reader.read(uri, sender=True) == CONTENT
        refused = ["s3://theirs/list.yaml", "s3://ours/list.yaml", "s3://ours/film2/list.yaml", "s3://lists/list.yaml"]
        for uri in (*refused, "s3://ours/film/../list.yaml"):
            with pytest.raises(SourceNotFound, match="store's own bucket"):
                await reader.read(uri, sender=True)
        assert await reader.read("s3://theirs/list.yaml") == CONTENT


async def load(reader: SourceReader, shots: object, workflow: object, store: FolderStore, *of_senders: str) -> object:
    return await load_inputs(shots, workflow, reader, store, no_server, of_senders=of_senders)


def shot(url: str) -> list[dict[str, Any]]:
    return [{"shot_id": 1, "prompt": "rain", "duration": 2, "references": [{"reference_id": "a", "url": url}]}]


async def test_whatever_a_senders_list_or_workflow_names_is_a_senders(sites: list[Site], tmp_path: Path) -> None:
    inside = f"http://127.0.0.1:{sites[0].server_port}/secret"
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"geheim")
    store = FolderStore(tmp_path / "store")
    settings = {"checkpoint": "a.safetensors"}
    before = count(sites)
    async with SourceReader.for_store(store, Allowed().with_store(store)) as reader:
        for shots, workflow in (
            (inside, settings),
            (shot(inside), settings),
            (shot("s3://theirs/a.png"), settings),
            (shot(str(secret)), settings),
            (shot("a.png")[:0] or [{"shot_id": 1, "prompt": "rain", "duration": 2}], inside),
            ([{"shot_id": 1, "prompt": "rain", "duration": 2}], settings | {"reference_images": [inside]}),
        ):
            with pytest.raises(FixTheInput) as caught:
                await load(reader, shots, workflow, store, "shots", "workflow")
            assert CONTENT.decode() not in str(caught.value)
    assert count(sites) == before


PLAIN = [{"shot_id": 1, "prompt": "rain", "duration": 2}]


async def test_look_files_and_workflows_that_a_senders_list_names_are_a_senders(
    sites: list[Site], tmp_path: Path
) -> None:
    port, before = sites[0].server_port, count(sites)
    inside = f"http://127.0.0.1:{port}/secret"
    secret = tmp_path / "secret.yaml"
    secret.write_text("style: geheim")
    (tmp_path / "store" / "references").mkdir(parents=True)
    (tmp_path / "store" / "references" / "own.yaml").write_text("style: oil\ncharacters: {A: {references: [a.png]}}")
    Image.new("RGB", (8, 8)).save(tmp_path / "store" / "references" / "a.png")
    (tmp_path / "store" / "references" / "climbs.yaml").write_text(f"workflow: ../../{secret.name}")
    store, settings = FolderStore(tmp_path / "store"), {"checkpoint": "a.safetensors"}
    async with SourceReader.for_store(store, Allowed().with_store(store)) as reader:
        for given in (inside, str(secret), "../../secret.yaml", f"file://{secret}", "climbs.yaml"):
            for fields in ({"look": given}, {"workflow": given}, {"workflows": {"a": given}, "workflow": "a"}):
                with pytest.raises((SourceNotFound, ShotListFaults, WorkflowFaults)) as caught:
                    await load(reader, fields | {"shots": PLAIN}, settings, store, "shots")
                assert "geheim" not in str(caught.value)
        shots = {"look": "own.yaml", "shots": [PLAIN[0] | {"cast": ["A"]}]}
        loaded = await load_inputs(shots, settings, reader, store, no_server, of_senders=["shots"])
        assert (loaded.shot_list.shots[0].prompt, len(loaded.pictures)) == ("rain, oil", 1)
    assert count(sites) == before


@pytest.mark.parametrize("variable", ["", "127.0.0.2", "x.lan, 127.0.0.2/32,s3://film/refs"])
async def test_a_list_on_the_web_is_a_senders_for_the_operator_too_who_is_told_what_allows_it(
    variable: str, sites: list[Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOW, variable)
    port, before = sites[0].server_port, count(sites)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    sites[0].picture = (tmp_path / "a.png").read_bytes()
    sites[0].content = json.dumps(shot(f"http://127.0.0.2:{port}/a.png")).encode()
    async with SourceReader() as reader:
        loading = load_inputs(f"http://127.0.0.1:{port}/list", {"checkpoint": "a"}, reader, None, no_server)
        if variable:
            await loading
        else:
            with pytest.raises(ShotListFaults, match=r"127\.0\.0\.2 is not public: .* in the variable PREVIS_ALLOW"):
                await loading
        assert await reader.read(f"http://127.0.0.2:{port}/") == CONTENT
    assert count(sites) == before + (3 if variable else 2)


async def test_a_list_on_the_web_names_buckets_that_the_operator_allows(
    sites: list[Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    sites[0].content = json.dumps(shot("s3://film/other/a.png")).encode()
    monkeypatch.setenv(ALLOW, "s3://film/refs")
    async with SourceReader() as reader:
        with pytest.raises(ShotListFaults, match="in the variable PREVIS_ALLOW"):
            await load_inputs(
                f"http://127.0.0.1:{sites[0].server_port}/list", {"checkpoint": "a"}, reader, None, no_server
            )


def test_a_variable_that_allows_nothing_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW, "10.0.0.1/8")
    with pytest.raises(SourceNotFound, match=r"PREVIS_ALLOW.*10\.0\.0\.1/8"):
        SourceReader()


async def test_a_list_on_the_web_names_its_own_host_and_no_other_that_is_not_public(
    sites: list[Site], tmp_path: Path
) -> None:
    port = sites[0].server_port
    picture = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(picture)
    store, faults = FolderStore(tmp_path / "store"), []
    for host in ("127.0.0.1", "127.0.0.2"):
        sites[0].content = json.dumps(shot(f"http://{host}:{port}/a.png")).encode()
        sites[0].picture = picture.read_bytes()
        before = count(sites)
        async with SourceReader(allowed=Allowed()) as reader:
            try:
                await load(reader, f"http://127.0.0.1:{port}/list", {"checkpoint": "a.safetensors"}, store)
            except ShotListFaults as error:
                faults.append(str(error))
        assert count(sites) == before + (2 if host == "127.0.0.1" else 1)
    assert len(faults) == 1
    assert ONE_ANSWER in faults[0]
