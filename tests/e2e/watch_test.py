"""callvault watch, the spool: files come in when they are finished, are removed when they are safe, and none is lost."""
import os
import queue
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

from harness import BIN, recording_name, sha256, write_wav
from service_test import Manager
from watched import Watched

HERE = os.path.dirname(os.path.abspath(__file__))
UNIT = os.path.join(HERE, "..", "..", "packaging", "callvault-watch@.service")


class Watch(Watched):
    def test_what_is_there_and_what_comes_is_taken_in_and_removed(self):
        vault = self.new_vault()
        made = self.make_recordings(3)
        watcher = self.watch(vault)
        made.update(self.make_recordings(2, first=3))
        deep = os.path.join(self.in_dir, "2026", "11", "25")
        os.makedirs(deep)
        write_wav(os.path.join(deep, recording_name(9)), os.urandom(5000))
        made[recording_name(9)] = sha256(os.path.join(deep, recording_name(9)))
        told = [watcher.next() for _ in made]
        self.assertEqual({t["name"]: t["sha256"] for t in told}, made)
        self.assertEqual({t["error"] for t in told}, {None})
        self.assertEqual(self.left(), [])
        self.assertEqual(self.contents(vault), sorted(made.values()))
        # It goes on with another owner of the same signal that the kernel sends for a lease.
        watcher.process.send_signal(signal.SIGIO)
        self.make_recordings(1, first=20)
        self.assertEqual(watcher.next()["name"], recording_name(20))
        self.assertEqual(watcher.stop(), 0)
        self.assertEqual(set(vault.states().values()), {"sealed"})
        self.assertEqual(vault.check().code, 0)

    def test_an_open_file_a_growing_one_and_temporary_names_wait(self):
        vault = self.new_vault()
        watcher = self.watch(vault)
        held = os.path.join(self.in_dir, "held.wav")
        write_wav(held, b"\1\2" * 4000)
        growing = os.path.join(self.in_dir, "growing.gsm")
        with open(held, "ab"), open(growing, "wb") as out:
            for name in ("a.wav.part", "b.wav.filepart", "c.wav.tmp", ".d.wav"):
                write_wav(os.path.join(self.in_dir, name), os.urandom(4000))
            for _ in range(8):  # longer than the quiet time, in all
                out.write(b"\3" * 33)
                out.flush()
                time.sleep(0.4)
            self.assertTrue(watcher.lines.empty())
        os.rename(os.path.join(self.in_dir, "a.wav.part"), os.path.join(self.in_dir, "a.wav"))
        told = {t["name"]: t for t in (watcher.next() for _ in range(3))}
        self.assertEqual(set(told), {"held.wav", "growing.gsm", "a.wav"})
        self.assertEqual(told["growing.gsm"]["size"], 8 * 33)
        self.assertEqual(self.left(), [".d.wav", "b.wav.filepart", "c.wav.tmp"])
        self.assertEqual(watcher.stop(), 0)

    def test_a_voicemail_and_its_later_side_file(self):
        vault = self.new_vault()
        watcher = self.watch(vault)
        inbox = os.path.join(self.in_dir, "default", "1001", "INBOX")
        os.makedirs(inbox)
        write_wav(os.path.join(inbox, "msg0000.wav"), os.urandom(4000))
        time.sleep(1.5)
        text = os.path.join(inbox, "msg0000.txt")
        with open(text, "w") as out:
            out.write('[message]\norigmailbox=1001\ncallerid="J" <01632960007>\norigtime=1793523600\nduration=4\n')
        told = watcher.next()
        self.assertEqual((told["name"], told["error"]), ("msg0000.wav", None))
        self.assertEqual(self.left(), [])
        shown = vault.must("show", told["id"], "--json").json()
        self.assertEqual(shown["started_at"], "2026-11-01T09:00:00Z")
        self.assertEqual(shown["category"], "message")
        self.assertEqual(watcher.stop(), 0)

    def test_quarantined_and_unreadable_files_are_told_once_and_stay(self):
        vault = self.new_vault()
        write_wav(os.path.join(self.in_dir, "empty.wav"), b"")
        os.symlink("/nowhere", os.path.join(self.in_dir, "link.wav"))
        watcher = self.watch(vault)
        told = {t["name"]: t for t in (watcher.next(), watcher.next())}
        self.assertTrue(told["empty.wav"]["quarantined"])
        self.assertIsNotNone(told["link.wav"]["error"])
        self.assertIsNone(told["link.wav"]["id"])
        with self.assertRaises(queue.Empty):  # more than two scans
            watcher.next(5)
        self.assertEqual(self.left(), ["empty.wav", "link.wav"])
        self.assertEqual(watcher.log().count("quarantined"), 1)
        self.assertEqual(watcher.stop(), 0)
        # Taken in once: after a restart it is a duplicate.
        watcher = self.watch(vault)
        again = {t["name"]: t for t in (watcher.next(), watcher.next())}
        self.assertEqual(again["empty.wav"]["id"], told["empty.wav"]["id"])
        self.assertEqual(len(vault.states()), 1)
        self.assertEqual(watcher.stop(), 0)

    def test_beside_another_watch_and_an_ingest_nothing_is_there_twice(self):
        vault = self.new_vault()
        made = self.make_recordings(400, 3000)
        watchers = [self.watch(vault), self.watch(vault, log="watch-2.log")]
        done = vault.run("ingest", self.in_dir, "--customer", "acme", "--remove-source", "--json", identity=False)
        self.assertIn(done.code, (0, 1, 3), done.err)  # files that another one was faster to take
        self.until(lambda: not self.left(), 60, "files are left")
        self.assertEqual(self.contents(vault), sorted(made.values()))
        for watcher in watchers:
            self.assertEqual(watcher.stop(), 0)
            self.assertNotIn("warning", watcher.log())
        self.assertEqual(vault.check().code, 0)

    def test_a_full_disk_and_a_busy_catalogue_are_waited_for(self):
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "callvault-test", small], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=False)
        vault = self.new_vault()
        shutil.move(os.path.join(vault.dir, "objects"), os.path.join(small, "objects"))
        os.symlink(os.path.join(small, "objects"), os.path.join(vault.dir, "objects"))
        made = self.make_recordings(4, 2_500_000)
        watcher = self.watch(vault)
        self.until(lambda: "No space left" in watcher.log(), 60, "the full disk is not told")
        self.assertLessEqual(watcher.log().count("warning"), 1)
        told = {t["name"] for t in self.told_so_far(watcher)}
        self.assertEqual((told | set(self.left()), told & set(self.left())), (set(made), set()))
        subprocess.run(["mount", "-o", "remount,size=60m", small], check=True)
        self.until(lambda: not self.left(), 60, "files are left")
        self.until(lambda: "note: the vault takes recordings in again" in watcher.log(), 30, "it does not say that it is over")
        self.assertEqual(self.contents(vault), sorted(made.values()))
        # Somebody writes to the catalogue for a while.
        with sqlite3.connect(os.path.join(vault.dir, "catalog.db"), isolation_level=None) as db:
            db.execute("BEGIN IMMEDIATE")
            made.update(self.make_recordings(2, first=50))
            time.sleep(3)
            self.assertEqual(len(self.left()), 2)
            db.execute("ROLLBACK")
        self.until(lambda: not self.left(), 60, "files are left")
        self.assertEqual(watcher.stop(), 0)
        self.assertEqual(self.contents(vault), sorted(made.values()))
        self.assertEqual(vault.check().code, 0)

    def told_so_far(self, watcher):
        told = []
        while not watcher.lines.empty():
            told.append(watcher.next())
        return told

    def test_new_settings_count_and_a_closed_customer_waits(self):
        vault = self.new_vault(quiet="1h")
        watcher = self.watch(vault)
        first, = self.make_recordings(1)
        with self.assertRaises(queue.Empty):
            watcher.next(2)
        vault.configure(quiet="1s")
        write_wav(os.path.join(self.in_dir, first), os.urandom(1000))  # changes, and so waits by the new settings
        self.assertEqual(watcher.next()["name"], first)
        vault.must("customer", "close", "acme")
        made = self.make_recordings(2, first=1)
        self.until(lambda: "customer acme is closed" in watcher.log(), 30, "it says nothing")
        self.assertEqual(set(self.left()), set(made))
        self.assertIsNone(watcher.process.poll())
        self.assertEqual(watcher.stop(), 0)

    def test_wrong_command_lines_change_nothing(self):
        vault = self.new_vault()
        file, = self.make_recordings(1)
        watch = lambda *words: vault.run("watch", *words, identity=False)
        for words, code, said in (
                ([self.in_dir], 2, "--customer ID or --own"),
                ([self.in_dir, "--own", "--customer", "acme"], 2, "excludes"),
                (["--own"], 2, "DIR"),
                ([self.in_dir, "--customer", "nobody"], 3, "customer nobody"),
                ([self.in_dir, "--own", "--category", "A b"], 2, "a category is"),
                ([self.in_dir + "/missing", "--own"], 3, "there is no folder"),
                ([os.path.join(self.in_dir, file), "--own"], 3, "there is no folder"),
                ([vault.dir, "--own"], 2, "may not lie in each other"),
                ([self.folder, "--own"], 2, "may not lie in each other"),
                ([os.path.join(vault.dir, "run"), "--own"], 2, "may not lie in each other"),
                ([self.in_dir, self.in_dir, "--own"], 2, "lies in another")):
            done = watch(*words)
            self.assertEqual((done.code, done.out), (code, ""), f"{words}: {done.err}")
            self.assertIn(said, done.err)
        self.assertEqual(self.left(), [file])
        self.assertEqual(vault.states(), {})

    def test_names_stand_on_stdout_only(self):
        vault = self.new_vault()
        names = ["in-02079460123-07700900456-secret.wav", "07700900456\x1b[31m\n.txt"]
        write_wav(os.path.join(self.in_dir, names[0]), b"")
        with open(os.path.join(self.in_dir, names[1]), "w") as out:
            out.write("hello")
        command = [os.path.join(BIN, "callvault"), "--vault", vault.dir, "watch", self.in_dir, "--customer", "acme"]
        with open(os.path.join(self.folder, "out"), "wb") as out, open(os.path.join(self.folder, "err"), "wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        read = lambda name: open(os.path.join(self.folder, name), "rb").read()
        self.until(lambda: read("err").count(b"quarantined") == 2, 30, "the files are not taken in")
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        self.assertNotIn(b"07700900456", read("err"))
        self.assertNotIn(b"\x1b", read("out") + read("err"))
        self.assertEqual(read("out").count(b"\n"), 2)
        self.assertIn(rb"07700900456\x1b[31m\n.txt", read("out"))

    def test_it_tells_a_service_manager_that_it_watches(self):
        vault = self.new_vault()
        address = os.path.join(self.folder, "notify")
        manager = Manager(address)
        self.addCleanup(manager.socket.close)
        watcher = self.watch(vault, NOTIFY_SOCKET=address)
        self.assertEqual(manager.hear(), ("READY=1", watcher.process.pid))
        self.assertEqual(watcher.stop(), 0)
        self.assertEqual(manager.hear()[0], "STOPPING=1")
        with self.assertRaises(socket.timeout):
            manager.hear(0.1)

    def test_the_unit_is_well_formed(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze (systemd) is not installed")
        with open(UNIT) as f:
            text = f.read()
        program = os.path.abspath(os.path.join(BIN, "callvault"))
        self.assertIn("ExecStart=/usr/bin/callvault watch ", text)
        unit = os.path.join(self.folder, "callvault-watch@acme.service")
        for harm, expected in (("", True), ("Tpye=notify\n", False)):
            with open(unit, "w") as f:
                f.write(text.replace("ExecStart=/usr/bin/callvault", harm + "ExecStart=" + program))
            done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=120)
            ours = [line for line in done.stderr.splitlines() if "callvault-watch" in line]
            self.assertEqual(ours == [], expected, done.stderr)


if __name__ == "__main__":
    unittest.main()
