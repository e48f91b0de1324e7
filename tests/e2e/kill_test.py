"""kill -9 of keeper or session at random moments of a download: nothing undelivered is lost, nothing delivered comes back."""
import os
import random
import time
import unittest

from harness import Client, EndToEnd

ROUNDS = int(os.environ.get("CALLVAULT_E2E_ROUNDS", "50"))
FILES = 20


class Kill(EndToEnd):
    def test_kill_at_random(self):
        seed = int(os.environ.get("CALLVAULT_E2E_SEED", random.randrange(10**9)))
        print(f"seed {seed}, {ROUNDS} rounds")
        chance = random.Random(seed)
        vault = self.new_vault()
        daemon = self.start(vault)
        hit = {"keeper": 0, "session": 0, "nobody": 0}
        for round_number in range(ROUNDS):
            with self.subTest(round=round_number):
                daemon = self.one_round(vault, daemon, chance, round_number, hit)
        daemon.stop()
        print(f"killed: {hit}")
        self.assertGreater(hit["keeper"], 0)
        self.assertGreater(hit["session"], 0)

    def one_round(self, vault, daemon, chance, number, hit):
        made = self.make_recordings(FILES, 200_000, first=number * FILES)
        taken = vault.must("ingest", self.in_dir, "--customer", "acme", "--remove-source", "--json", identity=False).json()
        by_id = {r["id"]: r["name"] for r in taken}
        self.assertEqual(len(by_id), FILES)
        delivery = vault.deliver()
        targets = []

        def download(port):
            targets.append(os.path.join(self.folder, f"got-{number}-{len(targets)}"))
            os.mkdir(targets[-1])
            return Client(self.folder, port, delivery).start(["-get -r . " + targets[-1]], self.folder)

        process = download(daemon.port)
        victim = chance.choice(["keeper", "session"])
        time.sleep(chance.uniform(0.0, 0.45))
        sessions = daemon.sessions()
        if victim == "keeper":
            daemon.kill()
            hit["keeper"] += 1
        elif sessions:
            os.kill(chance.choice(sessions), 9)
            hit["session"] += 1
        else:
            hit["nobody"] += 1
        process.communicate(timeout=120)
        if victim == "keeper":
            daemon = self.start(vault)
            self.until(lambda: "erasing" not in vault.states().values(), 3, "an erasure was not finished at start")
        else:
            time.sleep(0.5)
        self.nothing_lost(vault, by_id, made, targets)

        # The claim goes on: what was not delivered is fetched now.
        process = download(daemon.port)
        process.communicate(timeout=120)
        self.until(lambda: self.all_erased(vault, by_id), 30, "the rest was not erased")
        self.nothing_lost(vault, by_id, made, targets)
        check = vault.check()
        self.assertEqual(check.code, 0, check.out + check.err)
        return daemon

    def all_erased(self, vault, by_id):
        states = vault.states()
        return {states[i] for i in by_id} == {"erased"}

    def nothing_lost(self, vault, by_id, made, targets):
        """Whatever is erased, the customer has whole."""
        have = {}
        for target in targets:
            for name, digest in self.fetched(target).items():
                if digest == made[name]:
                    have[name] = digest
        for recording, state in vault.states().items():
            if recording in by_id and state in ("erasing", "erased"):
                self.assertIn(by_id[recording], have, f"{recording} is {state}, but was never downloaded whole")


if __name__ == "__main__":
    unittest.main()
