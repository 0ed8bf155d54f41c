"""Chromium by the WebDriver protocol (W3C), which is JSON over HTTP: the few calls that the tests need.

Standard library only; the programs are Debian's `chromium` and `chromium-driver`.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TAB, ENTER, SPACE, SHIFT = "\ue004", "\ue007", " ", "\ue008"
PATIENCE_S = 20


class Missing(Exception):
    """A program that is needed is not installed."""


class DriverError(Exception):
    """The driver says no."""


def program(*names):
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise Missing(f"{names[0]} is not installed")


class Browser:
    """A fresh profile in a headless Chromium; gone with `close`."""

    def __init__(self):
        chromium, driver = program("chromium", "chromium-browser"), program("chromedriver")
        self.scratch = tempfile.mkdtemp(prefix="vp-browser-")
        self.driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                       env={**os.environ, "TMPDIR": self.scratch})
        self.session = None
        try:
            self.base = f"http://127.0.0.1:{self._port()}"
            self.direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync",
                         "--hide-scrollbars", "--no-proxy-server", "--lang=en", f"--user-data-dir={self.scratch}/profile"]
            wanted = {"browserName": "chrome", "acceptInsecureCerts": True, "goog:loggingPrefs": {"browser": "ALL"},
                      "goog:chromeOptions": {"binary": chromium, "args": arguments}}
            answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self.session = f"/session/{answer['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip(".\n").rsplit(" ", 1)[1])
        raise DriverError(f"chromedriver ended with {self.driver.wait()}")

    def close(self):
        if self.session:
            try:
                self._ask("DELETE", self.session)
            except (DriverError, OSError):
                pass
        self.driver.terminate()
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            self.driver.wait()
        self.driver.stdout.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _ask(self, method, path, body=None):
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self.direct.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise DriverError(f"{value['error']}: {value['message']}") from None

    def ask(self, method, path, body=None):
        return self._ask(method, self.session + path, body)

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """A function's body in the page; what it returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """The same, for one that calls its last argument when it is done."""
        return self.ask("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def devtools(self, command, **parameters):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def look(self, width, height, scheme, scale=1, calm=True):
        """The size of the window in CSS pixels, and what the person prefers."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        motion = "reduce" if calm else "no-preference"
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def until(self, script, *arguments, what=None):
        """Waits until the function returns something true, and returns it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > deadline:
                seen = self.run("return document.body.innerText")
                raise AssertionError(f"not in {PATIENCE_S} s: {what or script}\n{seen}")
            time.sleep(0.05)

    def button(self, text):
        """The button that is named so; waits for it."""
        return self.until(
            "return [...document.querySelectorAll('button')].find("
            "(button) => button.checkVisibility() && button.innerText.replace(/\\s+/g, ' ').includes(arguments[0]))",
            text, what=f"a button {text!r}")

    def click(self, text):
        """A real click in the middle of the button. A page that is built anew in between is asked again."""
        for attempt in range(3):
            try:
                return self.ask("POST", f"/element/{self.button(text)[ELEMENT]}/click")
            except DriverError as error:
                if "stale" not in str(error) or attempt == 2:
                    raise

    def keys(self, *keys):
        """Typed one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        """What the focus is on, as its visible text; nothing, where it is on nothing."""
        return self.run("const at = document.activeElement; return at === document.body ? '' : at.innerText.replace(/\\s+/g, ' ')")

    def computed(self, element):
        """Role and name, as the accessibility tree has them."""
        at = f"/element/{element[ELEMENT]}"
        return self.ask("GET", f"{at}/computedrole"), self.ask("GET", f"{at}/computedlabel")

    def complaints(self):
        """What the browser has logged as a warning or worse since the last time."""
        entries = self.ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def picture(self):
        return base64.b64decode(self.ask("GET", "/screenshot"))
