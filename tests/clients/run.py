"""Clients of the Vipps MobilePay APIs that others have published take rides on the simulator.

They come from the npm registry in the versions of package-lock.json; nothing in the simulator is made for them."""

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))
sys.dont_write_bytecode = True

from vp_simulator import Simulator  # noqa: E402

LIMIT_S = 120


def why_not():
    """None if Node 20 and the clients are there, else what is missing."""
    if not (shutil.which("node") and shutil.which("npm")) and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm", shell=True,
                       capture_output=True)
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not there and cannot be installed: apt-get install nodejs npm"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        return f"node is {version}; the clients want 20 or newer"
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    npm = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True)
    if npm.returncode != 0:
        return f"npm ci: {npm.stderr.strip()[-300:]}"
    installed.touch()
    return None


class PublishedClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.simulator = Simulator("--tls", "--passenger", "approve-after=300ms", "--check-answers", "crash")
        self.addCleanup(self.simulator.stop)

    def run_client(self, name):
        own = {name: value for name, value in os.environ.items() if not name.startswith("VIPPS_")}
        environment = {**own, "SIMULATOR_URL": self.simulator.url, "NODE_EXTRA_CA_CERTS": self.simulator.ca_file}
        done = subprocess.run(["node", "--import", "./to_simulator.mjs", name], cwd=HERE, env=environment,
                              capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        # The servers have answered 500 to nobody, and whatever was refused was meant to be.
        return [r["status"] for r in self.simulator.requests() if r["status"] is not None and r["status"] >= 400]

    def books(self, reference, state, captured, refunded, cancelled):
        page = self.simulator.ledger(reference)
        self.assertEqual([page["state"], page["captured"], page["refunded"], page["cancelled"]],
                         [state, captured, refunded, cancelled])
        return page

    def test_the_official_sdk(self):
        self.assertEqual(self.run_client("official_sdk.mjs"), [400])
        page = self.books("official-0001", "AUTHORIZED", 24900, 4900, 0)
        self.assertEqual((page["capture_count"], page["receipt"]["orderLines"][0]["name"]), (1, "Taxi ride"))
        self.books("official-0002", "AUTHORIZED", 0, 0, 24900)
        self.books("official-0003", "ABORTED", 0, 0, 0)
        self.assertIsNone(self.simulator.ledger("official-0004"))

    def test_the_former_sdk_with_the_answer_of_a_capture_lost(self):
        lost, = self.simulator.faults({"operation": "capture", "action": "reset_after"})
        self.assertEqual(self.run_client("former_sdk.mjs"), [])
        self.assertEqual(self.simulator.fired()[lost], 1)
        page = self.books("former-0001", "AUTHORIZED", 24900, 4900, 0)
        self.assertEqual(page["capture_count"], 1)
        first, second = self.simulator.requests("capture")
        self.assertEqual(first["idempotency_key"], second["idempotency_key"])
        self.assertEqual((first["acted"], second["acted"]), (True, False))
        self.books("former-0002", "TERMINATED", 0, 0, 24900)


if __name__ == "__main__":
    program = unittest.main(exit=False)
    result = program.result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed, {len(result.skipped)} skipped")
    sys.exit(0 if result.wasSuccessful() else 1)
