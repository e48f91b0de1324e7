"""kill -9 of callvault watch at random moments, while files go in: none is lost, none is there twice.

CALLVAULT_E2E_FILES, CALLVAULT_E2E_SIZE and CALLVAULT_E2E_SEED make it larger, or the same again.
"""
import collections
import os
import random
import time
import unittest

from harness import recording_name, sha256, write_wav
from watched import Watched

FILES = int(os.environ.get("CALLVAULT_E2E_FILES", "300"))
SIZE = int(os.environ.get("CALLVAULT_E2E_SIZE", "30000"))
KILLS = 20


class WatchKill(Watched):
    def test_kill_at_random(self):
        seed = int(os.environ.get("CALLVAULT_E2E_SEED", random.randrange(10**9)))
        print(f"seed {seed}, {FILES} files of {SIZE} bytes, {KILLS} kills")
        chance = random.Random(seed)
        vault = self.new_vault(quiet="0s")
        made = self.make_recordings(FILES // 2, SIZE)
        found = []
        for kill in range(KILLS):
            # Some are there before it starts, some come while it works.
            more = self.make_recordings((FILES - len(made)) // (KILLS - kill), SIZE, first=len(made))
            made.update(more)
            watcher = self.watch(vault, ready=False)
            # At a random place of its work: as many files gone, and a little later.
            left = len(self.left())
            goal = left - chance.randint(0, max(1, left // (KILLS - kill)))
            deadline = time.monotonic() + 60
            while len(self.left()) > goal and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(chance.choice([0, 0.001, 0.004, 0.016, 0.05]) * chance.random())
            found.append("starting" if "watching" not in watcher.log() else "working")
            watcher.stop(9)
        watcher = self.watch(vault)
        self.until(lambda: not self.left(), 600, "files are left")
        self.assertEqual(watcher.stop(), 0)
        print(f"killed: {dict(collections.Counter(found))}")
        self.assertEqual(len(made), FILES // 2 + FILES - FILES // 2)
        self.assertEqual(self.contents(vault), sorted(made.values()))
        check = vault.check()
        self.assertEqual(check.code, 0, check.out + check.err)
        self.assertEqual(vault.run("verify").code, 0)


if __name__ == "__main__":
    unittest.main()
