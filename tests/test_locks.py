"""The locks hold every package that an installation needs, with hashes; an audit says what it could not find out."""

import functools
import json
import os
import re
import runpy
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.ports import free_port

HOME = Path(__file__).parents[1]
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))
NEEDED = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-dev.txt": [
        *PROJECT["project"]["dependencies"],
        *(each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra),
        *PROJECT["dependency-groups"]["build"],
    ],
    "requirements-build.txt": PROJECT["dependency-groups"]["build"],
}
ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_machine": machine,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    for python, (system, machine) in product(
        ("3.11", "3.12", "3.13"), [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")]
    )
]


@functools.cache
def locked(name: str) -> dict[str, tuple[Requirement, frozenset[str]]]:
    """Return each package of a lock with its hashes."""
    text = re.sub(r"^#.*\n", "", (HOME / name).read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        requirement = Requirement(line.partition(" --hash")[0])
        found[canonicalize_name(requirement.name)] = (requirement, frozenset(re.findall(r"--hash=(\S+)", line)))
    return found


@pytest.mark.parametrize("name", NEEDED)
def test_nothing_is_installed_that_makes_each_import_of_prefect_a_second_longer(name: str) -> None:
    assert "rfc3987-syntax" not in locked(name)


@pytest.mark.parametrize("name", NEEDED)
def test_every_package_has_one_version_and_hashes_and_no_address(name: str) -> None:
    assert "://" not in (HOME / name).read_text("utf-8")
    assert "--index" not in (HOME / name).read_text("utf-8")
    for requirement, hashes in locked(name).values():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier))
        assert hashes
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes)


@pytest.mark.parametrize("name", NEEDED)
def test_a_lock_has_a_version_within_the_bounds_for_each_python_and_system(name: str) -> None:
    packages = locked(name)
    for environment, needed in product(ENVIRONMENTS, map(Requirement, NEEDED[name])):
        if needed.name != PROJECT["project"]["name"]:
            requirement, _ = packages[canonicalize_name(needed.name)]
            [version] = requirement.specifier
            assert needed.specifier.contains(version.version), needed
            assert requirement.marker is None or requirement.marker.evaluate(environment), needed


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_what_runs_is_what_was_tested(name: str) -> None:
    tested = locked("requirements-dev.txt")
    assert {package: (str(each.specifier), hashes) for package, (each, hashes) in locked(name).items()} == {
        package: (str(each.specifier), hashes) for package, (each, hashes) in tested.items() if package in locked(name)
    }


def test_no_tool_of_the_tests_is_installed_where_previs_runs() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    tools = {canonicalize_name(Requirement(each).name) for each in extras["dev"]} - {"jsonschema"}
    shared = {"previs", "markdown-it-py"}
    assert not (tools - shared) & set(locked("requirements.txt"))


class _Service(BaseHTTPRequestHandler):
    """Answer as the API of OSV does: idna has a vulnerability, other packages have none."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = {"name": "idna", "ecosystem": "PyPI"}
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}]
        known = {"id": "PYSEC-1", "summary": "s", "affected": [{"package": package, "ranges": ranges}]}
        body = json.dumps({"vulns": [known]} if asked["package"]["name"] == "idna" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def audit(tmp_path: Path, url: str, *packages: str) -> tuple[int, str]:
    listed = tmp_path / "listed.txt"
    listed.write_text("\n".join(packages))
    command = [
        sys.executable,
        HOME / ".ci" / "audit.py",
        "--vulnerability-service",
        "osv",
        "--no-deps",
        "--disable-pip",
    ]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--requirement", listed, "--cache-dir", tmp_path / "cache"],
        env=os.environ | {"PIP_AUDIT_OSV_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_an_audit_names_a_vulnerability_and_the_version_without_it(service: str, tmp_path: Path) -> None:
    assert audit(tmp_path, service, "idna==3.20", "h11==0.16.0") == (
        1,
        "idna 3.20: PYSEC-1, fixed in 9.9\n2 packages audited, known vulnerabilities: 1\n",
    )
    assert audit(tmp_path, service, "h11==0.16.0") == (0, "1 packages audited, known vulnerabilities: 0\n")


def test_an_audit_that_reaches_no_service_says_that_it_could_not(tmp_path: Path) -> None:
    code, said = audit(tmp_path, f"http://127.0.0.1:{free_port()}/", "h11==0.16.0")
    assert code == 0
    assert said.startswith("could not audit: ")
    assert "audited," not in said


def test_packages_that_the_service_does_not_know_are_counted() -> None:
    report = runpy.run_path(str(HOME / ".ci" / "audit.py"))["report"]
    known = {"name": "h11", "version": "0.16.0", "vulns": []}
    unknown = {"name": "xmltodict", "skip_reason": "Dependency not found on PyPI: xmltodict (1.0.4)"}
    assert report([known, unknown]) == (
        [
            "1 packages audited, known vulnerabilities: 0",
            "could not audit 1 of 2 packages: Dependency not found on PyPI: xmltodict (1.0.4)",
        ],
        False,
    )


def test_the_list_of_what_is_installed_has_the_lock_with_its_hashes(tmp_path: Path) -> None:
    written = tmp_path / "sbom.json"
    command = [Path(sys.executable).with_name("cyclonedx-py"), "requirements", "--pyproject", HOME / "pyproject.toml"]
    command += ["--output-reproducible", "--output-file", written, HOME / "requirements.txt"]
    subprocess.run(command, capture_output=True, timeout=120, check=True)  # noqa: S603 - our own command
    made = json.loads(written.read_text("utf-8"))
    assert (made["bomFormat"], made["metadata"]["component"]["name"]) == ("CycloneDX", "previs")
    listed = {canonicalize_name(each["name"]): each for each in made["components"]}
    lock = locked("requirements.txt")
    assert set(listed) == set(lock)
    of_pillow = {each["content"] for each in listed["pillow"]["externalReferences"][0]["hashes"]}
    assert {f"sha256:{each}" for each in of_pillow} == lock["pillow"][1]
