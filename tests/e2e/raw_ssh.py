"""An SSH client for attacks: it sends what it is told to, packet by packet, also what no real client would send. One
algorithm each: curve25519-sha256, ssh-ed25519, chacha20-poly1305@openssh.com, in Python alone and so slow. It checks
the tags of what it receives, and not who the server is.
"""
import hashlib
import hmac
import os
import socket
import struct
import time

from raw import text

DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = 1, 2, 3, 4, 5, 6, 7
KEXINIT, NEWKEYS, KEX_ECDH_INIT, KEX_ECDH_REPLY = 20, 21, 30, 31
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER = 50, 51, 52, 53
USERAUTH_INFO_REQUEST, USERAUTH_INFO_RESPONSE = 60, 61
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
CHANNEL_OPEN, CHANNEL_OPEN_CONFIRMATION, CHANNEL_OPEN_FAILURE, CHANNEL_WINDOW_ADJUST, CHANNEL_DATA = 90, 91, 92, 93, 94
CHANNEL_EOF, CHANNEL_CLOSE, CHANNEL_REQUEST, CHANNEL_SUCCESS, CHANNEL_FAILURE = 96, 97, 98, 99, 100

VERSION = b"SSH-2.0-attack"
KEX = b"curve25519-sha256"
CIPHER = b"chacha20-poly1305@openssh.com"
TIMEOUT = 60


class Ended(Exception):
    """The server ended the connection; the words are its own, or empty."""


class Ssh:
    def __init__(self, port, source=None, wrong_guess=b"", exchange=True, small=False):
        """`small`: the kernel takes in little that this client does not read."""
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        self.out_keys = self.in_keys = self.session_id = None
        self.out_count = self.in_count = 0
        self.strict = False
        self.heard = []  # payloads that came while another one was waited for
        self.socket.sendall(VERSION + b"\r\n")
        line = b""
        while not line.startswith(b"SSH-"):
            line = self._line()
        self.server_version = line
        if exchange:
            self.exchange_keys(wrong_guess=wrong_guess)

    # --- keys ---------------------------------------------------------------------------------------------------------

    def kexinit(self, kex=KEX, follows=False, strict=True):
        lists = [kex + (b",kex-strict-c-v00@openssh.com" if strict else b""), b"ssh-ed25519", CIPHER, CIPHER,
                 b"hmac-sha2-256", b"hmac-sha2-256", b"none", b"none", b"", b""]
        return (bytes([KEXINIT]) + os.urandom(16) + b"".join(text(item) for item in lists) + bytes([follows])
                + b"\0\0\0\0")

    def exchange_keys(self, kex=KEX, wrong_guess=b""):
        """`wrong_guess`: a packet that follows on a KEXINIT with a method first that the server has not."""
        mine = self.kexinit(b"sntrup761x25519-sha512@openssh.com," + kex if wrong_guess else kex, bool(wrong_guess))
        self.send(mine)
        if wrong_guess:
            self.send(wrong_guess)
        theirs = self.expect(KEXINIT)
        if self.session_id is None:
            self.strict = b"kex-strict-s-v00@openssh.com" in theirs
        secret = os.urandom(32)
        public = x25519(secret, (9).to_bytes(32, "little"))
        self.send(bytes([KEX_ECDH_INIT]) + text(public))
        reply = self.expect(KEX_ECDH_REPLY)
        host_key, rest = take(reply[1:])
        their_public, _ = take(rest)
        shared = mpint(x25519(secret, their_public))
        h = hashlib.sha256(text(VERSION) + text(self.server_version) + text(mine) + text(theirs) + text(host_key)
                           + text(public) + text(their_public) + shared).digest()
        self.session_id = self.session_id or h
        self.expect(NEWKEYS)
        self.in_keys = self._derive(shared, h, b"D")
        if self.strict:
            self.in_count = 0
        self.send(bytes([NEWKEYS]))
        self.out_keys = self._derive(shared, h, b"C")
        if self.strict:
            self.out_count = 0

    def _derive(self, shared, h, letter):
        first = hashlib.sha256(shared + h + letter + self.session_id).digest()
        return first + hashlib.sha256(shared + h + first).digest()

    # --- packets ------------------------------------------------------------------------------------------------------

    def packet(self, payload):
        """The bytes that carry it."""
        fill = 8 - (1 + len(payload) + (0 if self.out_keys else 4)) % 8
        fill += 8 if fill < 4 else 0
        body = bytes([fill]) + payload + bytes(fill)
        head = struct.pack(">I", len(body))
        return self.seal(head, body)

    def seal(self, head, body):
        nonce = struct.pack(">Q", self.out_count)
        self.out_count = (self.out_count + 1) & 0xffffffff
        if self.out_keys is None:
            return head + body
        data, lengths = self.out_keys[:32], self.out_keys[32:]
        sealed = chacha(lengths, nonce, 0, head) + chacha(data, nonce, 1, body)
        return sealed + poly1305(chacha(data, nonce, 0, bytes(32)), sealed)

    def send(self, payload):
        self.send_bytes(self.packet(payload))

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            raise Ended(self._last_words()) from None

    def receive(self, timeout=TIMEOUT):
        """The next payload, none of IGNORE, DEBUG, EXT_INFO and the banner."""
        if self.heard:
            return self.heard.pop(0)
        while True:
            payload = self._packet(time.monotonic() + timeout)
            if payload[0] == DISCONNECT:
                raise Ended(take(payload[5:])[0].decode())
            if payload[0] not in (IGNORE, DEBUG, EXT_INFO, USERAUTH_BANNER):
                return payload

    def expect(self, *kinds):
        """The next payload of one of these kinds; others stay for receive()."""
        passed, found = [], None
        while found is None:
            payload = self.receive()
            if payload[0] in kinds:
                found = payload
            else:
                passed.append(payload)
        self.heard = passed + self.heard
        return found

    def _packet(self, deadline):
        if self.in_keys is None:
            body = self._take(struct.unpack(">I", self._take(4, deadline))[0], deadline)
        else:
            nonce = struct.pack(">Q", self.in_count)
            data, lengths = self.in_keys[:32], self.in_keys[32:]
            head = self._take(4, deadline)
            size = struct.unpack(">I", chacha(lengths, nonce, 0, head))[0]
            sealed, tag = self._take(size, deadline), self._take(16, deadline)
            if not hmac.compare_digest(tag, poly1305(chacha(data, nonce, 0, bytes(32)), head + sealed)):
                raise AssertionError("a packet of the server does not verify")
            body = chacha(data, nonce, 1, sealed)
        self.in_count = (self.in_count + 1) & 0xffffffff
        return body[1:len(body) - body[0]]

    def _take(self, size, deadline):
        while len(self.input) < size:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part = self.socket.recv(65536)
            except socket.timeout:
                raise TimeoutError("the server says nothing") from None
            except OSError:
                part = b""
            finally:
                self.socket.settimeout(TIMEOUT)
            if not part:
                raise Ended("")
            self.input += part
        got, self.input = self.input[:size], self.input[size:]
        return got

    def _line(self):
        deadline = time.monotonic() + TIMEOUT
        line = b""
        while not line.endswith(b"\n"):
            line += self._take(1, deadline)
        return line.rstrip(b"\r\n")

    def _last_words(self):
        try:
            while True:
                self.receive()
        except (Ended, TimeoutError) as end:
            return str(end)

    def ended(self, timeout=TIMEOUT):
        """Waits until the server ends the connection: its last words."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.receive(max(deadline - time.monotonic(), 0.001))
        except Ended as end:
            return str(end)

    def close(self):
        self.socket.close()

    # --- log-in -------------------------------------------------------------------------------------------------------

    def service(self, name="ssh-userauth"):
        self.send(bytes([SERVICE_REQUEST]) + text(name))
        self.expect(SERVICE_ACCEPT)

    def try_password(self, user, password):
        """True: in."""
        self.auth(user, "password", b"\0" + text(password))
        return self.expect(USERAUTH_SUCCESS, USERAUTH_FAILURE)[0] == USERAUTH_SUCCESS

    def auth(self, user, method, rest=b""):
        self.send(bytes([USERAUTH_REQUEST]) + text(user) + text("ssh-connection") + text(method) + rest)

    # --- channels -----------------------------------------------------------------------------------------------------

    def open_channel(self, kind="session", rest=b"", window=1 << 30):
        """The server's number of it; None: refused."""
        self.send(bytes([CHANNEL_OPEN]) + text(kind) + struct.pack(">III", 7, window, 32768) + rest)
        reply = self.expect(CHANNEL_OPEN_CONFIRMATION, CHANNEL_OPEN_FAILURE)
        return struct.unpack(">I", reply[5:9])[0] if reply[0] == CHANNEL_OPEN_CONFIRMATION else None

    def request(self, channel, kind, rest=b""):
        """Whether the server agrees."""
        self.send(bytes([CHANNEL_REQUEST]) + struct.pack(">I", channel) + text(kind) + b"\1" + rest)
        return self.expect(CHANNEL_SUCCESS, CHANNEL_FAILURE)[0] == CHANNEL_SUCCESS

    def global_request(self, kind, rest=b""):
        self.send(bytes([GLOBAL_REQUEST]) + text(kind) + b"\1" + rest)
        return self.expect(REQUEST_SUCCESS, REQUEST_FAILURE)[0] == REQUEST_SUCCESS

    def data(self, channel, data):
        for at in range(0, len(data), 32000):
            self.send(bytes([CHANNEL_DATA]) + struct.pack(">I", channel) + text(data[at:at + 32000]))

    @classmethod
    def log_in(cls, port, delivery, source=None):
        ssh = cls(port, source)
        ssh.service()
        if not ssh.try_password(delivery["account"], delivery["password"]):
            raise AssertionError("the right password is refused")
        return ssh


class Sftp:
    """SFTP version 3 on a channel of its own."""

    def __init__(self, ssh, window=1 << 30):
        self.ssh, self.id, self.input = ssh, 0, b""
        self.channel = ssh.open_channel(window=window)
        assert ssh.request(self.channel, "subsystem", text("sftp")), "no SFTP"
        self.send(struct.pack(">BI", 1, 3))
        assert self.receive()[0] == 2, "no VERSION"

    def send(self, packet):
        self.ssh.data(self.channel, struct.pack(">I", len(packet)) + packet)

    def send_request(self, kind, body):
        self.id += 1
        self.send(struct.pack(">BI", kind, self.id) + body)
        return self.id

    def receive(self):
        size = struct.unpack(">I", self._take(4))[0]
        return self._take(size)

    def ask(self, kind, body):
        """One request, its reply: (type, body)."""
        sent = self.send_request(kind, body)
        reply = self.receive()
        assert struct.unpack(">I", reply[1:5])[0] == sent, "a reply to another request"
        return reply[0], reply[5:]

    def status(self, kind, body):
        got, body = self.ask(kind, body)
        assert got == 101, f"no status but a packet of type {got}"
        return struct.unpack(">I", body[:4])[0]

    def open(self, name):
        kind, body = self.ask(3, text(name) + struct.pack(">II", 1, 0))
        assert kind == 102, f"{name!r} does not open"
        return take(body)[0]

    def _take(self, size):
        while len(self.input) < size:
            payload = self.ssh.expect(CHANNEL_DATA, CHANNEL_CLOSE)
            if payload[0] == CHANNEL_CLOSE:
                raise Ended("the channel is closed")
            self.input += take(payload[5:])[0]
        got, self.input = self.input[:size], self.input[size:]
        return got


def take(data):
    """A string and what is behind it."""
    size = struct.unpack(">I", data[:4])[0]
    return data[4:4 + size], data[4 + size:]


def mpint(raw):
    raw = raw.lstrip(b"\0")
    return text(b"\0" + raw if raw and raw[0] >= 0x80 else raw)


# --- what the standard library lacks: RFC 7748, RFC 8439 ------------------------------------------------------------

P = 2 ** 255 - 19


def x25519(scalar, point):
    k = int.from_bytes(scalar, "little") & ~(7 | 1 << 255) & ((1 << 255) - 1) | 1 << 254
    u = int.from_bytes(point, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for at in range(254, -1, -1):
        bit = k >> at & 1
        if bit ^ swapped:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a % P, b * b % P
        e = aa - bb
        da, cb = (x3 - z3) * a % P, (x3 + z3) * b % P
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def chacha(key, nonce, counter, data):
    """With a nonce and a counter of 64 bits each."""
    start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key)) + [0, 0]
    start += struct.unpack("<2I", nonce)
    stream = bytearray()
    for block in range(counter, counter + (len(data) + 63) // 64):
        start[12], start[13] = block & 0xffffffff, block >> 32
        stream += chacha_block(start)
    size = len(data)
    return (int.from_bytes(data, "little") ^ int.from_bytes(stream[:size], "little")).to_bytes(size, "little")


QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def chacha_block(start):
    x = start[:]
    for _ in range(10):
        for i, j, k, m in QUARTERS:
            a, b, c, d = x[i], x[j], x[k], x[m]
            a = a + b & 0xffffffff
            d ^= a
            d = (d << 16 | d >> 16) & 0xffffffff
            c = c + d & 0xffffffff
            b ^= c
            b = (b << 12 | b >> 20) & 0xffffffff
            a = a + b & 0xffffffff
            d ^= a
            d = (d << 8 | d >> 24) & 0xffffffff
            c = c + d & 0xffffffff
            b ^= c
            b = (b << 7 | b >> 25) & 0xffffffff
            x[i], x[j], x[k], x[m] = a, b, c, d
    return struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(x, start)))


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\1", "little")) * r % (2 ** 130 - 5)
    return (total + int.from_bytes(key[16:], "little") & 2 ** 128 - 1).to_bytes(16, "little")
