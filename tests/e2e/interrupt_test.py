"""Ctrl-C in real clients at half of a recording: nothing is erased, and what the user does next fetches it once."""
import contextlib
import os
import signal
import subprocess
import time

from client_cuts_test import RESUMES
from clients import CASES, Site, host_key_of
from harness import EndToEnd, Finished, sha256
from proxy import Proxy

# Each client's way to one file. OpenSSH's sftp stops asking at a Ctrl-C, but takes in what it asked for: up to 16 MB.
HOW = ("sftp get", "scp -s", "psftp get", "curl", "lftp get", "rclone copy")
SIZES = {"sftp get": 50_000_000}
SIZE = 6_000_000
SECONDS = 2  # that a whole recording takes on the slow line, if the machine is fast enough


class Watched(Site):
    """A site whose client gets a Ctrl-C: it is a process group of its own, as in a terminal."""

    def run(self, command, cwd, stdin=""):
        self.process = subprocess.Popen(command, cwd=cwd, env=self.environment(), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            out, _ = self.process.communicate(stdin.encode(), timeout=self.timeout)
        except subprocess.TimeoutExpired:
            self.press(signal.SIGKILL)
            raise
        return Finished(self.process.returncode, out.decode("utf-8", "replace"), "")

    def press(self, what=signal.SIGINT):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, what)


class Pressing(Proxy):
    """A slow line that presses Ctrl-C when half of `size` is about to pass: it counts, and does not poll."""

    def __init__(self, port, size):
        super().__init__(port, rate=size // SECONDS)
        self.half, self.site, self.pressed = size // 2, None, False

    def allowed(self, data):
        passes = super().allowed(data)
        if self.passed >= self.half and not self.pressed:
            self.pressed = True
            self.site.press()
        return passes


class Interrupts(EndToEnd):
    """A test for each client, made below."""

    def interrupt(self, case):
        if case.missing():
            self.skipTest(f"{case.how}: {case.missing()}")
        size = SIZES.get(case.how, SIZE)
        vault = self.new_vault()
        (name, digest), = self.make_recordings(1, size).items()
        vault.ingest(self.in_dir)
        recording, = vault.states()
        delivery = vault.deliver()
        daemon = self.start(vault)
        key = host_key_of(vault)
        proxy = Pressing(daemon.port, size)
        self.addCleanup(proxy.close)
        proxy.site = Watched(os.path.join(self.folder, "stopped"), proxy.port, delivery, key)
        target = os.path.join(self.folder, "got")
        os.mkdir(target)
        got = os.path.join(target, name)
        first = case.run(proxy.site, [name], target)
        self.assertTrue(proxy.pressed, f"half of it never came: {first.out}")
        self.assertFalse(os.path.exists(got) and sha256(got) == digest, "it has all in spite of the Ctrl-C")
        self.until(lambda: not daemon.sessions(), 60, "the session goes on")
        time.sleep(2.5)  # longer than every wait of this vault
        self.assertEqual(vault.states(), {recording: "sealed"})
        again = Site(os.path.join(self.folder, "again"), daemon.port, delivery, key)
        second = RESUMES.get(case.how, case.run)(again, [name], target)
        self.assertEqual(second.code, 0, second.out)
        self.assertEqual(sha256(got), digest, second.out)
        self.until(lambda: vault.states() == {recording: "erased"}, 30, "not erased after a whole download")
        self.assertEqual(vault.check().code, 0)
        daemon.stop()


for _case in (c for c in CASES if c.how in HOW):
    def _test(self, case=_case):
        self.interrupt(case)
    setattr(Interrupts, _case.test_name, _test)
