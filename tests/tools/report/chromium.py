# SPDX-License-Identifier: Apache-2.0
"""Drives a headless Chromium through its debugging pipe: no port, and nothing but Python's library.

Messages of the Chrome DevTools Protocol are JSON texts with a zero byte after each. The browser reads
them from descriptor 3 and writes its own to descriptor 4.
"""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


def find_chromium():
    """The path of a Chromium, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    return None


class Failed(Exception):
    """The browser said no, or nothing."""


class Browser:
    def __init__(self, path):
        self.profile = tempfile.mkdtemp(prefix="tessera-report-")
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        # Out of the way of 3 and 4, which are to be the browser's.
        to_browser, from_browser = (os.dup2(fd, new) for fd, new in ((to_browser, 103), (from_browser, 104)))

        def place_pipes():
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)

        command = [path, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.profile}",
                   "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                   "--disable-background-networking", "--disable-component-update", "--mute-audio",
                   "--force-color-profile=srgb"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        self.process = subprocess.Popen(command, preexec_fn=place_pipes, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self.events = []

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(timeout=10)
        except (Failed, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _receive(self, deadline):
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise Failed("the browser does not answer")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise Failed("the browser is gone")
            self._buffer += part
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, seconds=60, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data):]
        deadline = time.monotonic() + seconds
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error'].get('message')}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)


class Page:
    """A tab that shows a file. `problems`: what a healthy page never says."""

    def __init__(self, browser, width=1000, height=900, dark=False, media="screen", reduced=False):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.emulate(dark, media, reduced)

    def emulate(self, dark=False, media="screen", reduced=False):
        self.call("Emulation.setEmulatedMedia", media=media, features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if reduced else "no-preference"}])

    def call(self, method, **parameters):
        return self.browser.call(method, session=self.session, **parameters)

    def open(self, path, seconds=30):
        """Returns the seconds until the page was complete."""
        start = time.monotonic()
        self.call("Page.navigate", url=f"file://{path}")
        while time.monotonic() - start < seconds:
            if self.run("document.documentElement?.dataset.ready === 'true' && document.readyState === 'complete'"):
                # Charts are drawn by now; what was put off to the next picture, too.
                self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                return time.monotonic() - start
            time.sleep(0.02)
        raise Failed(f"{path} was not complete after {seconds} s: {self.problems()}")

    def run(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failed(details.get("exception", {}).get("description", details.get("text")))
        return answer["result"].get("value")

    def _own_events(self):
        self.call("Runtime.evaluate", expression="0")  # what is under way arrives before its answer
        return [e for e in self.browser.events if e.get("sessionId") == self.session]

    def problems(self):
        found = []
        for event in self._own_events():
            data = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(data["exceptionDetails"].get("exception", {}).get("description", data)))
            elif event["method"] == "Runtime.consoleAPICalled" and data["type"] in ("error", "warning", "assert"):
                found.append(str([a.get("value", a.get("description")) for a in data["args"]]))
            elif event["method"] == "Log.entryAdded" and data["entry"]["level"] in ("error", "warning"):
                found.append(data["entry"]["text"])
        return found

    def requests(self):
        return [e["params"]["request"]["url"] for e in self._own_events() if e["method"] == "Network.requestWillBeSent"]

    def key(self, key, shift=False):
        codes = {"Tab": 9, "Enter": 13, "Home": 36, "End": 35, "PageUp": 33, "PageDown": 34,
                 "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, " ": 32}
        event = {"key": key, "modifiers": 8 if shift else 0, "windowsVirtualKeyCode": codes.get(key, ord(key[0]))}
        if len(key) == 1:
            event["text"] = key
        elif key == "Enter":
            event["text"] = "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=event["windowsVirtualKeyCode"])

    def mouse(self, kind, x, y, button="left"):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="none" if kind == "mouseMoved" else button,
                  buttons=0, clickCount=0 if kind == "mouseMoved" else 1)

    def screenshot(self, path, full=True):
        import base64
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)["data"]
        if full:
            size = self.run("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                             clip={"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1})["data"]
        content = base64.b64decode(data)
        with open(path, "wb") as file:
            file.write(content)
        return len(content)

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
