import asyncio
import base64
import gzip
import logging
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from previs.comfyui.client.bodies import BodyLimits
from previs.errors import FixTheInput, SourceNotFound, SourceUnavailable
from previs.ingest import reader as reading
from previs.ingest.reader import SourceReader
from previs.store import S3Settings, S3Store, s3_requests
from previs.store.addresses import base_of, resolve
from tests.previs.comfyui.client.bombs import OK, Send, encoded, endless, nested, sending, whole

PICTURE = bytes(range(256)) * 40
SECRET = "very-secret-key-0815"  # noqa: S105 - opens nothing

PICTURE_PATH = "/film/%E5%8F%82%E8%80%83%201.png"
MOVED = {
    "/moved": PICTURE_PATH,
    "/round": "/round",
    "/to-file": "file:///etc/passwd",
    "/to-nowhere": "http://127.0.0.1:99999/",
}


class _Site(ThreadingHTTPServer):
    request_queue_size = 64


class _SecureSite(_Site):
    context: ssl.SSLContext

    def get_request(self) -> tuple[socket.socket, object]:
        plain, address = super().get_request()
        return self.context.wrap_socket(plain, server_side=True), address


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> object:
        if name == "do_GET":
            return self._get
        raise AttributeError(name)

    def _get(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/status/"):
            self._send(int(path.removeprefix("/status/")))
        elif path in MOVED:
            self._send(302, Location=MOVED[path])
        elif path == "/cut":
            self._send(200, PICTURE, promised=len(PICTURE) + 1)
        elif path == "/endless":
            self._send_without_end()
        elif path == PICTURE_PATH:
            self._send(200, PICTURE)
        else:
            self._send(404)

    def _send(self, status: int, body: bytes = b"", promised: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _send_without_end(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b"400\r\n" + bytes(1024) + b"\r\n")
        except ConnectionError:
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Log nothing."""


@contextmanager
def _serving(server: _Site) -> Iterator[_Site]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with _serving(_Site(("127.0.0.1", 0), _Page)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def site_with_its_own_certificate(tmp_path: Path) -> Iterator[str]:
    """Serve over TLS with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    both = tmp_path / "certificate.pem"
    both.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + unsigned.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    server = _SecureSite(("127.0.0.1", 0), _Page)
    server.context = context
    with _serving(server):
        yield f"https://127.0.0.1:{server.server_port}"


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
async def reader() -> AsyncIterator[SourceReader]:
    async with SourceReader() as opened:
        yield opened


@pytest.fixture
async def bucket(s3_endpoint: str) -> AsyncIterator[SimpleNamespace]:
    """Provide a bucket with one picture, and a reader with credentials for it."""
    settings = S3Settings(
        bucket="references",
        region="us-east-1",
        endpoint_url=s3_endpoint,
        access_key_id="AKIDSOURCES",
        secret_access_key=SECRET,
    )
    async with S3Store(settings) as store, SourceReader(settings) as opened:
        await store._connection.run(lambda client: client.create_bucket(Bucket="references"))
        await store.put("夜 景/参考 #1.png", PICTURE, media_type="image/png")
        yield SimpleNamespace(reader=opened, settings=settings)


async def test_a_picture_beside_a_local_list_is_read(reader: SourceReader, tmp_path: Path) -> None:
    folder = tmp_path / "夜 景"
    folder.mkdir()
    (folder / "参考 #1.png").write_bytes(PICTURE)
    for listed in (str(folder / "shots.json"), (folder / "shots.json").as_uri()):
        assert await reader.read(resolve("参考 #1.png", base_of(listed))) == PICTURE


async def test_a_picture_beside_a_list_in_s3_is_read(bucket: SimpleNamespace) -> None:
    assert await bucket.reader.read(resolve("参考 #1.png", base_of("s3://references/夜 景/shots.json"))) == PICTURE


async def test_a_picture_beside_a_list_on_the_web_is_read(reader: SourceReader, site: str) -> None:
    assert await reader.read(resolve("参考 1.png", base_of(f"{site}/film/shots.json?x=1"))) == PICTURE


async def test_many_pictures_can_be_read_at_once(reader: SourceReader, site: str) -> None:
    pictures = await asyncio.gather(*(reader.read(f"{site}/moved") for _ in range(40)))
    assert pictures == [PICTURE] * 40


async def test_a_data_uri_is_read(reader: SourceReader) -> None:
    inline = base64.b64encode(PICTURE).decode()
    assert await reader.read(f"data:image/png;base64,{inline}") == PICTURE
    assert await reader.read("data:,%E5%A4%9C") == "夜".encode()


@pytest.mark.parametrize("uri", ["data:image/png;base64", "data:image/png;base64,AAA", "data:;base64,@@@@"])
async def test_an_invalid_data_uri_is_refused(reader: SourceReader, uri: str) -> None:
    with pytest.raises(SourceNotFound, match="data:"):
        await reader.read(uri)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone.png", "there is no such file"),
        ("file/deeper.png", "is a file, not a folder"),
        ("folder", "it is a folder"),
        ("", "it is a folder"),
        ("pipe", "not a regular file"),
        ("x" * 300, "too long"),
        ("a\x00b", "a path cannot contain"),
        ("a\ud800b", "a path cannot contain"),
        ("circle", "symbolic links"),
    ],
)
async def test_an_unreadable_path_is_reported_with_the_reason(
    tmp_path: Path, reader: SourceReader, name: str, says: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceNotFound, match=says):
        await reader.read(f"{tmp_path}/{name}")


@pytest.mark.parametrize(
    ("path", "expected", "says"),
    [
        ("/status/404", SourceNotFound, "there is nothing at this URL"),
        ("/status/403", SourceNotFound, "access is denied"),
        ("/status/401", SourceNotFound, "needs a login"),
        ("/status/418", SourceNotFound, "answered 418"),
        ("/status/304", SourceNotFound, "answered 304"),
        ("/status/429", SourceUnavailable, "answered 429"),
        ("/status/408", SourceUnavailable, "answered 408"),
        ("/status/500", SourceUnavailable, "answered 500"),
        ("/status/503", SourceUnavailable, "answered 503"),
        ("/round", SourceNotFound, "more than 5 times"),
        ("/to-file", SourceNotFound, "not http"),
        ("/to-nowhere", SourceNotFound, "not a valid URL"),
        ("/cut", SourceUnavailable, "ended the connection early"),
    ],
)
async def test_a_failed_request_is_not_found_or_unavailable(
    reader: SourceReader, site: str, path: str, expected: type[Exception], says: str
) -> None:
    with pytest.raises(expected, match=says):
        await reader.read(f"{site}{path}")


@pytest.mark.parametrize(
    "uri", ["http://", "https://xn--/", "http://[::1/", "http://127.0.0.1:99999/", "http://a\x00b/"]
)
async def test_an_invalid_url_is_refused(reader: SourceReader, uri: str) -> None:
    with pytest.raises(SourceNotFound):
        await reader.read(uri)


@pytest.mark.parametrize("uri", ["ftp://host/a", "gs://bucket/a", "shot:SH010", "s3://", "s3://bucket", "s3:///key"])
async def test_an_unsupported_scheme_is_refused_with_the_supported_ones(reader: SourceReader, uri: str) -> None:
    with pytest.raises(FixTheInput, match=r"s3://|another shot's frame"):
        await reader.read(uri)


async def test_a_server_that_is_down_is_unavailable(reader: SourceReader) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnavailable, match="no connection to its server"):
            await reader.read(f"http://127.0.0.1:{taken.getsockname()[1]}/a.png")


async def test_a_file_larger_than_the_limit_is_refused(
    reader: SourceReader, bucket: SimpleNamespace, site: str, tmp_path: Path
) -> None:
    local = tmp_path / "large.png"
    local.write_bytes(PICTURE)
    data = f"data:;base64,{base64.b64encode(PICTURE).decode()}"
    page, stored = f"{site}/moved", "s3://references/夜 景/参考 #1.png"
    for each, uri in ((reader, str(local)), (reader, page), (reader, data), (bucket.reader, stored)):
        assert await each.read(uri, limit=len(PICTURE)) == PICTURE
        with pytest.raises(SourceNotFound, match="it is too large: at most 10,239 bytes"):
            await each.read(uri, limit=len(PICTURE) - 1)


async def test_reading_an_endless_page_stops_at_the_limit(reader: SourceReader, site: str) -> None:
    with pytest.raises(SourceNotFound, match="too large"):
        await asyncio.wait_for(reader.read(f"{site}/endless", limit=1_000_000), 20)


@pytest.mark.parametrize("uri", ["s3://references/none.png", "s3://no-such-bucket/none.png"])
async def test_a_missing_s3_object_is_not_found(bucket: SimpleNamespace, uri: str) -> None:
    with pytest.raises(SourceNotFound, match="there is no such") as caught:
        await bucket.reader.read(uri)
    assert caught.value.uri == uri


async def test_missing_s3_credentials_are_reported(reader: SourceReader) -> None:
    with pytest.raises(SourceNotFound, match="there are no credentials"):
        await reader.read("s3://references/a.png")


async def test_signatures_and_passwords_are_in_no_message_and_no_log(
    reader: SourceReader, site: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = site.removeprefix("http://")
    with caplog.at_level(logging.DEBUG):
        for path in ("status/404", "status/503", "moved"):
            uri = f"http://anna:{SECRET}@{host}/{path}?X-Amz-Signature={SECRET}"
            if path == "moved":
                await reader.read(uri)
                continue
            with pytest.raises((SourceNotFound, SourceUnavailable)) as caught:
                await reader.read(uri)
            assert str(caught.value).startswith(f"{site}/{path}?… ")
            assert SECRET not in repr(caught.value)
        logging.getLogger("httpx").info("a line of somebody else's")
    assert SECRET not in caplog.text
    assert "httpcore" not in caplog.text
    assert "somebody else's" in caplog.text


async def test_an_untrusted_certificate_is_for_a_person_to_fix(
    reader: SourceReader, site_with_its_own_certificate: str
) -> None:
    site = site_with_its_own_certificate
    with pytest.raises(SourceNotFound, match="TLS certificate"):
        await reader.read(f"{site}/a.png")
    async with SourceReader(
        S3Settings(bucket="b", endpoint_url=site, access_key_id="a", secret_access_key=SECRET)
    ) as in_s3:
        with pytest.raises(SourceNotFound, match="TLS certificate"):
            await in_s3.read("s3://b/a.png")


async def test_a_server_that_does_not_speak_tls_is_no_certificate_fault(reader: SourceReader, site: str) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        await reader.read(site.replace("http://", "https://"))
    assert not isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


async def test_a_nested_encoding_is_for_a_person_to_fix(reader: SourceReader) -> None:
    async with sending(encoded(nested(100), "gzip, gzip")) as url:
        with pytest.raises(SourceNotFound, match="several content encodings"):
            await reader.read(f"{url}/list.json")


async def test_a_bomb_is_too_large(reader: SourceReader) -> None:
    async with sending(encoded(gzip.compress(bytes(80 << 20)), "gzip")) as url:
        with pytest.raises(SourceNotFound, match="it is too large: at most 50,000,000 bytes are read"):
            await reader.read(f"{url}/list.json")


@pytest.mark.parametrize(
    "send",
    [
        endless(OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.02),
        endless(OK, b"X", 0.02),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "header", "endless 100 Continue"],
)
async def test_a_server_that_drips_is_unavailable_after_a_set_time(
    send: Send, reader: SourceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LIMITS", BodyLimits(1000, headers_within=0.5, per_seconds=0.5))
    async with sending(send) as url:
        with pytest.raises(SourceUnavailable, match="its server sends too slowly"):
            await reader.read(f"{url}/list.json")


def s3_at(url: str) -> SourceReader:
    return SourceReader(
        S3Settings(bucket="b", region="us-east-1", endpoint_url=url, access_key_id="K", secret_access_key=SECRET)
    )


async def test_an_s3_that_drips_is_unavailable_after_a_set_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_requests, "_PER_SECONDS", 0.5)
    async with sending(endless(OK + b"Content-Length: 100000\r\n\r\n", b"x", 0.02)) as url, s3_at(url) as there:
        with pytest.raises(SourceUnavailable, match="no answer in time"):
            await there.read("s3://b/list.json")


async def test_an_s3_object_that_breaks_off_is_unavailable() -> None:
    async with sending(whole(OK + b"Content-Length: 100000\r\n\r\n" + bytes(500))) as url, s3_at(url) as there:
        with pytest.raises(SourceUnavailable, match="the connection was cut"):
            await there.read("s3://b/list.json")


async def test_an_endless_s3_object_is_too_large() -> None:
    chunks = endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + bytes(1024) + b"\r\n")
    async with sending(chunks) as url, s3_at(url) as there:
        with pytest.raises(SourceNotFound, match="it is too large: at most 100,000 bytes"):
            await there.read("s3://b/list.json", limit=100_000)
