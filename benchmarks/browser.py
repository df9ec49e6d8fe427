"""Open pages in headless Chromium over a line of a given speed, and measure what it paints and loads."""

import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any, Final

from websockets.sync.client import connect
from websockets.sync.connection import Connection

_OPTIONS: Final = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-port=0 --hide-scrollbars --window-size=1440,900"
)
_BOUND: Final = 300
_PAINTED: Final = """new Promise((done) => new PerformanceObserver((list) => done([
    performance.getEntriesByName("first-contentful-paint")[0].startTime, list.getEntries().at(-1).startTime,
])).observe({ type: "largest-contentful-paint", buffered: true }))"""
_SEE_ALL: Final = """Promise.all([...document.querySelectorAll("article img")].map(async (image) => {
    image.loading = "eager"; await image.decode(); }))"""


class Browser:
    """Represent a tab of Chromium, spoken to over its DevTools protocol."""

    def __init__(self, socket: Connection) -> None:
        self._socket, self._numbers, self._session = socket, itertools.count(1), dict[str, str]()
        self._loaded, self._inside = 0, set[str]()
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Network"):
            self._ask(f"{domain}.enable")
        self._ask("Page.setLifecycleEventsEnabled", enabled=True)

    def measure(self, url: str, *, megabits: float, latency_ms: float) -> dict[str, float]:
        """Open a page with an empty cache.

        Return the milliseconds to the first and to the largest paint, the megabytes loaded until the network is idle,
        and those after every picture was seen.
        """
        self._ask("Network.clearBrowserCache")
        self._throttle(megabits * 1e6 / 8, latency_ms)
        self._ask("Page.navigate", url="about:blank")
        self._loaded = 0
        frame = self._ask("Page.navigate", url=url)["frameId"]
        while (said := self._receive())["method"] != "Page.lifecycleEvent" or not (
            said["params"]["name"] == "networkIdle"
            and said["params"]["frameId"] == frame
            and self._value("location.href") == url
        ):
            pass
        first, largest = self._value(_PAINTED)
        at_first = self._loaded
        self._throttle(-1, 0)
        self._value(_SEE_ALL)
        return {
            "first_paint_ms": round(first),
            "largest_paint_ms": round(largest),
            "mb": round(at_first / 1e6, 2),
            "mb_all_seen": round(self._loaded / 1e6, 2),
        }

    def _throttle(self, speed: float, latency_ms: float) -> None:
        """Set the bytes a second of the line; -1 for no limit."""
        conditions = {"offline": False, "latency": latency_ms, "downloadThroughput": speed, "uploadThroughput": speed}
        self._ask("Network.emulateNetworkConditions", **conditions)

    def _receive(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self._socket.recv(timeout=_BOUND))
        params = said.get("params", {})
        if said.get("method") == "Network.requestWillBeSent" and params["request"]["url"].startswith("data:"):
            self._inside.add(params["requestId"])
        if said.get("method") == "Network.loadingFinished" and params["requestId"] not in self._inside:
            self._loaded += params["encodedDataLength"]
        return said if "method" in said else said | {"method": ""}

    def _ask(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **self._session}))
        answer = next(said for said in iter(self._receive, None) if said.get("id") == number)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        found: dict[str, Any] = answer["result"]
        return found

    def _value(self, expression: str) -> Any:  # noqa: ANN401 - what the expression has
        answer = self._ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")


def chromium() -> str | None:
    """Return the path of Chromium, or None if it is not installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    with tempfile.TemporaryDirectory() as home:
        command = ["timeout", str(_BOUND), str(chromium()), *_OPTIONS.split(), f"--user-data-dir={home}", "about:blank"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as started:  # noqa: S603 - our own
            line = next(line for line in started.stderr or () if line.startswith("DevTools listening on "))
            with connect(line.split()[-1], max_size=None, proxy=None) as socket:
                yield Browser(socket)
                socket.send(json.dumps({"id": 0, "method": "Browser.close"}))
            if started.stderr:
                started.stderr.read()
