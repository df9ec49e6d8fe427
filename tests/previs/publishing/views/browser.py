"""A tab of a real browser, for tests of pages."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from websockets.sync.client import ClientConnection, connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
BOUND = 60
AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
FAULTS = """axe.run(document, { resultTypes: ["violations"] }).then(({ passes, violations }) => [passes.length > 10,
    ...violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html}`)])"""
FPS = 24


class Tab:
    """A tab of the browser, spoken to over its DevTools protocol."""

    def __init__(self, socket: ClientConnection, **context: str) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.complaints: list[str] = []
        self.session: dict[str, str] = {}
        target = self.ask("Target.createTarget", url="about:blank", **context)["targetId"]
        self.session = {"sessionId": self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def forget(self) -> None:
        """Forget cookies, and what a test emulated."""
        self.ask("Network.clearBrowserCookies")
        self.ask("Emulation.clearDeviceMetricsOverride")
        self.ask("Emulation.setEmulatedMedia", media="", features=[])

    @contextmanager
    def beside(self) -> Iterator["Tab"]:
        """Yield a tab with cookies of its own; a new tab costs as much as several tests in this one."""
        whole = Tab.__new__(Tab)
        whole.__dict__ = self.__dict__ | {"session": {}}
        context = whole.ask("Target.createBrowserContext")
        try:
            yield Tab(self.socket, **context)
        finally:
            whole.ask("Target.disposeBrowserContext", **context)

    def receive(self) -> dict[str, object]:
        said = json.loads(self.socket.recv(timeout=BOUND))
        entry = said["params"]["entry"] if said.get("method") == "Log.entryAdded" else {}
        if entry and not entry.get("url", "").endswith("/favicon.ico"):
            self.complaints.append(entry["text"])
        return said

    def ask(self, method: str, **params: object) -> dict:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params, **self.session}))
        answer = next(said for said in iter(self.receive, None) if said.get("id") == number)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, page: Path | str) -> None:
        self.complaints.clear()
        self.ask("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        next(said for said in iter(self.receive, None) if said.get("method") == "Page.loadEventFired")

    def value(self, expression: str) -> object:
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true in the page, or in the page that comes next."""
        end = time.monotonic() + 20
        script = f"new Promise((done) => setTimeout(() => done(Boolean({condition})), 30))"
        while time.monotonic() < end:
            try:
                if self.value(script):
                    return
            except AssertionError as error:
                if "navigated" not in str(error) and "context" not in str(error):
                    raise
        pytest.fail(f"never: {condition}")

    def click(self, selector: str) -> None:
        found = f"document.querySelector({json.dumps(selector)})"
        self.until(f"{found} && !{found}.disabled && {found}.checkVisibility()")
        self.value(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box: Any = self.value(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({found}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def press(self, key: str) -> None:
        text = {"text": "\r", "windowsVirtualKeyCode": 13} if key == "Enter" else {}
        code = {"Escape": 27, "ArrowRight": 39, "ArrowLeft": 37}.get(key)
        codes = {"windowsVirtualKeyCode": code} if code else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **(text | codes))
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def mouse(self, *kinds: str, at: tuple[float, float], **fields: object) -> None:
        """Move, press, release or turn the mouse at a place; of all kinds with these fields."""
        for kind in kinds:
            self.ask("Input.dispatchMouseEvent", type=f"mouse{kind}", x=at[0], y=at[1], **fields)

    def touch(self, kind: str, *at: tuple[float, float]) -> None:
        """Put fingers on the screen, move or lift them."""
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(at)]
        self.ask("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=points)

    def shows(self, *names: str) -> bool:
        """Wait until these files are in the large view, and return whether there are so many pictures."""
        return self.value(f"""Promise.all({list(names)}.map((name, place) => new Promise((done) => {{
            const image = document.querySelectorAll(".layer:not([hidden]) img")[place];
            const look = () => image.complete && image.src.endsWith("/" + name) && done();
            image.addEventListener("load", look);
            look(); }}))).then(() => document.querySelectorAll(".layer:not([hidden])").length === {len(names)})""")  # type: ignore[return-value]

    def outside(self, selector: str) -> int:
        """Return how many of the visible elements reach out of the window."""
        return self.value(f"""[...document.querySelectorAll({json.dumps(selector)})].filter((part) => {{
            const {{ left, right, bottom, width }} = part.getBoundingClientRect();
            const isOut = left < 0 || right > innerWidth || bottom > innerHeight;
            return part.checkVisibility() && width && isOut; }}).length""")  # type: ignore[return-value]

    def faults(self) -> list[str]:
        """Return what axe finds that keeps people from using the page."""
        if not self.value("'axe' in window"):
            self.value(f"{AXE}; 0")
        checked: Any = self.value(FAULTS)
        assert checked[0], "axe has checked next to nothing"
        return checked[1:]  # type: ignore[no-any-return]

    def sized(self, width: int, height: int) -> None:
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self, *, whole: bool = True) -> Image.Image:
        """Return the whole page, or what is in the window."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        return Image.open(BytesIO(base64.b64decode(shot))).convert("RGB")


def write_film(path: Path, frames: int, colours: list[str]) -> None:
    """Write a film whose colours are seen for equal times."""
    with av.open(str(path), "w", format="webm") as out:
        stream = out.add_stream("libvpx", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(frames):
            colour = colours[number * len(colours) // frames]
            picture = av.VideoFrame.from_image(Image.new("RGB", (320, 180), colour))
            out.mux(stream.encode(picture))
        out.mux(stream.encode())


@contextmanager
def chromium(home: Path) -> Iterator[Tab]:
    """Start Chromium with a folder of its own, and end it."""
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --remote-debugging-port=0 --hide-scrollbars "
        # Without a process for each site, one in reserve, and pages kept to go back to, a page takes half the CPU time.
        "--disable-site-isolation-trials "
        "--disable-features=BackForwardCache,IsolateOrigins,site-per-process,RenderDocument,SpareRendererForSitePerProcess"
    )
    command = ["timeout", "3600", str(CHROMIUM), *options.split(), f"--user-data-dir={home}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as browser:  # noqa: S603
        assert browser.stderr is not None
        line = next(line for line in browser.stderr if line.startswith("DevTools listening on "))
        # Pings would be sent from a thread, and draw from the random module while other tests do so.
        with connect(line.split()[-1], max_size=None, proxy=None, ping_interval=None) as socket:
            yield Tab(socket)
            socket.send(json.dumps({"id": 0, "method": "Browser.close"}))
        browser.stderr.read()
