"""callvaultd under a service manager: it says that it serves, is alive, reloads and stops (a socket of ours listens);
SIGHUP reads the settings again and ends nothing."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest

import raw
from harness import BIN, Client, EndToEnd, sha256

HERE = os.path.dirname(os.path.abspath(__file__))
UNIT = os.path.join(HERE, "..", "..", "packaging", "callvaultd.service")


class Manager:
    """The socket of a service manager, which sees who speaks."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def hear(self, seconds=30):
        """(text, pid of who said it)"""
        self.socket.settimeout(seconds)
        text, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        (_, _, credentials), = (c for c in control if c[1] == socket.SCM_CREDENTIALS)
        return text.decode(), struct.unpack("3i", credentials)[0]

    def hear_until(self, begin, seconds=30):
        """The next text that begins so; those before are thrown away."""
        deadline = time.time() + seconds
        while time.time() < deadline:
            text, _ = self.hear(seconds)
            if text.startswith(begin):
                return text
        raise AssertionError(f"nobody says {begin}")


class Service(EndToEnd):
    def setUp(self):
        super().setUp()
        self.vault = self.new_vault()
        (self.name, self.digest), = self.make_recordings(1, 400_000).items()
        self.recording, = (r["id"] for r in self.vault.ingest(self.in_dir))
        self.delivery = self.vault.deliver()

    def managed(self, address, watchdog_us=600_000_000, **environment):
        manager = Manager("\0" + address[1:] if address[0] == "@" else address)
        self.addCleanup(manager.socket.close)
        return manager, self.start(self.vault, NOTIFY_SOCKET=address, WATCHDOG_USEC=str(watchdog_us), **environment)

    def log(self):
        with open(os.path.join(self.folder, "daemon.log")) as log:
            return log.read()

    def test_the_main_process_says_that_it_serves_lives_and_stops(self):
        for address in (os.path.join(self.folder, "notify"), f"@callvault-test-{os.getpid()}"):
            manager, daemon = self.managed(address, 600_000)
            self.assertEqual(manager.hear(), ("READY=1", daemon.pid))
            for _ in range(4):
                self.assertEqual(manager.hear(), ("WATCHDOG=1", daemon.pid))
            # It lives: when it stands still, so does its sign of life.
            daemon.process.send_signal(signal.SIGSTOP)
            with self.assertRaises(socket.timeout):
                for _ in range(100):
                    manager.hear(3)
            daemon.process.send_signal(signal.SIGCONT)
            self.assertEqual(manager.hear(), ("WATCHDOG=1", daemon.pid))
            daemon.process.send_signal(signal.SIGTERM)
            manager.hear_until("STOPPING=1")
            self.assertEqual(daemon.stop(), 0)

    def test_a_watchdog_of_another_process_and_a_manager_that_is_gone_do_no_harm(self):
        manager, daemon = self.managed(os.path.join(self.folder, "notify"), 600_000, WATCHDOG_PID="1")
        self.assertEqual(manager.hear()[0], "READY=1")
        with self.assertRaises(socket.timeout):
            manager.hear(2)
        self.assertEqual(daemon.stop(), 0)
        daemon = self.start(self.vault, NOTIFY_SOCKET=os.path.join(self.folder, "nobody"), WATCHDOG_USEC="1000")
        self.assertEqual(Client(self.folder, daemon.port, self.delivery).run("ls").code, 0)
        self.assertEqual(daemon.stop(), 0)

    def test_reload_takes_new_settings_and_ends_no_session(self):
        manager, daemon = self.managed(os.path.join(self.folder, "notify"))
        self.assertEqual(manager.hear()[0], "READY=1")
        client = raw.RawClient(Client(self.folder, daemon.port, self.delivery))
        self.addCleanup(client.die)
        handle = client.open(self.name)
        whole = 400_044
        half = client.read_range(handle, 0, whole // 2)
        self.vault.configure(connections_total=1, idle_after_all="2s")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.process.send_signal(signal.SIGHUP)
        said = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", manager.hear_until("RELOADING=1"))
        self.assertIsNotNone(said)
        self.assertGreaterEqual(int(said[1]), before)
        self.assertEqual(manager.hear(), ("READY=1", daemon.pid))
        # The limit holds for who comes now; the session that was there goes on, and its download counts.
        self.until(lambda: self.is_turned_away(daemon.port), 30, "the new limit does not hold")
        rest = client.read_range(handle, whole // 2, whole)
        self.assertEqual(client.close(handle), raw.OK)
        with open(os.path.join(self.folder, "got"), "wb") as f:
            f.write(half + rest)
        self.assertEqual(sha256(os.path.join(self.folder, "got")), self.digest)
        self.until(lambda: self.vault.states() == {self.recording: "erased"}, 60, "not erased")
        self.until(lambda: not daemon.sessions(), 60, "the claim does not end")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.vault.check().code, 0)

    def is_turned_away(self, port):
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.settimeout(10)
            try:
                return s.recv(100) == b""
            except ConnectionResetError:
                return True

    def test_wrong_settings_change_nothing(self):
        manager, daemon = self.managed(os.path.join(self.folder, "notify"))
        self.assertEqual(manager.hear()[0], "READY=1")
        config = os.path.join(self.vault.dir, "callvault.toml")
        with open(config) as f:
            good = f.read()
        with open(config, "a") as f:
            f.write("\n[claim2]\n")
        daemon.process.send_signal(signal.SIGHUP)
        manager.hear_until("RELOADING=1")
        self.assertEqual(manager.hear()[0], "READY=1")
        self.assertIn("the settings stay as they were: callvault.toml: unknown section claim2", self.log())
        self.assertEqual(Client(self.folder, daemon.port, self.delivery).run("ls").code, 0)
        with open(config, "w") as f:
            f.write(good)
        # To all three, as a terminal that closes does it.
        for pid in (daemon.pid, *(pid for pid, _ in daemon.descendants())):
            os.kill(pid, signal.SIGHUP)
        manager.hear_until("READY=1")
        self.assertEqual(Client(self.folder, daemon.port, self.delivery).run(f"get {self.name} got").code, 0)
        self.assertEqual(daemon.stop(), 0)

    def test_the_unit_is_well_formed(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze (systemd) is not installed")
        with open(UNIT) as f:
            text = f.read()
        program = os.path.abspath(os.path.join(BIN, "callvaultd"))
        self.assertIn("ExecStart=/usr/bin/callvaultd ", text)
        unit = os.path.join(self.folder, "callvaultd.service")
        for harm, expected in (("", True), ("Tpye=notify\n", False), ("WatchdogSec=soon\n", False)):
            with open(unit, "w") as f:
                f.write(text.replace("ExecStart=/usr/bin/callvaultd", harm + "ExecStart=" + program))
            done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=120)
            ours = [line for line in done.stderr.splitlines() if "callvaultd" in line]
            self.assertEqual(ours == [], expected, done.stderr)


if __name__ == "__main__":
    unittest.main()
