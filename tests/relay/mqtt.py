"""As much of MQTT 3.1.1 as the tests need: a client that connects, subscribes, takes and publishes, with QoS 1. It plays
cars, and whoever tries what a car must not; a thousand of them fit in one process. Standard library only."""

import queue
import socket
import ssl
import struct
import threading
import time

threading.stack_size(256 * 1024)


class Refused(Exception):
    """The broker does not want this connection, or has ended it."""


def _text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def _packet(kind, body):
    size, length = b"", len(body)
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + size + body


class Message:
    def __init__(self, topic, payload, retained, at):
        self.topic, self.payload, self.retained, self.at = topic, payload, retained, at

    def __repr__(self):
        return f"{self.topic}={self.payload!r}{' (kept)' if self.retained else ''}"


class Client:
    """Connected when made. Messages are in `messages`, in order; `on_message(client, message)` hears of each as well."""

    def __init__(self, port, ca, certificate=None, key=None, client_id="", clean=True, on_message=None, limit_s=60):
        context = ssl.create_default_context(cafile=str(ca))
        if certificate:
            context.load_cert_chain(str(certificate), str(key))
        self.messages, self._acks, self._mid, self._on_message = [], queue.Queue(), 0, on_message
        self._lock, self._changed, self.ended = threading.Lock(), threading.Condition(), False
        self._limit_s = limit_s
        self._wire = raw = socket.create_connection(("127.0.0.1", port), timeout=limit_s)
        try:
            self._wire = context.wrap_socket(raw, server_hostname="127.0.0.1")
            self._wire.sendall(_packet(0x10, _text("MQTT") + bytes([4, 2 if clean else 0]) + b"\0\0" + _text(client_id)))
            kind, body = self._read()
        except (OSError, EOFError) as error:
            self._wire.close()
            raise Refused(str(error)) from None
        if kind != 0x20 or body[1] != 0:
            self._wire.close()
            raise Refused(f"CONNACK {body!r}")
        self._wire.settimeout(None)
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self._wire.recv(size - len(data))
            if not piece:
                raise EOFError("the broker has closed the connection")
            data += piece
        return data

    def _read(self):
        kind, length, shift = self._exactly(1)[0], 0, 0
        while True:
            digit = self._exactly(1)[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return kind, self._exactly(length) if length else b""

    def _send(self, data):
        with self._lock:
            self._wire.sendall(data)

    def _take(self):
        try:
            while True:
                kind, body = self._read()
                if kind >> 4 == 3:
                    size = struct.unpack(">H", body[:2])[0]
                    topic, rest = body[2:2 + size].decode(), body[2 + size:]
                    if kind & 6:
                        self._send(_packet(0x40, rest[:2]))
                        rest = rest[2:]
                    message = Message(topic, rest, bool(kind & 1), time.monotonic())
                    with self._changed:
                        self.messages.append(message)
                        self._changed.notify_all()
                    if self._on_message:
                        self._on_message(self, message)
                else:
                    self._acks.put((kind, body))
        except (OSError, EOFError, ValueError):
            with self._changed:
                self.ended = True
                self._changed.notify_all()
            self._acks.put((None, b""))

    def _ack(self, kind):
        got, body = self._acks.get(timeout=self._limit_s)
        if got != kind:
            raise Refused(f"packet {got}")
        return body

    def subscribe(self, topic):
        """What the broker grants: 1, or 128 for a refusal."""
        self._mid += 1
        self._send(_packet(0x82, struct.pack(">H", self._mid) + _text(topic) + b"\x01"))
        return self._ack(0x90)[2]

    def publish(self, topic, payload, retain=False):
        """Returns when the broker has acknowledged it, which it also does when it throws it away."""
        self._mid += 1
        self._send(_packet(0x33 if retain else 0x32, _text(topic) + struct.pack(">H", self._mid) + payload))
        self._ack(0x40)

    def wait(self, what, condition, limit_s=60):
        """Until `condition(messages)` holds."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.messages) or self.ended, limit_s) or self.ended:
                raise AssertionError(f"{what}: {'the connection has ended' if self.ended else 'not in time'}, {self.messages}")

    def close(self):
        try:
            self._send(b"\xe0\0")
            self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._wire.close()
        self._thread.join(10)
