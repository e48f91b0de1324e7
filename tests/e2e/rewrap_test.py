"""Recordings that are moved to new slots, since somebody left, under a running daemon; and moves that are killed."""
import os
import random
import shutil
import subprocess
import time

import raw
from harness import BIN, Client, EndToEnd
from restriction_test import Slow

ROUNDS = 3


class Moves(EndToEnd):
    def rewrap(self, what, *more):
        vault = self.vault
        return subprocess.Popen([os.path.join(BIN, "e2e_rewrap"), what, vault.dir, vault.identity, vault.passphrase, *more],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def done(self, process):
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, err)
        words = out.split()
        return dict(zip(words[::2], words[1::2]))

    def set_up(self, count, size):
        self.vault = self.new_vault()
        self.tech = os.path.join(self.folder, "tech.txt")
        self.made = self.make_recordings(count, size)
        self.ids = {r["name"]: r["id"] for r in self.vault.ingest(self.in_dir)}
        self.assertEqual(self.done(self.rewrap("join", self.tech))["added"], str(count))
        self.assertEqual(self.opened_by_tech(), count)

    def opened_by_tech(self, folder=None):
        out = subprocess.run([os.path.join(BIN, "e2e_rewrap"), "opens", folder or self.vault.dir, self.tech], check=True,
                             capture_output=True, text=True, timeout=120).stdout
        return int(out)

    def check(self):
        check = self.vault.check()
        self.assertEqual(check.code, 0, check.out + check.err)
        self.assertNotIn("still stands", check.out + check.err)

    def test_a_download_goes_on_while_its_recording_is_moved(self):
        self.set_up(2, 8_000_000)
        delivery = self.vault.deliver()
        daemon = self.start(self.vault)
        name = sorted(self.made)[0]
        got = os.path.join(self.folder, "slow.wav")
        process = Slow(self.folder, daemon.port, delivery).start([f"get {name} {got}"], self.folder)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        self.until(lambda: os.path.exists(got) and os.path.getsize(got) > 200_000, 30, "the download does not begin")
        self.assertEqual(self.done(self.rewrap("leave"))["moved"], "2")
        self.assertIsNone(process.poll(), "the download was over before the move")
        process.kill()  # in the middle, after the move: it goes on behind what it has, by a new OPEN
        process.communicate(timeout=30)
        cut = os.path.getsize(got)
        self.assertLess(cut, 8_000_000)
        target = os.path.join(self.folder, "got")
        os.mkdir(target)
        os.rename(got, os.path.join(target, name))
        client = Client(self.folder, daemon.port, delivery)
        done = client.run(f"reget {name} {target}/{name}", f"get {sorted(self.made)[1]} {target}")
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual(self.fetched(target), self.made)
        self.until(lambda: set(self.vault.states().values()) == {"erased"}, 30, "not erased after the download")
        self.assertEqual(self.opened_by_tech(), 0)
        self.check()

    def test_what_is_opened_after_a_move_opens(self):
        self.set_up(3, 100_000)
        delivery = self.vault.deliver()
        daemon = self.start(self.vault)
        client = raw.RawClient(Client(self.folder, daemon.port, delivery))
        self.addCleanup(client.die)
        first, second, third = sorted(self.made)
        size = os.path.getsize(os.path.join(self.in_dir, first))
        handle = client.open(first)
        self.assertEqual(len(client.read_range(handle, 0, 32768)), 32768)
        old = shutil.copytree(self.vault.dir, os.path.join(self.folder, "copy"))  # what a leaver takes along
        self.assertEqual(self.done(self.rewrap("leave"))["moved"], "3")
        self.assertEqual(len(client.read_range(handle, 32768, size)), size - 32768)
        self.assertEqual(client.close(handle), raw.OK)
        handle = client.open(second)  # by the same connection, from its new slot
        self.assertEqual(len(client.read_range(handle, 0, size)), size)
        self.assertEqual(client.close(handle), raw.OK)
        self.until(lambda: self.vault.states()[self.ids[second]] == "erased", 30, "not erased after its download")
        self.assertEqual(self.vault.states()[self.ids[third]], "sealed")
        self.check()
        # Rows of then, key-slot store of now.
        shutil.rmtree(os.path.join(old, "slots"))
        shutil.copytree(os.path.join(self.vault.dir, "slots"), os.path.join(old, "slots"))
        self.assertEqual(self.opened_by_tech(old), 0)

    def test_kill_at_random_and_again(self):
        seed = int(os.environ.get("CALLVAULT_E2E_SEED", random.randrange(10**9)))
        print(f"seed {seed}")
        chance = random.Random(seed)
        self.vault = self.new_vault()
        self.tech = os.path.join(self.folder, "tech.txt")
        subprocess.run([os.path.join(BIN, "e2e_rewrap"), "fill", self.vault.dir, "990"], check=True, timeout=120)
        self.made = self.make_recordings(10, 20_000)
        self.vault.ingest(self.in_dir)
        total = 1000
        self.assertEqual(self.done(self.rewrap("join", self.tech))["added"], str(total))
        daemon = self.start(self.vault)
        process = self.rewrap("leave")
        killed = 0
        while process.stderr.readline() and killed < ROUNDS:  # a batch is done
            time.sleep(chance.uniform(0, 0.3))
            if process.poll() is None:
                process.kill()
                killed += 1
            process.communicate()
            process = self.rewrap("again")
        process.communicate(timeout=120)
        print(f"killed {killed} times")
        self.assertGreater(killed, 0, "it was over before it could be killed")
        last = self.done(self.rewrap("again"))
        self.assertEqual((last["added"], last["moved"], last["skipped"]), ("0", "0", str(total)))
        self.assertEqual(self.opened_by_tech(), 0)
        self.check()
        ids = [r["id"] for r in self.vault.must("list", "--json").json() if r.get("name") in self.made]
        self.assertEqual(len(ids), 10)
        delivery = self.vault.deliver("acme", *ids)
        target = os.path.join(self.folder, "got")
        os.mkdir(target)
        self.assertEqual(Client(self.folder, daemon.port, delivery).run(f"get * {target}").code, 0)
        self.assertEqual(self.fetched(target), self.made)


if __name__ == "__main__":
    import unittest
    unittest.main()
