"""The way of a recording: in through ingest, out through sftp once, nothing is left."""
import os
import shutil
import sqlite3
import subprocess
import time
import unittest

from harness import BIN, Client, EndToEnd
from proxy import Proxy


class Way(EndToEnd):
    def test_twenty_recordings_are_fetched_once_and_are_gone(self):
        vault = self.new_vault()
        made = self.make_recordings(20)
        self.assertEqual(len(vault.ingest(self.in_dir)), 20)
        daemon = self.start(vault)
        delivery = vault.deliver()
        self.assertEqual((delivery["host"], int(delivery["port"]), delivery["fingerprint"]),
                         ("127.0.0.1", daemon.port, daemon.fingerprint))
        client = Client(self.folder, daemon.port, delivery)
        target = os.path.join(self.folder, "got")
        done = client.run("get -r . got")
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual(self.fetched(target), made)
        sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=target, capture_output=True, text=True)
        self.assertEqual(sums.returncode, 0, sums.stdout + sums.stderr)
        self.assertIn("deleted", open(os.path.join(target, "READ-ME-FIRST.txt")).read())
        self.until(lambda: set(vault.states().values()) == {"erased"}, 2, "not all are erased")
        self.assertEqual(self.objects(vault), [])
        self.assertEqual(self.rows(vault, "header") + self.rows(vault, "metadata"), 0)
        self.assertEqual(len(vault.must("list", "--state", "erased", "--json", identity=False).json()), 20)
        check = vault.check()
        self.assertEqual(check.code, 0, check.out + check.err)  # it looks whether each erased slot is empty

        time.sleep(2.5)  # the claim ends: all is delivered and the line is idle (1 s here)
        again = client.run("ls")
        self.assertNotEqual(again.code, 0, again.out)
        for recording in vault.states():
            got = vault.run("get", recording, "-o", os.path.join(self.folder, "again.wav"))
            self.assertEqual(got.code, 3, got.err)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "again.wav")))
        vault.must("audit", "verify", identity=False)
        self.assertEqual(daemon.stop(), 0)

    def test_a_copy_taken_before_the_erasure_stays_shut_without_the_slots(self):
        vault = self.new_vault()
        self.make_recordings(3)
        vault.ingest(self.in_dir)
        delivery = vault.deliver()
        ids = list(vault.states())
        backup = os.path.join(self.folder, "backup")
        shutil.copytree(vault.dir, backup, ignore=shutil.ignore_patterns("slots"))
        daemon = self.start(vault)
        Client(self.folder, daemon.port, delivery).run("get -r . got")
        self.until(lambda: set(vault.states().values()) == {"erased"}, 3, "not erased")
        time.sleep(2.5)
        daemon.stop()

        # The thief has everything from before, every identity and the password, and the store of slots as it is now.
        original = vault.dir
        shutil.copytree(os.path.join(vault.dir, "slots"), os.path.join(backup, "slots"))
        vault.dir = backup
        self.assertEqual(set(vault.states().values()), {"sealed"})
        for identity in (vault.identity, vault.recovery):
            vault.identity = identity
            for recording in ids:
                got = vault.run("get", recording, "-o", os.path.join(self.folder, "stolen.wav"))
                self.assertNotEqual(got.code, 0, got.out)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "stolen.wav")))
        vault.dir = backup
        daemon = self.start(vault)
        stolen = os.path.join(self.folder, "stolen")
        os.mkdir(stolen)
        Client(self.folder, daemon.port, delivery).run("get -r . stolen")
        self.assertEqual(self.fetched(stolen), {})
        daemon.stop()
        vault.dir = original

    def test_nothing_but_policy_columns_without_an_identity(self):
        vault = self.new_vault()
        made = self.make_recordings(2)
        vault.ingest(self.in_dir)
        listed = vault.must("list", "--json", identity=False).json()
        allowed = {"id", "class", "customer", "category", "started_at", "size", "state", "restricted", "quarantined"}
        for row in listed:
            self.assertLessEqual(set(row), allowed)
        texts = [vault.must("list", identity=False).out, vault.must("customer", "list", identity=False).out]
        texts += [vault.must("show", row["id"], identity=False).out for row in listed]
        texts += [vault.must("show", row["id"], "--json", identity=False).out for row in listed]
        texts += [vault.must("audit", "show", identity=False).out]
        for text in texts:
            for name in made:
                for secret in (name, name.split("-")[1], name.split("-")[2], "Acme Ltd"):
                    self.assertNotIn(secret, text)

    def objects(self, vault):
        return [f for _, _, files in os.walk(os.path.join(vault.dir, "objects")) for f in files]

    def rows(self, vault, table):
        with sqlite3.connect(f"file:{vault.dir}/catalog.db?mode=ro", uri=True) as db:
            return db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


class Cuts(EndToEnd):
    SIZE = 50_000_000

    def cut(self, second_command, **where):
        vault = self.new_vault()
        made = self.make_recordings(1, self.SIZE)
        (name, digest), = made.items()
        vault.ingest(self.in_dir)
        recording, = vault.states()
        delivery = vault.deliver()
        daemon = self.start(vault)
        proxy = Proxy(daemon.port, **where)
        self.addCleanup(proxy.close)
        first = Client(self.folder, proxy.port, delivery).run(f"get {name} got.wav")
        self.assertTrue(proxy.broken.wait(30), "the line was not cut: " + first.out)
        time.sleep(2)  # longer than the settling time of this vault
        self.assertEqual(vault.states(), {recording: "sealed"})
        got = os.path.join(self.folder, "got.wav")
        self.assertIn(f"{name}", Client(self.folder, daemon.port, delivery).run("ls").out)
        done = Client(self.folder, daemon.port, delivery).run(f"{second_command} {name} got.wav")
        self.assertEqual(sha256_or_none(got), digest, done.out)
        self.until(lambda: vault.states() == {recording: "erased"}, 5, "not erased after the second download")
        self.assertEqual(vault.check().code, 0)
        daemon.stop()

    def test_cut_at_0_percent_then_get(self):
        self.cut("get", cut_after=0)

    def test_cut_at_1_percent_then_reget(self):
        self.cut("reget", cut_after=self.SIZE // 100)

    def test_cut_at_50_percent_then_reget(self):
        self.cut("reget", cut_after=self.SIZE // 2)

    def test_cut_at_50_percent_then_get(self):
        self.cut("get", cut_after=self.SIZE // 2)

    def test_cut_at_99_percent_then_reget(self):
        self.cut("reget", cut_after=self.SIZE * 99 // 100)

    def test_cut_at_100_percent_before_close_then_get(self):
        self.cut("get", mute_after=self.SIZE)


def sha256_or_none(path):
    from harness import sha256
    return sha256(path) if os.path.exists(path) else None


if __name__ == "__main__":
    unittest.main()
