"""A session process that was taken over after the log-in (callvaultd_takeover, built for these tests alone): it makes
whatever system call we name, and says to the keeper what no honest session says. Each attempt is refused or ends the
session; the next customer is served."""
import errno
import os
import platform
import struct
import unittest

import raw
from harness import BIN, Client, EndToEnd, sha256

PROGRAM = "callvaultd_takeover"
EXTENDED, EXTENDED_REPLY = 200, 201
NAME = "takeover@callvault.test"
FORBIDDEN = "called what its fence forbids"
LOGIN, ANSWER, LIST, OPEN, BOOK, CLOSE, REMOVE, END = range(1, 9)  # sftp/messages.h
REFUSED, ENTRIES, OPENED, DONE = 103, 104, 105, 106
NOT_FOUND, NOT_ALLOWED = 12, 13
HERE = -100  # AT_FDCWD

# Numbers of x86_64. What is sent along does no harm where the fence fails: signal 0, wrong magic numbers, empty buffers.
CALLS = dict(
    open=2, stat=4, lstat=6, mmap=9, mprotect=10, ioctl=16, access=21, socket=41, connect=42, accept=43, bind=49, listen=50,
    socketpair=53, setsockopt=54, clone=56, fork=57, vfork=58, execve=59, kill=62, shmget=29, msgget=68, fcntl=72, truncate=76,
    rename=82, mkdir=83, link=86, unlink=87, symlink=88, readlink=89, chmod=90, chown=92, setrlimit=160, ptrace=101, setuid=105,
    setresuid=117, capset=126, rt_sigqueueinfo=129, personality=135, setpriority=141, sched_setaffinity=203, prctl=157,
    chroot=161, mount=165, ioperm=173, init_module=175, tkill=200, getdents64=217, timer_create=222, tgkill=234, mq_open=240,
    add_key=248, keyctl=250, openat=257, unlinkat=263, unshare=272, inotify_init1=294, perf_event_open=298, prlimit64=302,
    name_to_handle_at=303, open_by_handle_at=304, setns=308, sendmmsg=307, process_vm_readv=310, process_vm_writev=311,
    seccomp=317, memfd_create=319, bpf=321, execveat=322, userfaultfd=323, pkey_mprotect=329, io_uring_setup=425,
    clone3=435, openat2=437, pidfd_open=434, pidfd_getfd=438, process_madvise=440, memfd_secret=447)


class Hostile(raw.RawClient):
    def _take_over(self, body):
        kind, reply = self.ask(EXTENDED, raw.text(NAME) + body)
        assert kind == EXTENDED_REPLY, f"{PROGRAM} does not obey: type {kind}"
        return reply

    def call(self, name, *arguments):
        """The call's result, or -errno. Numbers, and bytes by their address; ConnectionError: it ended the session."""
        number = CALLS[name] if isinstance(name, str) else name
        body = struct.pack(">BQ", 0, number)
        for a in arguments + (0,) * (6 - len(arguments)):
            if isinstance(a, int):
                body += struct.pack(">BQ", 0, a & (2**64 - 1))
            else:
                body += b"\1" + raw.text(a)
        return struct.unpack(">q", self._take_over(body)[:8])[0]

    def tell(self, packet, times=1, descriptor=False, wait_ms=300):
        """What the keeper answered to a packet (the first eight), and whether it still listens to this session."""
        reply = self._take_over(b"\1" + struct.pack(">IBI", times, descriptor, wait_ms) + raw.text(packet))
        count, at, answers = struct.unpack(">I", reply[:4])[0], 4, []
        for _ in range(count):
            size, = struct.unpack(">I", reply[at:at + 4])
            answers.append(reply[at + 4:at + 4 + size])
            at += 4 + size
        return answers, reply[at] == 1


def path(p):
    return os.fsencode(p) + b"\0"


class Takeover(EndToEnd):
    def setUp(self):
        super().setUp()
        if platform.machine() != "x86_64":
            self.skipTest("the numbers of system calls are those of x86_64")
        self.vault = self.new_vault(connections_burst=1000, connections_per_minute=6000)
        self.vault.must("customer", "add", "globex", "--name", "Globex Ltd")
        self.mine, self.theirs = list(self.make_recordings(2, 100_000))
        self.my_id, = (r["id"] for r in self.vault.ingest(os.path.join(self.in_dir, self.mine)))
        self.their_id, = (r["id"] for r in self.vault.ingest(os.path.join(self.in_dir, self.theirs), "globex"))
        self.delivery, self.globex = self.vault.deliver(), self.vault.deliver("globex")
        self.daemon = self.start(self.vault, PROGRAM)

    def hostile(self):
        client = Hostile(Client(self.folder, self.daemon.port, self.delivery))
        self.addCleanup(client.die)
        return client

    def log(self):
        with open(os.path.join(self.folder, "daemon.log")) as log:
            return log.read()

    def the_next_customer_is_served(self):
        """By the same daemon, and what the taken-over session saw of its own stays undelivered."""
        self.assertIsNone(self.daemon.process.poll(), "the daemon has ended")
        self.assertNotIn("crashed with signal", self.log())
        self.assertEqual(self.vault.states(), {self.my_id: "sealed", self.their_id: "sealed"})
        got = Client(self.folder, self.daemon.port, self.globex).run(f"get {self.theirs} theirs.wav")
        self.assertEqual(got.code, 0, got.out)
        self.assertEqual(sha256(os.path.join(self.folder, "theirs.wav")), sha256(os.path.join(self.in_dir, self.theirs)))
        self.until(lambda: self.vault.states()[self.their_id] == "erased", 60, "not erased")
        self.assertEqual(self.vault.states()[self.my_id], "sealed")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.vault.check().code, 0, self.vault.check().out)

    def is_ended_by_the_keeper(self, hostile, packet, **how):
        """Without an answer: the session sees its end, or can tell us no more."""
        try:
            self.assertEqual(hostile.tell(packet, **how), ([], False))
        except ConnectionError as ended:
            self.assertIn("the server could not do that", str(ended))
        self.until(lambda: not self.daemon.sessions(), 20, "the session lives on without its keeper")
        hostile.die()

    def test_no_file_can_be_reached(self):
        hostile, keeper, d = self.hostile(), self.daemon.pid, self.vault.dir
        descriptors = os.listdir(f"/proc/{keeper}/fd")
        files = [f"{d}/catalog.db", f"{d}/service.key", f"{d}/host.key", f"{d}/slots/root.key", f"{d}/callvault.toml", d,
                 f"{d}/objects/{self.their_id[2:4]}/{self.their_id}", "/etc/passwd", "/dev/null", f"/proc/{keeper}/mem",
                 f"/proc/{keeper}/maps", f"/proc/{keeper}/root/etc/passwd", "/proc/self/mem", "/proc/self/exe", "/proc/1/environ",
                 *(f"/proc/{keeper}/fd/{n}" for n in descriptors)]
        self.assertGreater(len(descriptors), 5)
        for file in files:
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREAT):
                for asked in (hostile.call("openat", HERE, path(file), flags, 0o600), hostile.call("open", path(file), flags)):
                    self.assertIn(asked, (-errno.EPERM, -errno.EACCES), file)
            for name in ("stat", "lstat", "access"):
                self.assertEqual(hostile.call(name, path(file), b"\0" * 256), -errno.EPERM, f"{name} {file}")
            self.assertEqual(hostile.call("readlink", path(file), b"\0" * 256, 256), -errno.EPERM, file)
            self.assertEqual(hostile.call("truncate", path(file), 0), -errno.EPERM, file)
        self.assertEqual(hostile.call("prctl", 4, 1), -errno.EPERM, "PR_SET_DUMPABLE")
        self.assertEqual(hostile.call("tgkill", keeper, keeper, 0), -errno.EPERM)
        self.assertEqual(hostile.call("mmap", 0, 2**30, 3, 0x22, -1, 0), -errno.ENOMEM, "it takes a GiB of memory")
        self.the_next_customer_is_served()

    def test_its_descriptors_are_its_own(self):
        hostile = self.hostile()
        session, = self.daemon.sessions()
        for pid, name in self.daemon.descendants():
            with open(f"/proc/{pid}/status") as status:
                said = status.read()
            self.assertRegex(said, r"(?m)^NoNewPrivs:\t1$", name)
            self.assertRegex(said, r"(?m)^Seccomp:\t2$", name)
        listener, = (pid for pid, name in self.daemon.descendants() if name == "cv-listener")
        files = [os.readlink(f"/proc/{listener}/fd/{n}") for n in os.listdir(f"/proc/{listener}/fd")]
        self.assertEqual([f for f in files if f.startswith(self.vault.dir)], [], "the listener holds files of the vault")

        def held():
            names = [os.readlink(f"/proc/{session}/fd/{n}") for n in os.listdir(f"/proc/{session}/fd")]
            return [n for n in names if not n.startswith(("socket:", "pipe:", "anon_inode:", "/dev/null"))]

        log = os.path.join(self.folder, "daemon.log")
        self.assertEqual(held(), [log])
        hostile.open(self.mine)
        object_file = os.path.join(self.vault.dir, "objects", self.my_id[2:4], self.my_id)
        self.assertEqual(sorted(held()), sorted([log, os.path.realpath(object_file)]))
        at, = (n for n in os.listdir(f"/proc/{session}/fd")
               if os.readlink(f"/proc/{session}/fd/{n}") == os.path.realpath(object_file))
        with open(f"/proc/{session}/fdinfo/{at}") as info:
            flags, = (int(line.split()[1], 8) for line in info if line.startswith("flags:"))
        self.assertEqual(flags & os.O_ACCMODE, os.O_RDONLY)
        with self.assertRaises(ConnectionError):
            hostile.call("chmod", path(object_file), 0o777)
        self.the_next_customer_is_served()

    def test_calls_that_no_session_makes_end_it(self):
        keeper, d = self.daemon.pid, self.vault.dir
        victim, other, nothing = path(f"{d}/service.key"), path(f"{d}/stolen"), b"\0" * 128
        abstract = struct.pack("=H", 1) + b"\0callvault-test"
        inet = struct.pack("=H", 2) + struct.pack(">H", self.daemon.port) + b"\x7f\0\0\1" + b"\0" * 8
        attempts = [
            # away from this process
            ("socket", 2, 1), ("socket", 10, 2), ("socket", 1, 1), ("socket", 1, 5), ("socket", 16, 3), ("socket", 17, 3),
            ("socketpair", 1, 1, 0, nothing), ("connect", 3, inet, 16), ("connect", 4, abstract, len(abstract)),
            ("bind", 3, abstract, len(abstract)), ("listen", 3, 1), ("accept", 3), ("sendmmsg", 3, nothing, 0),
            ("setsockopt", 3, 1, 25, b"lo\0", 3), ("ioctl", 2, 0x5412, b"x"), ("ioctl", 3, 0x5452, nothing),
            ("fcntl", 3, 8, keeper), ("fcntl", 3, 10, 9), ("shmget", 1, 4096, 0), ("msgget", 1, 0), ("mq_open", other, 0),
            ("add_key", nothing, nothing), ("keyctl", 0), ("inotify_init1", 0),
            # into other processes
            ("ptrace", 16, keeper), ("ptrace", 0), ("process_vm_readv", keeper, nothing, 0, nothing, 0),
            ("process_vm_writev", keeper, nothing, 0, nothing, 0), ("process_madvise", keeper), ("kill", keeper, 0),
            ("kill", os.getpid(), 0), ("tkill", keeper, 0), ("rt_sigqueueinfo", keeper, 0, nothing), ("pidfd_open", keeper),
            ("pidfd_getfd", 3, 0), ("prlimit64", keeper, 7, 0, nothing), ("setpriority", 0, keeper, 19),
            ("sched_setaffinity", keeper, 0, nothing), ("perf_event_open", nothing, keeper), ("timer_create", 0, nothing, nothing),
            # new processes and code
            ("fork",), ("vfork",), ("clone", 17), ("clone3", nothing, 64), ("execve", path("/bin/true"), 0, 0),
            ("execveat", HERE, path("/bin/true")), ("memfd_create", path("x"), 0), ("memfd_secret", 0),
            ("mmap", 0, 4096, 5, 0x22, -1, 0), ("mprotect", 0, 4096, 4), ("pkey_mprotect", 0, 4096, 4, -1), ("personality", 0),
            # files by other names, and power over the system
            ("openat2", HERE, victim, nothing, 24), ("name_to_handle_at", HERE, victim, nothing, nothing),
            ("open_by_handle_at", 3, nothing, 0), ("unlink", other), ("unlinkat", HERE, other), ("rename", other, other),
            ("link", other, other), ("symlink", other, other), ("mkdir", other, 0o700), ("chmod", other, 0o777), ("chown", other),
            ("getdents64", 0, nothing, 128), ("chroot", path("/")), ("mount", nothing, nothing, nothing), ("unshare", 0),
            ("setns", 3, 0), ("setuid", 0), ("setresuid", 0, 0, 0), ("capset", nothing, nothing), ("setrlimit", 4, nothing),
            ("ioperm", 0, 0, 0), ("init_module", nothing, 0, nothing), ("seccomp", 99), ("bpf", 99), ("userfaultfd", 0),
            ("io_uring_setup", 0, nothing), (0x40000000 | 39,), (1000,)]
        for n, attempt in enumerate(attempts):
            with self.subTest(attempt=str(attempt[:3])):
                hostile = self.hostile()
                with self.assertRaises(ConnectionError):
                    self.fail(f"it came back with {hostile.call(*attempt)}")
                hostile.die()
                self.until(lambda: self.log().count(FORBIDDEN) == n + 1, 20, "the log does not say why the session ended")
        self.until(lambda: not self.daemon.sessions(), 20, "sessions are left")
        self.the_next_customer_is_served()

    def test_what_no_session_says_ends_it(self):
        attempts = {
            "an answer to no challenge": struct.pack(">BB", ANSWER, 0) + b"\0" * 32,
            "an answer without a choice": struct.pack(">BB", ANSWER, 255) + b"\0" * 32,
            "a log-in after the log-in": struct.pack(">B", LOGIN) + raw.text("globex"),
            "a booking of no handle": struct.pack(">BIQIBB", BOOK, 77, 0, 100, 0, 1),
            "a close of no handle": struct.pack(">BIB", CLOSE, 77, 1),
            "an answer of the keeper": struct.pack(">BB", DONE, 1),
            "type 0": b"\0" * 5, "an unknown type": b"\x40" * 5, "type 255": b"\xff" * 5,
            "a recorder's key after the log-in": b"\x09" + raw.text("acme") + raw.text(b"") + b"\1", "an upload": b"\x0a",
            "a look": b"\x10" + raw.text("a.wav"),
            "an empty packet": b"", "a type alone": b"\x04", "a short open": b"\x04\0\0", "a long open": b"\x04" + b"\0" * 5,
            "a flag of 2": struct.pack(">BIQIBB", BOOK, 1, 0, 100, 0, 2),
            "the longest packet": b"\x03" * 65536, "a longer packet": b"\x03" * 65537, "150 KiB": b"\x03" * 153_600,
            "a long name": struct.pack(">B", LOGIN) + raw.text("a" * 65), "a length beyond the end": b"\x01\xff\xff\xff\xff"}
        for name, packet in attempts.items():
            with self.subTest(attempt=name):
                hostile = self.hostile()
                self.is_ended_by_the_keeper(hostile, packet)
        self.is_ended_by_the_keeper(self.hostile(), struct.pack(">BI", LIST, 0), descriptor=True)
        self.the_next_customer_is_served()

    def test_it_cannot_name_another_access(self):
        hostile = self.hostile()
        answers, there = hostile.tell(struct.pack(">BI", LIST, 0))
        self.assertEqual((answers[0][0], struct.unpack(">II", answers[0][1:9]), there), (ENTRIES, (1, 1), True))
        self.assertEqual(hostile.tell(struct.pack(">BI", LIST, 1))[0][0][1:], struct.pack(">II", 1, 0))
        self.assertEqual(hostile.tell(struct.pack(">BI", LIST, 2**32 - 1))[0][0][1:], struct.pack(">II", 1, 0))
        answers, _ = hostile.tell(struct.pack(">BI", OPEN, 0))
        self.assertEqual(answers[0][0], OPENED)
        self.assertIn(self.my_id.encode(), answers[0])
        handle, = struct.unpack(">I", answers[0][1:5])
        for item in (*range(1, 40), 255, 256, 2**16, 2**31, 2**32 - 1):
            for asked in (OPEN, REMOVE):
                answers, there = hostile.tell(struct.pack(">BI", asked, item), wait_ms=20)
                self.assertEqual((answers, there), ([bytes([REFUSED, NOT_FOUND])], True), f"item {item}")
        self.assertEqual(hostile.tell(struct.pack(">BI", REMOVE, 0)), ([bytes([REFUSED, NOT_ALLOWED])], True))
        # Booked behind the end, and with a sum that overflows: counts for nothing.
        for offset, length in ((2**64 - 1, 2**32 - 1), (2**63, 2**31), (100_044, 2**32 - 1), (5, 0)):
            self.assertEqual(hostile.tell(struct.pack(">BIQIBB", BOOK, handle, offset, length, 1, 1)), ([], True))
        self.assertEqual(hostile.tell(struct.pack(">BIB", CLOSE, handle, 1)), ([bytes([DONE, 0])], True))
        self.is_ended_by_the_keeper(hostile, struct.pack(">BIB", CLOSE, handle, 1))  # closed twice
        self.the_next_customer_is_served()

    def test_floods_do_not_keep_others_waiting(self):
        for packet in (struct.pack(">BI", LIST, 0), struct.pack(">BI", REMOVE, 0), struct.pack(">BI", REMOVE, 99)):
            hostile = self.hostile()
            hostile._send(struct.pack(">BI", EXTENDED, 999) + raw.text(NAME) + b"\1" + struct.pack(">IBI", 2**31, 0, 0) +
                          raw.text(packet))
        self.until(lambda: len(self.daemon.sessions()) == 3, 20, "a flood was ended")
        self.the_next_customer_is_served()

    def test_the_daemon_that_is_shipped_holds_nothing_of_this(self):
        for program, expected in ((PROGRAM, True), ("callvaultd", False)):
            with open(os.path.join(BIN, program), "rb") as f:
                self.assertEqual(NAME.encode() in f.read(), expected, program)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon = self.start(self.vault)
        hostile = self.hostile()
        self.assertEqual(hostile.ask(EXTENDED, raw.text(NAME) + b"\0" * 9)[0], raw.STATUS)
        self.the_next_customer_is_served()


if __name__ == "__main__":
    unittest.main()
