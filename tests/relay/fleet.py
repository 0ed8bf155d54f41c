"""A broker with its certificates, the relay, and meters, on free ports, for the tests and for the benchmark."""

import hashlib
import hmac
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from mqtt import Client, Refused  # noqa: E402

START_LIMIT_S = 60
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.02)


class Authority:
    """A throw-away certificate authority, by openssl. One key serves all of its certificates: they differ in the name."""

    def __init__(self, place):
        self.place = Path(place)
        self.place.mkdir(parents=True)
        self.ca = self.place / "ca.pem"
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key")
        self._openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=fleet authority", "-days", "2", "-out", "ca.pem")
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "any.key")
        self.key = self.place / "any.key"

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.place, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")

    def certificate(self, name, *extensions):
        path = self.place / f"{name}.pem"
        if not path.exists():
            more = [word for extension in extensions for word in ("-addext", extension)]
            self._openssl("req", "-x509", "-new", "-key", "any.key", "-subj", f"/CN={name}", "-CA", "ca.pem", "-CAkey", "ca.key",
                          "-days", "2", *more, "-addext", "basicConstraints=critical,CA:false", "-out", path.name)
        return path


class Process:
    """A child of this test, ended by its own number."""

    process = None

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdout, self.process.stdin) if self.process else ():
            if stream:
                stream.close()


class Broker(Process):
    """Mosquitto with the files of examples-c, its places and its port set."""

    def __init__(self, place, authority, lines=""):
        self.place, self.authority, self.port = Path(place), authority, free_port()
        self.place.mkdir(parents=True)
        authority.certificate("broker", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        text = (ROOT / "examples-c/fleet_broker.conf").read_text()
        for before, after in [("listener 8883", f"listener {self.port} 127.0.0.1"),
                              ("/etc/mosquitto/fleet/broker.key", str(authority.key)),
                              ("/etc/mosquitto/fleet/fleet_broker.acl", f"{self.place}/acl"),
                              ("/etc/mosquitto/fleet/", f"{authority.place}/"), ("/var/lib/mosquitto/", f"{self.place}/")]:
            assert before in text, before
            text = text.replace(before, after)
        (self.place / "conf").write_text(f"{text}\n{lines}\nuser root\nlog_dest file {self.place}/log\n")
        shutil.copy(ROOT / "examples-c/fleet_broker.acl", self.place / "acl")
        (self.place / "acl").chmod(0o600)
        self.start()

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(self.place / "conf")], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        until("the broker is there", self._listens, START_LIMIT_S)

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"mosquitto has ended: {(self.place / 'log').read_text()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def client(self, name, **more):
        return Client(self.port, self.authority.ca, self.authority.certificate(name), self.authority.key,
                      **{"client_id": name, **more})


class Relay(Process):
    def __init__(self, build, broker, secret, port=None, *arguments):
        authority = broker.authority
        self.port, self.secret = port or free_port(), secret
        self._command = [str(Path(build) / "fleet_relay"), "--port", str(self.port), "--broker", "127.0.0.1", "--broker-port",
                         str(broker.port), "--broker-ca", str(authority.ca), "--broker-cert",
                         str(authority.certificate("relay")), "--broker-key", str(authority.key), *arguments]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE,
                                        env={**os.environ, "FLEET_RELAY_SECRETS": f"an-older-one {self.secret}"})
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the relay did not start")
        until("the relay has its broker", lambda: self.status()["broker"], START_LIMIT_S)

    def status(self):
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        wire.request("GET", "/status")
        value = json.loads(wire.getresponse().read())
        wire.close()
        return value

    def signed(self, body, secret=None, target="/hook"):
        """The headers of a delivery, as the servers make them."""
        host, date = f"127.0.0.1:{self.port}", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        content = base64.b64encode(hashlib.sha256(body).digest()).decode()
        text = f"POST\n{target}\n{date};{host};{content}"
        tag = base64.b64encode(hmac.new((secret or self.secret).encode(), text.encode(), hashlib.sha256).digest()).decode()
        return [("Host", host), ("x-ms-date", date), ("x-ms-content-sha256", content),
                ("Authorization", f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={tag}")]

    def post(self, body, headers=None, chunked=False, target="/hook", limit_s=60):
        """The status of the answer."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit_s)
        try:
            wire.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers if headers is not None else self.signed(body, target=target):
                wire.putheader(name, value)
            wire.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
            try:
                wire.endheaders(body, encode_chunked=chunked)
                if chunked:
                    wire.send(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass  # answered before all of it was sent
            return wire.getresponse().status
        finally:
            wire.close()


def event(reference, name, success=True):
    """The body of a delivery."""
    return json.dumps({"msn": "123456", "reference": reference, "pspReference": "7686f7788898767977", "name": name,
                       "amount": {"currency": "NOK", "value": 24900}, "timestamp": "2026-11-24T12:00:00.000Z",
                       "idempotencyKey": "k", "success": success}).encode()


def register(simulator, port):
    """Registers the relay for all events; the secret."""
    where = urllib.parse.urlsplit(simulator.url)
    wire = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    keys = {"Ocp-Apim-Subscription-Key": "sim-subscription-key", "Merchant-Serial-Number": "123456"}
    wire.request("POST", "/accesstoken/get", "", {"client_id": "sim-client-id", "client_secret": "sim-client-secret", **keys})
    token = json.loads(wire.getresponse().read())["access_token"]
    names = "created authorized captured cancelled refunded aborted expired terminated".split()
    body = {"url": f"http://127.0.0.1:{port}/hook", "events": [f"epayments.payment.{name}.v1" for name in names]}
    wire.request("POST", "/webhooks/v1/webhooks", json.dumps(body),
                 {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **keys})
    answer = json.loads(wire.getresponse().read())
    wire.close()
    return answer["secret"]


class Meter(Process):
    """examples-c/relay_meter.c, a ride of its car."""

    def __init__(self, build, simulator, place, car, reference, broker=None, broker_port=None, slow_ms=None, fast_ms=None):
        env = {name: value for name, value in os.environ.items() if not name.startswith(("VPMETER_", "BROKER_", "METER_"))}
        env |= {"VPMETER_URL": simulator.url, "VPMETER_CLIENT_ID": "sim-client-id", "VPMETER_MSN": "123456",
                "VPMETER_CLIENT_SECRET": "sim-client-secret", "VPMETER_SUBSCRIPTION_KEY": "sim-subscription-key",
                "VPMETER_DEVICE": car, "VPMETER_JOURNAL_DIR": f"{place}/{reference}"}
        env |= {name: str(value) for name, value in [("METER_SLOW_MS", slow_ms), ("METER_FAST_MS", fast_ms)] if value}
        if broker:
            env |= {"BROKER_HOST": "127.0.0.1", "BROKER_PORT": str(broker_port or broker.port),
                    "BROKER_CA": str(broker.authority.ca), "BROKER_CERT": str(broker.authority.certificate(car)),
                    "BROKER_KEY": str(broker.authority.key)}
        self.reference, self.lines = reference, []
        self.process = subprocess.Popen([str(Path(build) / "relay_meter"), "24900", "91234567", reference], env=env,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def until(self, beginning):
        """Reads on until a line begins so; that line."""
        for line in iter(self.process.stdout.readline, b""):
            self.lines.append(line.decode("utf-8", "replace").rstrip())
            if self.lines[-1].startswith(beginning):
                return self.lines[-1]
        raise AssertionError(f"the meter never said {beginning!r}: {self.lines}")

    def end(self):
        """Its exit code, and what it counted: requests, bytes out and in, events, ignored."""
        self.lines += self.process.stdout.read().decode("utf-8", "replace").splitlines()
        code = self.process.wait(60)
        self.process.stdout.close()
        found = re.search(r"(\d+) requests, (\d+) bytes out, (\d+) in; (\d+) events, (\d+) messages ignored", self.lines[-1])
        if not found:
            raise AssertionError(f"the meter ended early, {code}: {self.lines}")
        return code, dict(zip("requests out in events ignored".split(), map(int, found.groups())))


__all__ = ["Authority", "Broker", "Client", "Meter", "Refused", "Relay", "MOSQUITTO", "event", "free_port", "register", "until"]
