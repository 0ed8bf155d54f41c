"""Write before send, as the kernel saw it: examples-c/minimal.c rides under strace, and each request that moves money is
held against the journal writes and syncs before it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.dont_write_bytecode = True

from vp_simulator import Simulator  # noqa: E402

BUILD = Path(os.environ.get("VPMETER_LIB_DIR") or sys.exit("VPMETER_LIB_DIR is not set: run `make test`"))
CALLS = "write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync,openat,rename,close"


def have_strace():
    if not shutil.which("strace") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends strace", shell=True,
                       capture_output=True)
    return shutil.which("strace") is not None


def trace_of_a_ride():
    """The system calls of one ride over plain http, in the order in which they returned."""
    scratch = tempfile.mkdtemp(prefix="vpmeter-syncs-")
    try:
        with Simulator("--passenger", "approve", "--check-answers", "crash") as simulator:
            env = {**os.environ, "VPMETER_URL": simulator.url, "VPMETER_CLIENT_ID": "sim-client-id",
                   "VPMETER_CLIENT_SECRET": "sim-client-secret", "VPMETER_SUBSCRIPTION_KEY": "sim-subscription-key",
                   "VPMETER_MSN": "123456", "VPMETER_JOURNAL_DIR": f"{scratch}/journal", "LD_LIBRARY_PATH": str(BUILD)}
            env.pop("VPMETER_CA_FILE", None)
            done = subprocess.run(["strace", "-f", "-s", "65536", "-o", f"{scratch}/trace", "-e", f"trace={CALLS}",
                                   str(BUILD / "minimal"), "24900", "912 34 567", "traced-ride-0001"],
                                  env=env, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"the ride did not end well: {done.stdout} {done.stderr}")
        return Path(f"{scratch}/trace").read_text(encoding="utf-8", errors="replace").splitlines()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class WriteBeforeSend(unittest.TestCase):
    def test_each_sync_has_returned_before_the_send_that_it_guards(self):
        if not have_strace():
            self.skipTest("strace is not there and cannot be installed: apt-get install strace")
        synced, unsynced, sends, syncs = set(), {}, [], 0
        for line in trace_of_a_ride():
            if "<unfinished" in line or "resumed>" in line:
                # One thread does all of this; an interleaved call would make the order below worthless.
                self.assertNotRegex(line, r"sendto|fdatasync|fsync", line[:200])
                continue
            wrote = re.search(r"write\((\d+), \"vpmeter-journal .*", line)
            if wrote:
                unsynced.setdefault(wrote.group(1), set()).update(re.findall(r"[0-9a-f]{8}-[0-9a-f]{32}-[a-z]\d+\.\d+", line))
            done = re.search(r"f(?:data)?sync\((\d+)\)\s+= 0", line)
            if done:
                syncs += 1
                synced |= unsynced.pop(done.group(1), set())
            sent = re.search(r"send(?:to|msg)\(\d+, \"POST (\S+) .*?idempotency-key: (\S+?)\\r", line, re.IGNORECASE)
            if sent:
                path, key = sent.groups()
                sends.append(path.rsplit("/", 1)[-1])
                self.assertIn(key, synced, f"POST {path} left before its key was on the disk")
        self.assertEqual(sends, ["payments", "capture"])
        print(f"\n{syncs} syncs, directories and opening included; each key was on the disk before it was sent")


if __name__ == "__main__":
    unittest.main()
