"""What the browser tests ride with: the taximeter of the examples, typed at through a pipe, and a client of few lines."""

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request

PATIENCE_S = 20


class Taximeter:
    """`examples-c/taximeter.c`, waiting for a driver."""

    def __init__(self, program, simulator, journal):
        arguments = [program, "--url", simulator.url, "--journal", journal]
        if simulator.ca_file:
            arguments += ["--ca-file", simulator.ca_file]
        # Somebody's settings for other servers are not meant for this ride.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VPMETER_")}
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env=environment)
        self.said = ""
        self.heard = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while piece := os.read(self.process.stdout.fileno(), 4096):
            with self.heard:
                self.said += piece.decode("utf-8", "replace")
                self.heard.notify_all()

    def wait_for(self, text):
        deadline = time.monotonic() + PATIENCE_S
        with self.heard:
            while text not in self.said:
                left = deadline - time.monotonic()
                if left <= 0 or not self.heard.wait(left):
                    raise AssertionError(f"the taximeter did not say {text!r}:\n{self.said}")

    def type(self, question, answer):
        self.wait_for(question)
        self.process.stdin.write(f"{answer}\n".encode())
        self.process.stdin.flush()

    def close(self):
        """The driver switches it off; what it says then."""
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        return self.said


class Merchant:
    """Raw calls of the servers' API, for what the taximeter does not do."""

    def __init__(self, simulator):
        self.url = simulator.url
        self.direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.token = self.call("POST", "/accesstoken/get")["access_token"]

    def call(self, method, path, body=None, key=None):
        headers = {"Ocp-Apim-Subscription-Key": "sim-subscription-key", "Merchant-Serial-Number": "123456",
                   "Content-Type": "application/json"}
        if path == "/accesstoken/get":
            headers |= {"client_id": "sim-client-id", "client_secret": "sim-client-secret"}
        else:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = key
        data = json.dumps(body).encode() if body is not None else b"" if method == "POST" else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with self.direct.open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def ask(self, reference, amount, phone="4791234567", **more):
        body = {"amount": {"value": amount, "currency": "NOK"}, "paymentMethod": {"type": "WALLET"},
                "customer": {"phoneNumber": phone}, "customerInteraction": "CUSTOMER_PRESENT", "reference": reference,
                "userFlow": "PUSH_MESSAGE", "paymentDescription": "Taxi ride, Oslo S to Fornebu", **more}
        return self.call("POST", "/epayment/v1/payments", body, f"create-{reference}")

    def adjust(self, reference, wish, amount, key):
        body = {"modificationAmount": {"value": amount, "currency": "NOK"}}
        return self.call("POST", f"/epayment/v1/payments/{reference}/{wish}", body, key)

    def refused(self, *arguments, **named):
        """A call that must fail; its status, or None where no answer came."""
        try:
            self.call(*arguments, **named)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None
        raise AssertionError("the servers did it")


def receipt(fare, toll, number="000042"):
    """Two lines with 12 % VAT."""
    def line(name, id, total, **more):
        excluding = round(total / 1.12)
        return {"name": name, "id": id, "totalAmount": total, "totalAmountExcludingTax": excluding,
                "totalTaxAmount": total - excluding, "taxRate": 1200, **more}
    distance = {"unitPrice": 1750, "quantity": "12.4", "quantityUnit": "KM"}
    return {"orderLines": [line("Taxi ride", "1", fare, unitInfo=distance), line("Toll", "2", toll)],
            "bottomLine": {"currency": "NOK", "posId": "taxi-1", "receiptNumber": number}}
