"""Headless Chromium, controlled through its debugging pipe: no port, no driver program.

https://chromedevtools.github.io/devtools-protocol/ says what there is to tell it.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.daemon import wait_for

OPTIONS = (
    *("--headless", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--lang=en-US"),
    "--no-sandbox",  # the tests run as root
    # Chromium may connect only to 127.0.0.1.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--disable-default-apps", "--disable-extensions", "--disable-domain-reliability", "--no-proxy-server"),
)


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page. The caller closes it."""

    def __init__(self, program: str, width: int = 1600, height: int = 900) -> None:
        self.profile = tempfile.mkdtemp(prefix="usbrh-browser-")
        its_input, self._to = os.pipe()
        self._from, its_output = os.pipe()
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        # Chromium reads from descriptor 3 and writes to 4. The shell puts the pipes there.
        ends = f'exec "$0" "$@" 3<&{its_input} 4>&{its_output}'
        command = [program, *OPTIONS, f"--user-data-dir={self.profile}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", ends, *command],
            pass_fds=(its_input, its_output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.profile},
            start_new_session=True,
        )
        os.close(its_input)
        os.close(its_output)
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.call("Page.enable")
            self.resize(width, height)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        end = time.monotonic() + 60
        while True:
            answer = self._next(end)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("chromium does not answer")
            data = os.read(self._from, 1 << 20)
            if not data:
                raise ConnectionError("chromium has ended")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        """Load a page and wait until its pictures are loaded and no progress indicator is left."""
        self.run("window.isOld = true")
        self.call("Page.navigate", url=url)
        wait_for(url, lambda: self.run("!window.isOld && document.readyState == 'complete'"), 30)
        self.settle()

    def settle(self) -> None:
        quiet = (
            "[...document.images].every(i => i.complete) && !document.querySelector('.is-loading, .loading')"
            " && performance.getEntriesByType('resource').length"
        )
        before: list[Any] = []

        def still() -> bool:
            before.append(self.run(quiet))
            return len(before) > 4 and bool(before[-1]) and len(set(before[-4:])) == 1

        wait_for("the page is quiet", still, 30, 0.2)

    def text(self) -> str:
        """Return the visible text."""
        return str(self.run("document.body.innerText"))

    def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        os.close(self._to)
        os.close(self._from)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait(10)
        shutil.rmtree(self.profile, ignore_errors=True)


def log_in(browser: Browser, url: str, user: str, password: str) -> None:
    """Log in through the form of the front end, as a user does."""
    browser.open(f"{url}/index.php")
    for field, value in (("name", user), ("password", password)):
        browser.run(f"document.getElementById({field!r}).value = {json.dumps(value)}")
    browser.run("window.isOld = true; document.getElementById('enter').click()")
    wait_for("login", lambda: browser.run("!window.isOld && !!document.querySelector('.sidebar')"), 30)
