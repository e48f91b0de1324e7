"""A small SFTP client for tests that need each packet under control: OpenSSH's ssh carries it, and ends in order when it is
told to. What it asks stands in the test.
"""
import contextlib
import os
import struct
import subprocess

OPEN, CLOSE, READ, OPENDIR, READDIR, REMOVE = 3, 4, 5, 11, 12, 13
STATUS, HANDLE, DATA, NAME = 101, 102, 103, 104
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE = 0, 1, 2, 3, 4
BLOCK = 32768


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(value)) + value


class RawClient:
    def __init__(self, client):
        """`client`: a harness.Client; its password and port are used."""
        command = ["ssh", *client.command()[2:-3], "-p", str(client.port), "-s", client.command()[-1], "sftp"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=client.environment(), start_new_session=True)
        self.id = 0
        self._send(struct.pack(">BI", 1, 3))
        self._receive()

    def ask(self, kind, body):
        """One request, its reply: (type, body)."""
        self.id += 1
        self._send(struct.pack(">BI", kind, self.id) + body)
        reply = self._receive()
        return reply[0], reply[5:]

    def status(self, kind, body):
        kind, body = self.ask(kind, body)
        assert kind == STATUS, f"no status but a packet of type {kind}"
        return struct.unpack(">I", body[:4])[0]

    def open(self, name):
        """The handle, or a status."""
        kind, body = self.ask(OPEN, text(name) + struct.pack(">II", 1, 0))
        return body[4:] if kind == HANDLE else struct.unpack(">I", body[:4])[0]

    def read(self, handle, offset, length=BLOCK):
        """Bytes; b"" at the end."""
        kind, body = self.ask(READ, text(handle) + struct.pack(">QI", offset, length))
        assert kind == DATA or struct.unpack(">I", body[:4])[0] == EOF, f"READ: type {kind}"
        return body[4:] if kind == DATA else b""

    def read_range(self, handle, begin, end):
        got = b""
        while begin + len(got) < end:
            got += self.read(handle, begin + len(got), min(BLOCK, end - begin - len(got)))
        return got

    def close(self, handle):
        return self.status(CLOSE, text(handle))

    def list(self):
        """{name: size} of the folder, listed anew."""
        kind, body = self.ask(OPENDIR, text("."))
        assert kind == HANDLE, f"OPENDIR: status {struct.unpack('>I', body[:4])[0]}"
        handle, found = body[4:], {}
        while True:
            kind, body = self.ask(READDIR, text(handle))
            if kind != NAME:
                break
            at = 4
            for _ in range(struct.unpack(">I", body[:4])[0]):
                names = []
                for _ in range(2):  # the name, and a line of ls -l
                    size, = struct.unpack(">I", body[at:at + 4])
                    names.append(body[at + 4:at + 4 + size].decode())
                    at += 4 + size
                flags, = struct.unpack(">I", body[at:at + 4])
                found[names[0]] = struct.unpack(">Q", body[at + 4:at + 12])[0] if flags & 1 else None
                at += 4 + sum(size for bit, size in ((1, 8), (2, 8), (4, 4), (8, 8)) if flags & bit)
        self.close(handle)
        return found

    def remove(self, name):
        return self.status(REMOVE, text(name))

    def leave(self):
        """Ends in order: the end of the channel, then SSH_MSG_DISCONNECT."""
        self.process.stdin.close()
        self.process.stdout.read()
        return self.process.wait(timeout=30)

    def die(self):
        """Ends without a word; also cleans up after leave()."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _send(self, packet):
        self.process.stdin.write(struct.pack(">I", len(packet)) + packet)
        self.process.stdin.flush()

    def _receive(self):
        length = struct.unpack(">I", self._take(4))[0]
        return self._take(length)

    def _take(self, size):
        got = b""
        while len(got) < size:
            part = os.read(self.process.stdout.fileno(), size - len(got))
            if not part:
                raise ConnectionError(self.process.stderr.read().decode("utf-8", "replace"))
            got += part
        return got
