"""The simulator's answers to everything that its own OpenAPI documents allow, and to much that they forbid.

The tester (schemathesis) makes requests up from the documents that the simulator serves: valid ones, broken ones, and sequences that
follow the links between operations. No answer may be a 500 or outside its schema, nothing invalid may be taken, nothing may
be done without keys; and the simulator checks its answers itself and would end at once.
"""

import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

from vp_simulator import Simulator  # noqa: E402

SEED, EXAMPLES = 1, 20
# The first: what is valid by a schema can still be refused by a rule of the money, and 1.0 is an integer for JSON Schema but not
# for the servers. The second wants 405 for a method that a path does not have; the gateway knows no such path.
NOT_ASKED = "positive_data_acceptance,unsupported_method"


REACHED = [
    "token", "create", "get", "events", "capture", "cancel", "refund", "approve", "receipt", "order", "category", "add_category",
    "find_categories", "get_category", "delete_category", "image", "webhook_register", "webhook_list", "webhook_delete",
]


def token(url):
    keys = {"client_id": "sim-client-id", "client_secret": "sim-client-secret", "Ocp-Apim-Subscription-Key": "sim-subscription-key"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/accesstoken/get", b"", keys)) as answer:
        return json.load(answer)["access_token"]


def servers():
    """Rate limits would hide everything else; payments are approved at once, so that captures and refunds are reached."""
    return Simulator("--rate-limits", "off", "--passenger", "approve", "--token-life", "30d", "--check-answers", "crash")


def headers(url):
    return {
        "Authorization": f"Bearer {token(url)}",
        "Ocp-Apim-Subscription-Key": "sim-subscription-key",
        "Merchant-Serial-Number": "123456",
    }


def picture(width, height):
    """A grey PNG."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def by_hand(simulator):
    """Where no schema leads: a picture that is one, a payment that waits for its approval, a URL on this machine."""
    def send(path, body=None, method="POST"):
        sent = {**headers(simulator.url), "Content-Type": "application/json", "Idempotency-Key": "by-hand"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(simulator.url + path, data, sent, method=method)) as answer:
            return answer.read()

    send("/order-management/v1/images", {"imageId": "by-hand", "src": base64.b64encode(picture(200, 167)).decode(), "type": "base64"})
    simulator.ask("POST", "passenger", {"rule": "manual"})
    customer = {"phoneNumber": "4791234567"}
    send("/epayment/v1/payments", {
        "amount": {"value": 24900, "currency": "NOK"}, "paymentMethod": {"type": "WALLET"}, "customer": customer,
        "reference": "by-hand-0001", "userFlow": "PUSH_MESSAGE",
    })
    send("/epayment/v1/test/payments/by-hand-0001/approve", {"customer": customer})
    hook = send("/webhooks/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "events": ["epayments.payment.refunded.v1"]})
    send(f"/webhooks/v1/webhooks/{json.loads(hook)['id']}", method="DELETE")


def main():
    failed = 0
    with servers() as simulator:
        documents = [name for name in simulator.ask("GET", "openapi") if name != "common.json"]
        for name in documents:
            sent = headers(simulator.url)
            if name == "access-token.json":
                sent |= {"client_id": "sim-client-id", "client_secret": "sim-client-secret"}
            command = [
                os.path.join(os.path.dirname(sys.executable), "st"), "run", f"{simulator.url}/_sim/openapi/{name}",
                "--url", simulator.url, "--seed", str(SEED), "--max-examples", str(EXAMPLES),
                "--exclude-checks", NOT_ASKED, "--generation-database", "none", "--no-color",
            ]
            for pair in sent.items():
                command += ["-H", ": ".join(pair)]
            # What it remembers between runs goes with the folder.
            with tempfile.TemporaryDirectory() as scratch:
                run = subprocess.run(command, cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            closing = [line.strip("= ") for line in run.stdout.splitlines() if line.strip()][-1]
            print(f"{name}: {closing}", flush=True)
            if run.returncode != 0:
                failed += 1
                print(run.stdout)
        by_hand(simulator)
        health = simulator.ask("GET", "health")
        reached = {(entry["operation"], entry["status"]) for entry in simulator.ask("GET", "requests")}
    # A tester that never gets past the door would see nothing.
    for operation in REACHED:
        if not any(reached_operation == operation and status in (200, 201, 204) for reached_operation, status in reached):
            failed += 1
            print(f"no {operation} ever succeeded: the tester did not get past the door")
    if health["answers_not_as_described"]:
        failed += 1
        print(health)
    print(f"{len(documents) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
