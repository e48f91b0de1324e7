"""One flipped bit on the line, in each direction, under each cipher and MAC that is offered: the connection ends,
nothing counts as delivered, and the next connection is served."""
import json
import random
import socket
import struct
import subprocess
import threading
import unittest

from attacked import Attacked
from clients import PYTHON, missing
from harness import Client
from offers import ETM, PLAIN

UP, DOWN = "client to server", "server to client"
NEWKEYS = 21

# paramiko under the name of a client that knows no ETM, since only such are offered plain MACs. Without a name of a file it
# lists what there is.
PLAIN_CLIENT = """import json, sys, paramiko
job = json.load(sys.stdin)
transport = paramiko.Transport(("127.0.0.1", job["port"]))
transport.local_version = "SSH-2.0-libssh2_1.10.0"
transport.auth_timeout = 5
options = transport.get_security_options()
options.ciphers, options.digests = (job["cipher"],), (job["mac"],)
transport.connect(username=job["account"], password=job["password"])
sftp = paramiko.SFTPClient.from_transport(transport)
sftp.get_channel().settimeout(5)
print(sftp.get(job["name"], job["target"]) if job["name"] else sftp.listdir("/"))
transport.close()
"""


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
    def fetch(self, port, cipher, mac, name):
        """Exit code and output of a client with this cipher and MAC."""
        if mac in PLAIN:
            job = {"port": port, "cipher": cipher, "mac": mac, "name": name, "target": f"{self.folder}/flipped",
                   "account": self.delivery["account"], "password": self.delivery["password"]}
            done = subprocess.run([PYTHON, "-W", "ignore", "-c", PLAIN_CLIENT], input=json.dumps(job), text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            return done.returncode, done.stdout
        client = Client(self.folder, port, self.delivery)
        client.more = ["-c", cipher, *(["-o", f"MACs={mac}"] if mac else []),
                       "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=3"]
        got = client.run(f"get {name} flipped" if name else "ls")
        return got.code, got.out

    def check(self, *suites):
        """Each (cipher, MAC or None): in the first packet, in those of log-in and requests, in the middle of data."""
        self.serve(size=300_000, login_grace="5s")
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        for cipher, mac in suites:
            code, out = self.fetch(self.daemon.port, cipher, mac, None)
            self.assertEqual(code, 0, f"{cipher} {mac} whole: {out}")
            self.assertIn(self.name, out)
            for way, at in ((UP, rng.randrange(4, 24)), (UP, rng.randrange(400)), (DOWN, rng.randrange(4, 24)),
                            (DOWN, rng.randrange(400)), (DOWN, rng.randrange(20_000, 200_000))):
                what = f"{cipher} {mac}, {way}, byte {at}"
                line = Flip(self.daemon.port, way, at, rng.randrange(8))
                code, out = self.fetch(line.port, cipher, mac, self.name)
                line.close()
                self.assertTrue(line.done.is_set(), f"{what}: nothing was flipped")
                self.assertNotEqual(code, 0, f"{what}: {out}")
                self.until(lambda: not self.daemon.sessions(), 20, f"{what}: the session does not end")
        self.check_others_are_served()

    def check_each_mac(self, cipher):
        if missing(PYTHON, "python:paramiko"):
            self.skipTest("paramiko is not installed")
        self.check(*((cipher, mac) for mac in sorted(ETM | PLAIN)))

    def test_chacha20_poly1305(self):
        self.check(("chacha20-poly1305@openssh.com", None))

    def test_aes256_ctr_with_each_mac(self):
        self.check_each_mac("aes256-ctr")

    def test_aes128_ctr_with_each_mac(self):
        self.check_each_mac("aes128-ctr")


if __name__ == "__main__":
    unittest.main()
