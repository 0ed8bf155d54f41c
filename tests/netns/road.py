"""A road between a meter and the servers that can go dead or hold back what it was given, and what this machine's kernel
still holds for it. Standard library."""

import ctypes
import socket
import struct
import threading
import time


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("first", ctypes.POINTER(Instruction))]


# Socket filters (classic BPF; a segment begins with its TCP header). What is dropped acknowledges nothing and ends nothing.
ALL_LOST = [(0x06, 0, 0, 0)]  # drop
DATA_LOST = [
    (0x30, 0, 0, 12),  # A = the byte with the length of the header, in its upper half
    (0x54, 0, 0, 0xF0),  # A &= 0xf0
    (0x74, 0, 0, 2),  # A >>= 2: bytes
    (0x07, 0, 0, 0),  # X = A
    (0x80, 0, 0, 0),  # A = bytes of the segment
    (0x1D, 0, 1, 0),  # nothing but a header?
    (0x06, 0, 0, 0xFFFFFFFF),  # take it
    (0x06, 0, 0, 0),  # drop
]
SYN_SENT = "02"
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


class Road:
    """Passes bytes on in both directions, TLS too. In a zone it loses packets of the meter's: those with data, so that a
    connection can still be made, or all. As a proxy that holds bytes it takes what comes next, and delivers it when it is told
    to, whatever has become of the connection."""

    def __init__(self, url):
        scheme, _, address = url.partition("://")
        self.target = ("127.0.0.1", int(address.rpartition(":")[2]))
        self.holds, self.has, self._deliver = False, b"", threading.Event()
        self.zone, self.near, self.far, self.late = None, [], [], b""
        self._since_zone, self._lock = False, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def set_zone(self, lost):
        """ALL_LOST, DATA_LOST or None. `late` is what comes through from the first zone on."""
        with self._lock:
            self.zone, self._since_zone = lost, True
            for one in (self.listener, *self.near):
                self._filter(one)

    def hold_next(self):
        """The next piece is taken and kept; those after it, on other connections, go through. `has` is what is kept."""
        self.holds = True

    def deliver(self):
        self._deliver.set()

    def _filter(self, one):
        try:
            if self.zone:
                program = (Instruction * len(self.zone))(*self.zone)
                one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(Filter(len(program), program)))
            else:
                one.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, struct.pack("i", 0))
        except OSError:
            pass  # closed, or without a filter

    def close(self):
        self._deliver.set()
        for one in (self.listener, *self.near, *self.far):
            try:
                one.shutdown(socket.SHUT_RDWR)  # ends the thread that waits for it
            except OSError:
                pass
            one.close()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            with self._lock:
                self.near.append(near)
                self.far.append(far)
                self._filter(near)
            threading.Thread(target=self._to_servers, args=(near, far), daemon=True).start()
            threading.Thread(target=self._to_meter, args=(near, far), daemon=True).start()

    def _to_servers(self, near, far):
        while piece := self._received(near):
            if self._since_zone:
                self.late += piece
            if self.holds:
                self.holds, self.has = False, piece
                self._deliver.wait()
            try:
                far.sendall(piece)
            except OSError:
                return
        # Not told to the servers: they carry out what they have.

    def _to_meter(self, near, far):
        while piece := self._received(far):
            try:
                near.sendall(piece)
            except OSError:
                pass  # the meter has gone; the servers answer all the same
        try:
            near.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    @staticmethod
    def _received(one):
        try:
            return one.recv(65536)
        except OSError:
            return b""


class Kernel:
    """What this machine's kernel holds. A look costs milliseconds, so all who ask within 30 ms share one."""

    def __init__(self):
        self._lock, self._at, self._held = threading.Lock(), 0, {}

    def held(self, port):
        """Bytes to this port that nobody has acknowledged, those of closed sockets too; without SYNs."""
        with self._lock:
            if time.monotonic() - self._at > 0.03:
                self._held = self._look()
                self._at = time.monotonic()
            return self._held.get(port, 0)

    @staticmethod
    def _look():
        found = {}
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table.readlines()[1:]:
                _, _, remote, state, queues = line.split()[:5]
                if state != SYN_SENT:
                    port = int(remote.rpartition(":")[2], 16)
                    found[port] = found.get(port, 0) + int(queues.partition(":")[0], 16)
        return found
