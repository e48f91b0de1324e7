"""A TCP proxy on 127.0.0.1 that makes the line to the daemon as bad as lines are: slow, far, silent, or cut by a reset."""
import collections
import contextlib
import ctypes
import os
import socket
import struct
import threading
import time

BLOCK = 65536
BEGINNING = 8192  # of what each line carried, to look at: names and offers of both sides are sent in the clear
TURN = 0.1  # seconds after which a blocked thread looks whether its line is dead
IN_FLIGHT = 32 << 20  # bytes that are on their way in one direction; beyond, the sender waits
SO_ATTACH_FILTER = 26


class Proxy:
    """Passes connections on to `port`.

    rtt: seconds that a byte and its answer take longer.
    rate: bytes per second and direction. A slow line holds little: what has not passed is still with its sender.
    source: the address that the daemon sees.
    cut_after: bytes from server to client after which the line is reset on both sides, once; 0: at once.
    mute_after: bytes from server to client after which nothing from the client is passed on any more; half a second of
    silence later the line is reset: all data arrives, but no CLOSE does.
    full: the client takes nothing for 3 s before its line dies by stall_after, so that its window is shut then.
    stall_after: bytes from server to client after which nothing passes in either direction, no acknowledgement either,
    until `cut` is called.
    cut() resets all lines there are; `broken` is set as soon as one was cut. Later connections pass whole.
    `begun`: for each line there was, how it began: [from the client, from the server].
    """

    def __init__(self, port, rtt=None, rate=None, source=None, cut_after=None, mute_after=None, stall_after=None,
                 full=False):
        self.target, self.rate, self.source = port, rate, source
        self.rtt = float(os.environ.get("CALLVAULT_E2E_RTT", 0)) / 1000 if rtt is None else rtt
        self.cut_after, self.mute_after, self.stall_after, self.full = cut_after, mute_after, stall_after, full
        self.passed = 0
        self.most_lines = 0
        self.begun = []
        self.broken = threading.Event()
        self.stalled = threading.Event()
        self.lock = threading.Lock()
        self.lines = []
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.target),
                                              source_address=self.source and (self.source, 0))
        except OSError:
            return reset(client)
        if self.rate:
            with contextlib.suppress(OSError):
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BLOCK)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK)
        line = Line(self, client, server)
        with self.lock:
            self.lines.append(line)
            self.begun.append(line.begun)
            self.most_lines = max(self.most_lines, len(self.lines))
        if self.cut_after == 0 and not self.broken.is_set():
            return self.cut()
        line.start()

    def cut(self):
        with self.lock:
            lines = list(self.lines)
            self.broken.set()
        for line in lines:
            line.reset()

    def over(self, line):
        with self.lock, contextlib.suppress(ValueError):
            self.lines.remove(line)

    def allowed(self, data):
        """What of the server's `data` may pass before the cut, and whether the cut comes now."""
        with self.lock:
            if self.broken.is_set() or self.cut_after is None:
                self.passed += len(data)
                return data, False
            data = data[:max(self.cut_after - self.passed, 0)]
            self.passed += len(data)
            return data, self.passed >= self.cut_after

    def muted(self):
        return self.mute_after is not None and self.passed >= self.mute_after and not self.broken.is_set()

    def silent(self):
        if self.stall_after is not None and self.passed >= self.stall_after and not self.broken.is_set():
            self.stalled.set()
            return True
        return False

    def close(self):
        self.listening.close()
        with self.lock:
            lines = list(self.lines)
        for line in lines:
            line.reset()


class Line:
    """One connection, passed on in both directions by threads that end with it."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.dead = threading.Event()
        self.heard = time.monotonic()
        self.begun = [b"", b""]
        self.ways = [Way(proxy.rtt / 2, BLOCK if proxy.rate else IN_FLIGHT) for _ in range(2)]
        self.open_ways = 2

    def start(self):
        for sock in (self.client, self.server):
            sock.settimeout(TURN)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for way, source, sink, down in ((self.ways[0], self.server, self.client, True),
                                        (self.ways[1], self.client, self.server, False)):
            threading.Thread(target=self._take, args=(source, way, down), daemon=True).start()
            threading.Thread(target=self._give, args=(way, sink, down), daemon=True).start()
        if self.proxy.mute_after is not None:
            threading.Thread(target=self._watch, daemon=True).start()

    def _take(self, source, way, down):
        while not self.dead.is_set():
            try:
                data = source.recv(BLOCK)
            except TimeoutError:
                continue
            except OSError:
                data = None  # ended by a reset; empty data: in order
            muted = self.proxy.muted()
            if data:
                self.heard = time.monotonic()
                self.begun[down] += data[:BEGINNING - len(self.begun[down])]
            if down or not muted:
                way.put(data)
            if not data:
                return

    def _give(self, way, sink, down):
        try:
            while not self.dead.is_set():
                data = way.get()
                if self.proxy.silent():
                    self._fall_silent()
                while self.proxy.silent() and not self.dead.is_set():
                    time.sleep(0.02)
                if data is None:
                    return self.reset()
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return self._way_ended()
                cut = False
                if down:
                    data, cut = self.proxy.allowed(data)
                if self.proxy.rate:
                    time.sleep(len(data) / self.proxy.rate)
                self._send(sink, data)
                if cut:
                    return self.proxy.cut()
        except OSError:
            self.reset()

    def _send(self, sink, data):
        rest = memoryview(data)
        while rest and not self.dead.is_set():
            with contextlib.suppress(TimeoutError):
                rest = rest[sink.send(rest):]

    def _fall_silent(self):
        """What comes from now on is dropped below TCP. What came before is taken in, so that the window does not close;
        `full`: nothing is, and the window is shut when the line dies, so that the sender has nothing on its way."""
        if self.proxy.full:
            time.sleep(3)
        with contextlib.suppress(OSError):
            for sock in (self.client, self.server):
                sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, NOTHING_PASSES)
        if not self.proxy.full:
            for way in self.ways:
                way.widen()

    def _way_ended(self):
        with self.proxy.lock:
            self.open_ways -= 1
            last = self.open_ways == 0
        if last:
            self.proxy.over(self)
            self.dead.set()
            self.client.close()
            self.server.close()

    def _watch(self):
        while not self.dead.wait(0.05):
            if self.proxy.muted() and time.monotonic() - self.heard > 0.5:
                return self.proxy.cut()

    def reset(self):
        self.proxy.over(self)
        self.dead.set()
        for way in self.ways:
            way.end()
        reset(self.client)
        reset(self.server)


class Way:
    """What is on its way in one direction, about `most` bytes: it comes out `delay` seconds after it went in."""

    def __init__(self, delay, most):
        self.delay, self.most = delay, most
        self.data = collections.deque()
        self.bytes = 0
        self.ended = False
        self.changed = threading.Condition()

    def put(self, data):
        with self.changed:
            self.changed.wait_for(lambda: self.bytes <= self.most or self.ended)
            self.data.append((time.monotonic() + self.delay, data))
            self.bytes += len(data or b"")
            self.changed.notify_all()

    def get(self):
        with self.changed:
            self.changed.wait_for(lambda: self.data or self.ended)
            if self.ended:
                return None
            due, data = self.data.popleft()
        time.sleep(max(due - time.monotonic(), 0))
        with self.changed:
            self.bytes -= len(data or b"")
            self.changed.notify_all()
        return data

    def widen(self):
        with self.changed:
            self.most = IN_FLIGHT
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()


LIBC = ctypes.CDLL(None)
NOWHERE = struct.pack("=H14x", socket.AF_UNSPEC)
FILTER = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0))  # one instruction of BPF: take no byte of it
NOTHING_PASSES = struct.pack("HP", 1, ctypes.addressof(FILTER))


def reset(sock):
    """Ends a connection with a reset, at once: close() alone waits for the thread that is blocked in recv()."""
    LIBC.connect(sock.fileno(), NOWHERE, len(NOWHERE))
    sock.close()
