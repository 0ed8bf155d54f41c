"""Runs docs/simulator.md: each recipe, after the blocks under "Start", in an empty folder with a simulator of its own.

A block of `sh` is run; the block of `text` that follows it is what it prints. There, … stands for whatever it is, within
a line; a line that is … alone for any lines."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "simulator.md"
LIMIT_S = 60
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

from vp_simulator import find_program  # noqa: E402


class Recipe:
    def __init__(self, title, text):
        self.title = title
        #: (what is run, what it prints or None)
        self.steps = []
        for kind, body in re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.M | re.S):
            if kind == "sh":
                self.steps.append((body, None))
            elif kind == "text":
                script, nothing = self.steps.pop()
                assert nothing is None, f"{title}: two answers to one block"
                self.steps.append((script, body))


def read_page():
    """The start, and the recipes."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2]))
    start = Recipe("Start", sections["Start"])
    return start, [Recipe(title, text) for title, text in sections.items() if re.match(r"\d+\. ", title)]


def pattern(expected):
    """The expected text as an expression for all of what was printed."""
    lines = []
    for line in expected.splitlines(keepends=True):
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*")
        else:
            lines.append(".*".join(re.escape(part) for part in line.split("…")))
    return "".join(lines)


def run(steps):
    """What each step printed. The shell and all that it started are ended, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="vp-recipe-") as folder:
        script = "set -eu\n"
        for number, (body, _) in enumerate(steps):
            script += f"exec >out-{number}\n{body}\n"
        environment = {**os.environ, "PATH": f"{os.path.dirname(find_program())}:{os.environ['PATH']}", "TMPDIR": folder}
        shell = subprocess.Popen(["sh", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            # The simulator holds stderr open; what is waited for is the shell.
            code = shell.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            code = f"none after {LIMIT_S} s"
        finally:
            try:
                os.killpg(shell.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            errors = shell.communicate()[1]
        out = [Path(folder, f"out-{n}") for n in range(len(steps))]
        return code, errors, [path.read_text(encoding="utf-8") if path.exists() else None for path in out]


class Recipes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("curl") and os.geteuid() == 0 and shutil.which("apt-get"):
            subprocess.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends curl", shell=True,
                           capture_output=True)
        if not shutil.which("curl"):
            raise unittest.SkipTest("curl is not there and cannot be installed: apt-get install curl")


def test_of(start, recipe):
    def test(self):
        steps = start.steps + recipe.steps
        code, errors, printed = run(steps)
        for (script, expected), text in zip(steps, printed):
            if expected is not None and (text is None or not re.fullmatch(pattern(expected), text)):
                self.fail(f"{script}\nprinted:\n{text}\ninstead of:\n{expected}\nexit code {code}, stderr:\n{errors}")
        self.assertEqual(code, 0, errors)
        self.assertTrue(any(expected for _, expected in recipe.steps), "this recipe shows nothing")

    return test


def main():
    start, recipes = read_page()
    if len(recipes) < 10:
        sys.exit(f"{PAGE} has {len(recipes)} recipes")
    for recipe in recipes:
        name = re.sub(r"\W+", "_", recipe.title.lower())
        setattr(Recipes, f"test_{name.zfill(2)}", test_of(start, recipe))
    unittest.main()


if __name__ == "__main__":
    main()
