"""One flipped bit on the line, in each direction, under each cipher and MAC that is offered: the connection ends,
nothing counts as delivered, and the next connection is served."""
import random
import socket
import struct
import threading
import unittest

from attacked import Attacked
from harness import Client

MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
UP, DOWN = "client to server", "server to client"
NEWKEYS = 21


class Flip:
    """Passes one connection on to `port`, and flips a bit of the byte `at` behind the NEWKEYS of `way`."""

    def __init__(self, port, way, at, bit):
        self.way, self.at, self.bit, self.done = way, at, bit, threading.Event()
        self.target = port
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        client, _ = self.listening.accept()
        server = socket.create_connection(("127.0.0.1", self.target))
        ways = [threading.Thread(target=self._pass, args=args)
                for args in ((client, server, UP), (server, client, DOWN))]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        client.close()
        server.close()

    def _pass(self, source, sink, way):
        clear, secret = b"", None  # what came before NEWKEYS; how much came behind it
        try:
            while data := source.recv(65536):
                if way == self.way and not self.done.is_set():
                    if secret is None:
                        clear += data
                        begin = behind_newkeys(clear)
                        secret = None if begin is None else 0
                        begin = None if begin is None else len(data) - (len(clear) - begin)
                    else:
                        begin = 0
                    if begin is not None:
                        at = begin + self.at - secret
                        secret += len(data) - begin
                        if at < len(data):
                            data = data[:at] + bytes([data[at] ^ 1 << self.bit]) + data[at + 1:]
                            self.done.set()
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listening.close()
        self.thread.join(60)


def behind_newkeys(stream):
    """Where the first sealed packet begins; None: later."""
    at = stream.find(b"\n") + 1
    while at and at + 6 <= len(stream):
        kind = stream[at + 5]
        at += 4 + struct.unpack(">I", stream[at:at + 4])[0]
        if kind == NEWKEYS:
            return at if at <= len(stream) else None
    return None


class Flips(Attacked):
    def check(self, *suites):
        """Each (cipher, MAC or None): in the first packet, in those of log-in and requests, in the middle of data."""
        self.serve(size=300_000, login_grace="5s")
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        for cipher, mac in suites:
            for way, at in ((UP, rng.randrange(4, 24)), (UP, rng.randrange(400)), (DOWN, rng.randrange(4, 24)),
                            (DOWN, rng.randrange(400)), (DOWN, rng.randrange(20_000, 200_000))):
                what = f"{cipher} {mac}, {way}, byte {at}"
                line = Flip(self.daemon.port, way, at, rng.randrange(8))
                client = Client(self.folder, line.port, self.delivery)
                options = ["-c", cipher] + (["-o", f"MACs={mac}"] if mac else [])
                client.more = [*options, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=3"]
                got = client.run(f"get {self.name} flipped")
                line.close()
                self.assertTrue(line.done.is_set(), f"{what}: nothing was flipped")
                self.assertEqual(got.code, 255, f"{what}: {got.out}")
                self.until(lambda: not self.daemon.sessions(), 20, f"{what}: the session does not end")
        self.check_others_are_served()

    def test_chacha20_poly1305(self):
        self.check(("chacha20-poly1305@openssh.com", None))

    def test_aes256_ctr_with_each_mac(self):
        self.check(*(("aes256-ctr", mac) for mac in MACS))

    def test_aes128_ctr_with_each_mac(self):
        self.check(*(("aes128-ctr", mac) for mac in MACS))


if __name__ == "__main__":
    unittest.main()
