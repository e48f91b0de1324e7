"""callvaultd started as root: the keeper becomes the owner of the vault's folder, listener and sessions another user."""
import os
import pwd
import re
import shutil
import subprocess
import unittest

import raw
from harness import BIN, Client, EndToEnd, sha256

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging", "callvaultd.service")
OWNER = 64_711           # nobody's: an id needs no name to own a folder
SESSION_USER = "games"   # one that every Debian has, so that the test adds none


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


class Users(EndToEnd):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can start a daemon that becomes other users")
        self.session_uid, self.session_gid = pwd.getpwnam(SESSION_USER)[2:4]
        self.vault = self.new_vault()
        (self.name, self.digest), = self.make_recordings(1, 100_000).items()
        self.recording, = (r["id"] for r in self.vault.ingest(self.in_dir))
        self.delivery = self.vault.deliver()

    def give_away(self, session_user=SESSION_USER):
        os.chmod(self.folder, 0o711)
        config = os.path.join(self.vault.dir, "callvault.toml")
        with open(config) as f:
            text = f.read()
        text, n = re.subn(r"(?m)^session_user = '[^']*'", f"session_user = '{session_user}'", text)
        self.assertEqual(n, 1)
        with open(config, "w") as f:
            f.write(text)
        for at, folders, files in os.walk(self.vault.dir):
            for name in [at, *(os.path.join(at, n) for n in folders + files)]:
                os.chown(name, OWNER, OWNER)

    def is_nothing_but(self, pid, uid, gid):
        found = status(pid)
        self.assertEqual((found["Uid"].split(), found["Gid"].split()), ([str(uid)] * 4, [str(gid)] * 4), found["Name"])
        self.assertEqual(found["Groups"].split(), [])
        for capabilities in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            self.assertEqual(int(found[capabilities], 16), 0, capabilities)
        # Not dumpable: its files in /proc are root's, whoever it is.
        self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0, "its memory can be read by its user")
        with open(f"/proc/{pid}/limits") as f:
            core, = (line for line in f if line.startswith("Max core"))
        self.assertEqual(core.split()[4:6], ["0", "0"])

    def test_three_processes_two_users_and_no_way_back_to_root(self):
        self.give_away()
        daemon = self.start(self.vault)
        client = Client(self.folder, daemon.port, self.delivery)
        waiting = raw.RawClient(client)
        self.addCleanup(waiting.die)
        self.until(daemon.sessions, 20, "no session")
        processes = dict((name, pid) for pid, name in daemon.descendants())
        self.assertEqual(sorted(processes), ["cv-listener", "cv-session"])
        self.is_nothing_but(daemon.pid, OWNER, OWNER)
        for pid in processes.values():
            self.is_nothing_but(pid, self.session_uid, self.session_gid)
        got = client.run(f"get {self.name} got.wav")
        self.assertEqual(got.code, 0, got.out)
        self.assertEqual(sha256(os.path.join(self.folder, "got.wav")), self.digest)
        self.until(lambda: self.vault.states() == {self.recording: "erased"}, 60, "not erased")
        waiting.die()
        self.assertEqual(daemon.stop(), 0)
        for at, _, files in os.walk(self.vault.dir):
            for name in files:
                self.assertEqual(os.stat(os.path.join(at, name)).st_uid, OWNER, f"{name} is not the owner's any more")
        self.assertEqual(self.vault.check().code, 0)

    def test_the_capabilities_of_the_service_are_enough(self):
        if shutil.which("setpriv") is None:
            self.skipTest("setpriv (util-linux) is not installed")
        with open(UNIT) as f:
            names, = re.findall(r"(?m)^CapabilityBoundingSet=(.*)$", f.read())
        bounding = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in names.split())])
        self.give_away()
        os.chmod(self.vault.dir, 0o700)
        daemon = self.start(self.vault, before=["setpriv", "--bounding-set", bounding, "--no-new-privs", "--"])
        self.is_nothing_but(daemon.pid, OWNER, OWNER)
        self.assertEqual(Client(self.folder, daemon.port, self.delivery).run(f"get {self.name} got.wav").code, 0)
        self.assertEqual(daemon.stop(), 0)

    def test_nothing_outlives_a_keeper_that_was_killed(self):
        # The signal that the kernel sends at a parent's death does not reach another user's process.
        self.give_away()
        daemon = self.start(self.vault)
        waiting = raw.RawClient(Client(self.folder, daemon.port, self.delivery))
        self.addCleanup(waiting.die)
        self.until(daemon.sessions, 20, "no session")
        left = [pid for pid, _ in daemon.descendants()]
        self.assertEqual(len(left), 2)
        daemon.process.kill()
        self.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in left), 20, "listener or session lives on")
        daemon.kill()

    def test_a_session_user_that_is_none_or_too_much_is_refused(self):
        for name, words in (("no-such-user", "no such user"), ("root", "neither root nor the vault's owner")):
            self.give_away(name)
            done = subprocess.run([os.path.join(BIN, "callvaultd"), "--vault", self.vault.dir, "--listen", "127.0.0.1:0"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
