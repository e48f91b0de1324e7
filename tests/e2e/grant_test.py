"""Grants with real clients: read as often as wished until they end, cut off at once then; and as a file for the age tool."""
import os
import pty
import re
import shutil
import time

import clients
from harness import Client, EndToEnd, sha256
from restriction_test import SECONDS, Slow

CLIENTS = ("sftp get", "curl", "lftp get", "sshfs cp")


class Grants(EndToEnd):
    def setUp(self):
        super().setUp()
        self.vault = self.new_vault()

    def take_in(self, count, size):
        self.made = self.make_recordings(count, size)
        return [r["id"] for r in self.vault.must("ingest", self.in_dir, "--own", "--json", identity=False).json()]

    def grant(self, *words):
        return self.vault.must("grant", *words, "--json").json()[0]

    def state(self, grant):
        return self.vault.must("grant", "show", grant["grant"], "--json", identity=False).json()["state"]

    def events(self, name):
        entries = self.vault.must("audit", "show", "--json", "--limit", "10000", identity=False).json()
        return [e for e in entries if e["event"] == name]

    def test_real_clients_read_it_twice_and_each_time_leaves_a_trace(self):
        ids = self.take_in(2, 300_000)
        grant = self.grant(*ids, "--to", "front-desk")
        daemon = self.start(self.vault)
        key = clients.host_key_of(self.vault)
        ran = 0
        for case in clients.CASES:
            if case.how not in CLIENTS:
                continue
            if case.missing():
                print(f"SKIPPED: {case.how}: {case.missing()}")
                continue
            ran += 1
            for turn in ("first", "second"):
                home, target = (os.path.join(self.folder, f"{of}-{case.test_name}-{turn}") for of in ("home", "got"))
                os.mkdir(target)
                before = len(self.events("recording.read"))
                done = case.run(clients.Site(home, daemon.port, grant, key), list(self.made), target)
                self.assertEqual(done.code, 0, done.out)
                self.assertEqual(self.fetched(target), self.made, case.how)
                self.assertGreaterEqual(len(self.events("recording.read")), before + 2)
        self.assertGreater(ran, 0)
        self.assertGreaterEqual(len(self.events("grant.opened")), 2 * ran)
        target = os.path.join(self.folder, "notices")
        os.mkdir(target)
        self.assertEqual(Client(self.folder, daemon.port, grant).run("get -r .", cwd=target).code, 0)
        with open(os.path.join(target, "READ-ME-FIRST.txt"), newline="") as f:
            notice = f.read()
        self.assertIn("Nothing is deleted when you download it", notice)
        self.assertIn(grant["expires"], notice)
        self.assertNotIn("as soon as it is downloaded", notice)
        self.assertEqual({s for s in self.vault.states().values()}, {"sealed"})
        self.assertEqual(self.state(grant), "open")
        self.assertEqual(self.vault.check().code, 0)

    def slow_download(self, daemon, grant):
        """It runs, and its file grows."""
        got = os.path.join(self.folder, "slow.wav")
        process = Slow(self.folder, daemon.port, grant).start([f"get {next(iter(self.made))} {got}"], self.folder)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        self.until(lambda: os.path.exists(got) and os.path.getsize(got) > 200_000, 30, "the download does not begin")
        return process, got

    def expect_cut(self, daemon, process, got, words, grant):
        began = time.time()
        self.until(lambda: not daemon.sessions(), SECONDS, "the download goes on")
        print(f"cut {time.time() - began:.2f} s later")
        process.communicate(timeout=30)
        self.assertNotEqual(process.returncode, 0)
        self.assertLess(os.path.getsize(got), 20_000_000)
        self.assertIn(words, Client(self.folder, daemon.port, grant).refusal() or "the log-in was accepted")
        self.assertEqual(self.vault.check().code, 0)

    def test_revoked_it_is_cut_within_two_seconds(self):
        grant = self.grant(*self.take_in(1, 20_000_000), "--to", "front-desk")
        daemon = self.start(self.vault)
        process, got = self.slow_download(daemon, grant)
        self.vault.must("grant", "revoke", grant["grant"])
        self.expect_cut(daemon, process, got, "access revoked", grant)
        self.assertEqual(self.state(grant), "revoked")

    def test_its_end_cuts_who_reads_within_two_seconds(self):
        path = os.path.join(self.vault.dir, "callvault.toml")
        with open(path) as f:
            text, n = re.subn(r'(?m)^\[grant\]\nexpires = "7d"', '[grant]\nexpires = "8s"', f.read())
        self.assertEqual(n, 1)
        with open(path, "w") as f:
            f.write(text)
        ids = self.take_in(1, 20_000_000)
        daemon = self.start(self.vault)
        grant = self.grant(*ids, "--to", "front-desk")
        ends = time.time() + 8  # or a little earlier
        process, got = self.slow_download(daemon, grant)
        time.sleep(max(0.0, ends - time.time()))
        self.expect_cut(daemon, process, got, "password expired", grant)
        self.assertEqual(self.state(grant), "expired")

    def test_its_password_is_good_for_its_account_only(self):
        ids = self.take_in(1, 10_000)
        one, other = (self.grant(*ids, "--to", account) for account in ("front-desk", "back-desk"))
        daemon = self.start(self.vault)
        for account, password in (("front-desk", other), ("back-desk", one), ("acme", one), ("nobody", one)):
            refused = Client(self.folder, daemon.port, {"account": account, "password": password["password"]}).refusal()
            self.assertIsNotNone(refused, account)
            self.assertIn("Permission denied", refused)
        self.assertIsNone(Client(self.folder, daemon.port, one).refusal())

    def age_d(self, password, file, target):
        """Debian's age asks on the terminal only. Its exit code."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp("age", ["age", "-d", "-o", target, file])
        said = b""
        asked = False
        try:
            while part := os.read(terminal, 1000):
                said += part
                if not asked and b"passphrase" in said:
                    asked = True
                    os.write(terminal, password.encode() + b"\n")
        except OSError:  # the other side of the terminal is closed
            pass
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_as_a_file_it_opens_with_age(self):
        if shutil.which("age") is None:
            self.skipTest("age is not installed")
        recording, = self.take_in(1, 200_000)
        file = os.path.join(self.folder, "call.wav.age")
        grant = self.grant(recording, "--to", "police", "--out", file)
        self.assertEqual(grant["file"], file)
        target = os.path.join(self.folder, "call.wav")
        self.assertNotEqual(self.age_d("00000-00000-00000-00000-00000", file, target), 0)
        self.assertFalse(os.path.exists(target))
        self.assertEqual(self.age_d(grant["password"], file, target), 0)
        self.assertEqual(sha256(target), next(iter(self.made.values())))
        daemon = self.start(self.vault)
        self.assertIsNotNone(Client(self.folder, daemon.port, grant).refusal())
