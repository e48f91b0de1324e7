"""Attacks on the SFTP layer by a customer that is logged in: names, handles, places, READs without end."""
import contextlib
import glob
import os
import shutil
import struct
import time
import unittest

from attacked import Attacked
from raw import CLOSE, DATA, EOF, FAILURE, HANDLE, NO_SUCH_FILE, OPEN, READ, STATUS, text
from raw_ssh import CHANNEL_DATA, Sftp

OPENDIR, READDIR, FSTAT, STAT, BAD_MESSAGE = 11, 12, 8, 17, 5
MIB = 1 << 20


def resident(pid):
    """Bytes of memory that a process holds."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Names(Attacked):
    def test_names_that_no_folder_has(self):
        self.serve()
        for folder in (self.vault.dir, os.path.join(self.vault.dir, "objects")):  # planted by whoever can write there
            os.symlink("/etc/passwd", os.path.join(folder, "passwd"))
            os.symlink(self.vault.folder, os.path.join(folder, "up"))
        sftp = Sftp(self.logged_in())
        name = self.name.encode()
        for path in (b"..", b"../..", b"/..", b"../" + name, b"/../" + name, name + b"/..", name + b"/", b"passwd",
                     b"x/../" + name, b"up", b"up/passphrase", b"objects", b"objects/passwd", b"/etc/passwd",
                     b"callvault.toml", b"~", b"~root", b"*", b"%2e%2e", b".\\" + name, b"..\\" + name, name + b"\0",
                     name + b"\0.wav", b"\0", name + b".", name + b" ", name.upper(), b"\xff\xfe",
                     b"\xc0\xae\xc0\xae/" + name, b"\xed\xa0\x80", b"\n", b"x" * 4096, b"/" * 4095 + b"x", b"../" * 1365,
                     self.delivery["delivery"].encode()):
            for kind, rest in ((STAT, b""), (7, b""), (OPENDIR, b""), (OPEN, struct.pack(">II", 1, 0)), (13, b"")):
                self.assertEqual(sftp.status(kind, text(path) + rest), NO_SUCH_FILE, (kind, path[:40]))
        for path in (b"x" * 4097, b"x" * 65536, b"x" * 250_000):
            self.assertEqual(sftp.status(STAT, text(path)), BAD_MESSAGE)
        self.assertEqual(sftp.ask(STAT, text(name))[0], 105)
        self.check_others_are_served()

    def test_a_symbolic_link_in_the_place_of_an_object_is_not_followed(self):
        self.serve()
        sftp = Sftp(self.logged_in())
        found, = filter(os.path.isfile, glob.glob(os.path.join(self.vault.dir, "objects", "**"), recursive=True))
        elsewhere = os.path.join(self.folder, "moved")
        shutil.move(found, elsewhere)
        os.symlink(elsewhere, found)
        kind, _ = sftp.ask(OPEN, text(self.name) + struct.pack(">II", 1, 0))
        self.assertEqual(kind, STATUS)
        os.unlink(found)
        shutil.move(elsewhere, found)
        self.check_others_are_served()


class Handles(Attacked):
    def test_forged_and_stale_handles_give_nothing(self):
        self.serve()
        sftp, other = Sftp(self.logged_in()), Sftp(self.logged_in())
        mine = sftp.open(self.name)
        kind, body = sftp.ask(OPENDIR, text("/"))
        self.assertEqual(kind, HANDLE)
        folder = body[4:]
        stale = sftp.open(self.name)
        self.assertEqual(sftp.status(CLOSE, text(stale)), 0)
        flipped = bytes([mine[0] ^ 1]) + mine[1:]
        forged = [str(n).encode() for n in range(301)] + [struct.pack(">I", n) for n in range(301)]
        forged += [struct.pack("<Q", n) for n in range(20)] + [os.urandom(16) for _ in range(100)]
        forged += [stale, flipped, mine[:-1], mine + b"\0", b"", b"\xff" * 4, b"\0" * 16, b"\xff" * 16, os.urandom(32)]
        for handle in forged:
            for kind, rest in ((READ, struct.pack(">QI", 0, 100)), (FSTAT, b""), (READDIR, b""), (CLOSE, b"")):
                self.assertEqual(sftp.status(kind, text(handle) + rest), FAILURE, (kind, handle))
        for handle in (os.urandom(33), os.urandom(65536)):
            self.assertEqual(sftp.status(READ, text(handle) + struct.pack(">QI", 0, 100)), BAD_MESSAGE)
        self.assertEqual(sftp.status(READ, text(folder) + struct.pack(">QI", 0, 100)), FAILURE)
        self.assertEqual(sftp.status(READDIR, text(mine)), FAILURE)
        self.assertEqual(other.status(READ, text(mine) + struct.pack(">QI", 0, 100)), FAILURE)
        self.assertEqual(sftp.ask(READ, text(mine) + struct.pack(">QI", 0, 100))[0], DATA)
        sftp.ssh.close()
        other.ssh.close()
        self.check_others_are_served()


class Places(Attacked):
    def test_reads_at_the_edges_of_numbers(self):
        self.serve(size=600_000)
        sftp = Sftp(self.logged_in())
        handle = text(sftp.open(self.name))
        with open(os.path.join(self.in_dir, self.name), "rb") as f:
            plain = f.read()
        top, longest = (1 << 64) - 1, (1 << 32) - 1
        for offset in (0, 1, len(plain) - 1):
            kind, body = sftp.ask(READ, handle + struct.pack(">QI", offset, longest))
            self.assertEqual(kind, DATA)
            got = body[4:]
            self.assertTrue(0 < len(got) <= 255 * 1024)
            self.assertEqual(got, plain[offset:offset + len(got)])
        for offset in (len(plain), len(plain) + 1, 1 << 31, 1 << 32, 1 << 63, top - 1, top):
            for length in (0, 1, 32768, longest):
                self.assertEqual(sftp.status(READ, handle + struct.pack(">QI", offset, length)), EOF, (offset, length))
        sftp.ssh.close()
        self.check_others_are_served()

    def test_ten_thousand_reads_whose_answers_nobody_takes(self):
        self.serve(size=1_000_000)
        client = self.logged_in()
        sftp = Sftp(client, window=(1 << 32) - 1)
        handle = text(sftp.open(self.name))
        session, = self.daemon.sessions()
        before = resident(session)
        requests = b"".join(struct.pack(">IBI", 17 + len(handle), READ, n) + handle + struct.pack(">QI", 0, 255 * 1024)
                            for n in range(10_000))
        client.socket.settimeout(1)
        head = bytes([CHANNEL_DATA]) + struct.pack(">I", sftp.channel)
        packets = b"".join(client.packet(head + text(requests[at:at + 32000]))
                           for at in range(0, len(requests), 32000))
        sent, most, deadline = 0, 0, time.monotonic() + 10
        while sent < len(packets) and time.monotonic() < deadline:
            try:
                sent += client.socket.send(packets[sent:sent + 65536])
            except TimeoutError:
                break  # the server takes no more: that is a bound too
            most = max(most, resident(session))
        for _ in range(20):  # it could still be reading, and decrypting
            time.sleep(0.1)
            most = max(most, resident(session))
        print(f"memory of the session: {before / MIB:.1f} MiB before, {most / MIB:.1f} MiB at most")
        self.assertLess(most - before, 24 * MIB)
        client.close()
        self.until(lambda: not self.daemon.sessions(), 30, "the session does not end")
        self.check_others_are_served()

    def test_data_beyond_the_window_ends_the_connection(self):
        self.serve()
        client = self.logged_in(small=True)
        sftp = Sftp(client, window=100)  # answers do not leave, so that requests wait
        handle = text(sftp.open(self.name))
        read = struct.pack(">IBI", 17 + len(handle), READ, 9) + handle + struct.pack(">QI", 0, 255 * 1024)
        packet = bytes([CHANNEL_DATA]) + struct.pack(">I", sftp.channel) + text(read * 700)
        with contextlib.suppress(OSError):  # the kernels on the way may hold all of it
            for _ in range(120):  # 3.5 MiB
                client.socket.sendall(client.packet(packet))
        self.until(lambda: not self.daemon.sessions(), 20, "the server takes in what it has no room for")
        client.close()
        self.check_others_are_served()


if __name__ == "__main__":
    unittest.main()
