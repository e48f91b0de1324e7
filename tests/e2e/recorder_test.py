"""A real recorder: two baresip user agents call each other on the loopback, and one writes the call into the spool."""
import os
import shutil
import signal
import socket
import subprocess
import time
import unittest
import wave

from harness import sha256
from watched import Watched

BARESIP = shutil.which("baresip")
MODULES = "/usr/lib/baresip/modules"
NEEDED = ("account", "ausine", "g711", "menu", "sndfile", "stdio")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Agent:
    """One baresip with a folder of its own; records into `records` when it is given."""

    def __init__(self, folder, name, records=None, answers=False):
        self.folder, self.port = os.path.join(folder, name), free_port()
        os.mkdir(self.folder)
        lines = [f"module_path {MODULES}", f"sip_listen 127.0.0.1:{self.port}", "audio_source ausine,440", "ausrc_srate 48000",
                 "ausrc_channels 2", "audio_player none", "audio_alert none", "call_local_timeout 20", *(f"module {m}.so" for m in NEEDED if m not in ("account", "menu")),
                 *(f"module_app {m}.so" for m in ("account", "menu"))]
        if records:
            lines.append(f"snd_path {records}")
        else:
            lines.remove("module sndfile.so")
        self.write("config", "\n".join(lines) + "\n")
        self.write("accounts", f"<sip:{name}@127.0.0.1:{self.port};transport=udp>;regint=0"
                               f"{';answermode=auto' if answers else ''}\n")
        self.write("contacts", "")
        self.name = name

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as out:
            out.write(text)

    def start(self, *words):
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen([BARESIP, "-f", self.folder, *words], stdin=subprocess.PIPE, stdout=self.log,
                                        stderr=subprocess.STDOUT)

    def end(self, kill=False):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.log.close()


class Recorder(Watched):
    def setUp(self):
        super().setUp()
        if BARESIP is None:
            self.skipTest("baresip (baresip-core) is not installed")
        for module in NEEDED:
            if not os.path.exists(os.path.join(MODULES, module + ".so")):
                self.skipTest(f"this baresip has no module {module}")

    def call(self):
        """Alice records, and calls Bob; returns when sound is written."""
        bob = Agent(self.folder, "bob", answers=True)
        alice = Agent(self.folder, "alice", records=self.in_dir)
        bob.start()
        self.addCleanup(bob.end)
        time.sleep(0.5)
        alice.start("-e", f"/dial sip:bob@127.0.0.1:{bob.port}")
        self.addCleanup(alice.end)
        self.until(lambda: self.recorded() > 20_000, 60, "no call is recorded")
        return alice

    def recorded(self):
        files = [os.path.join(self.in_dir, name) for name in os.listdir(self.in_dir)]
        return min((os.path.getsize(f) for f in files), default=0) if len(files) == 2 else 0

    def test_a_call_recorded_by_baresip(self):
        vault = self.new_vault()
        watcher = self.watch(vault)
        alice = self.call()
        # Longer than the quiet time: the files grow, and are open.
        began = self.recorded()
        self.until(lambda: self.recorded() > began + 40_000, 60, "the call does not go on")
        self.assertTrue(watcher.lines.empty())
        # Links keep what the recorder wrote, to compare with.
        kept = {name: os.path.join(self.folder, name) for name in self.left()}
        for name, link in kept.items():
            os.link(os.path.join(self.in_dir, name), link)
        alice.end()
        told = [watcher.next() for _ in kept]
        self.assertEqual({t["error"] for t in told}, {None})
        self.assertEqual({t["name"]: t["sha256"] for t in told}, {name: sha256(link) for name, link in kept.items()})
        self.assertEqual(self.left(), [])
        for link in kept.values():
            with wave.open(link) as sound:
                self.assertGreater(sound.getnframes(), sound.getframerate())
        self.assertEqual(self.contents(vault), sorted(sha256(link) for link in kept.values()))
        self.assertEqual(watcher.stop(), 0)

    def test_a_recorder_that_was_killed_is_quarantined(self):
        vault = self.new_vault()
        watcher = self.watch(vault)
        alice = self.call()
        alice.end(kill=True)
        names = self.left()
        told = [watcher.next() for _ in names]
        self.assertEqual(sorted(t["name"] for t in told), names)
        for t in told:
            self.assertTrue(t["quarantined"], t)
        self.assertEqual(self.left(), names)
        self.assertEqual(self.contents(vault), sorted(sha256(os.path.join(self.in_dir, name)) for name in names))
        self.assertEqual(vault.run("deliver", "acme", "--all").code, 3)
        self.assertEqual(watcher.stop(), 0)


if __name__ == "__main__":
    unittest.main()
