"""The daemon and bad input: damaged objects, a second daemon, a used port, a full disk, revoked deliveries, SIGTERM."""
import os
import shutil
import socket
import subprocess
import time
import unittest

from harness import BIN, Client, EndToEnd, sha256, write_wav


class DaemonCase(EndToEnd):
    def object_of(self, vault, recording):
        return os.path.join(vault.dir, "objects", recording[2:4], recording)

    def test_no_flipped_bit_of_an_object_reaches_a_client(self):
        vault = self.new_vault()
        (name, _), = self.make_recordings(1, 200_000).items()
        plain = open(os.path.join(self.in_dir, name), "rb").read()
        vault.ingest(self.in_dir)
        recording, = vault.states()
        delivery = vault.deliver()
        daemon = self.start(vault)
        client = Client(self.folder, daemon.port, delivery)
        path = self.object_of(vault, recording)
        good = open(path, "rb").read()
        chunk = 65536 + 16
        for place in (0, 15, 16, 40_000, 16 + chunk - 1, 16 + chunk, 16 + 2 * chunk + 7, len(good) - 17, len(good) - 1):
            with self.subTest(place=place):
                bad = bytearray(good)
                bad[place] ^= 0x10
                os.chmod(path, 0o600)
                open(path, "wb").write(bad)
                got = os.path.join(self.folder, f"got-{place}")
                client.run(f"get {name} {got}")
                self.assertTrue(not os.path.exists(got) or plain.startswith(open(got, "rb").read()), "a wrong byte left")
                self.assertFalse(os.path.exists(got) and os.path.getsize(got) == len(plain))
                self.assertEqual(vault.run("verify", identity=False).code, 6)
        open(path, "wb").write(good)
        self.assertEqual(vault.states(), {recording: "sealed"}, "a damaged recording was counted as delivered")
        self.assertEqual(client.run(f"get {name} whole.wav").code, 0)
        self.assertEqual(sha256(os.path.join(self.folder, "whole.wav")), sha256(os.path.join(self.in_dir, name)))
        self.assertEqual(vault.noted("recording.damaged"), [[recording, delivery["delivery"]]], "nobody tells the operator")
        daemon.stop()

    def test_a_truncated_object_is_refused_when_it_is_opened(self):
        vault = self.new_vault()
        (name, _), = self.make_recordings(1, 200_000).items()
        vault.ingest(self.in_dir)
        recording, = vault.states()
        delivery = vault.deliver()
        daemon = self.start(vault)
        client = Client(self.folder, daemon.port, delivery)
        path = self.object_of(vault, recording)
        good = open(path, "rb").read()
        for size in (0, 1, 16, 16 + 65552, 16 + 65553, len(good) - 1):
            open(path, "wb").write(good[:size])
            done = client.run(f"get {name} cut.wav")
            self.assertFalse(os.path.exists(os.path.join(self.folder, "cut.wav")) and
                             os.path.getsize(os.path.join(self.folder, "cut.wav")), done.out)
        open(path, "wb").write(good + b"x")
        client.run(f"get {name} cut.wav")
        self.assertEqual(vault.states(), {recording: "sealed"})
        check = vault.check()
        self.assertEqual(check.code, 6)
        self.assertIn(recording, check.out + check.err)
        self.assertEqual(vault.noted("recording.damaged"), [[recording, delivery["delivery"]]], "nobody tells the operator")
        daemon.stop()

    def test_a_second_daemon_and_a_used_port(self):
        vault = self.new_vault()
        daemon = self.start(vault)
        second = subprocess.run([os.path.join(BIN, "callvaultd"), "--vault", vault.dir, "--listen", "127.0.0.1:0"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        self.assertEqual((second.returncode, second.stdout), (7, ""))
        self.assertIn("another callvaultd", second.stderr)
        self.assertEqual(daemon.stop(), 0)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            third = subprocess.run([os.path.join(BIN, "callvaultd"), "--vault", vault.dir, "--listen", f"127.0.0.1:{port}"],
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        self.assertEqual((third.returncode, third.stdout), (7, ""))
        self.assertIn(str(port), third.stderr)
        missing = subprocess.run([os.path.join(BIN, "callvaultd"), "--vault", self.folder, "--listen", "127.0.0.1:0"],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        self.assertEqual(missing.returncode, 3)

    def test_a_damaged_store_roster_or_configuration_stops_the_daemon_with_its_code(self):
        vault = self.new_vault()
        for name, code, harm in (
                ("slots/root.key", 6, lambda b: b[:8] + b"x" * (len(b) - 8)),
                ("recipients.note", 6, lambda b: b.replace(b"it-manager", b"it-managed", 1)),
                ("service.key", 6, lambda b: b[:31]),
                ("trust.toml", 6, lambda b: b.replace(b"service", b"servant")),
                ("callvault.toml", 2, lambda b: b + b"\n[claim2]\n"),
                ("catalog.db", 6, lambda b: b"no database at all" + b[18:])):
            with self.subTest(file=name):
                path = os.path.join(vault.dir, name)
                good = open(path, "rb").read()
                open(path, "wb").write(harm(good))
                done = subprocess.run([os.path.join(BIN, "callvaultd"), "--vault", vault.dir, "--listen", "127.0.0.1:0"],
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
                self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
                self.assertEqual(vault.run("list", identity=False).code, code)
                open(path, "wb").write(good)
        self.assertEqual(vault.check().code, 0)

    def test_sigterm_ends_within_ten_seconds_and_counts_nothing(self):
        vault = self.new_vault()
        (name, _), = self.make_recordings(1, 50_000_000).items()
        vault.ingest(self.in_dir)
        recording, = vault.states()
        delivery = vault.deliver()
        daemon = self.start(vault)
        slow = Client(self.folder, daemon.port, delivery)
        process = slow.start([f"get {name} slow.wav"], self.folder)
        self.until(daemon.sessions, 5, "no session")
        time.sleep(0.1)
        began = time.time()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.time() - began, 10)
        process.communicate(timeout=30)
        if vault.states() == {recording: "erased"}:
            self.assertEqual(sha256(os.path.join(self.folder, "slow.wav")), sha256(os.path.join(self.in_dir, name)))
        else:
            self.assertEqual(vault.states(), {recording: "sealed"})
        self.assertFalse(os.path.exists(os.path.join(vault.dir, "run", "address")))
        self.assertEqual(vault.check().code, 0)

    def test_a_revoked_delivery_is_cut_off_within_two_seconds(self):
        vault = self.new_vault()
        names = list(self.make_recordings(2, 100_000))
        vault.ingest(self.in_dir)
        delivery = vault.deliver()
        daemon = self.start(vault)
        client = Client(self.folder, daemon.port, delivery)
        self.assertEqual(client.run(f"get {names[0]}").code, 0)
        idle = client.start(["!sleep 20", "ls"], self.folder)
        self.until(daemon.sessions, 5, "no session")
        vault.must("delivery", "revoke", delivery["delivery"])
        self.until(lambda: not daemon.sessions(), 2, "the session goes on after the revocation")
        idle.kill()
        idle.communicate()
        self.assertNotEqual(client.run("ls").code, 0)
        self.assertEqual(sorted(vault.states().values()), ["erased", "sealed"])
        again = vault.deliver()
        self.assertEqual(again["recordings"], 1)
        daemon.stop()

    def test_a_full_disk_during_ingest_leaves_the_source_and_nothing_half_done(self):
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "callvault-test", small], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", small], check=False)
        vault = self.new_vault()
        shutil.move(os.path.join(vault.dir, "objects"), os.path.join(small, "objects"))
        os.symlink(os.path.join(small, "objects"), os.path.join(vault.dir, "objects"))
        made = self.make_recordings(4, 2_500_000)
        done = vault.run("ingest", self.in_dir, "--customer", "acme", "--remove-source", "--json", identity=False)
        self.assertEqual(done.code, 1, done.err)
        rows = done.json()
        failed = [r for r in rows if r["error"]]
        self.assertEqual(len(rows), 4)
        self.assertGreaterEqual(len(failed), 1)
        for row in failed:
            self.assertTrue(os.path.exists(os.path.join(self.in_dir, row["name"])), "a source is lost")
        self.assertEqual(set(os.listdir(self.in_dir)), {r["name"] for r in failed})
        self.assertEqual(set(vault.states().values()), {"sealed"})
        self.assertEqual(len(vault.states()), 4 - len(failed))
        self.assertEqual(vault.check().code, 0, vault.check().out)
        self.assertEqual(len(made), 4)

    def test_writes_and_shells_are_refused(self):
        vault = self.new_vault()
        (name, _), = self.make_recordings(1).items()
        vault.ingest(self.in_dir)
        delivery = vault.deliver()
        daemon = self.start(vault)
        write_wav(os.path.join(self.folder, "mine.wav"), b"\0" * 1000)
        client = Client(self.folder, daemon.port, delivery)
        for command in ("put mine.wav", f"rm {name}", f"rename {name} other.wav", "mkdir sub", f"chmod 777 {name}",
                        f"ln -s {name} link", "get ../../etc/passwd", "get /etc/passwd", "cd .."):
            done = client.run(command, "ls")
            self.assertIn(name, done.out, command)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "passwd")))
        self.assertEqual(set(vault.states().values()), {"sealed"})
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
