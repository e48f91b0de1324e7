"""The client matrix: every real client gets every recording exactly once, then it is gone and the log-in is refused."""
import math
import os
import time

from clients import CASES, Site, host_key_of
from harness import Client, EndToEnd, sha256
from offers import ETM, PLAIN, offer
from proxy import Proxy

RTT_MS = float(os.environ.get("CALLVAULT_E2E_RTT", 0))
SMALL, MIDDLE, LARGE = (20, 8_000), (3, 240_000), (1, int(os.environ.get("CALLVAULT_E2E_LARGE", 20_000_000)))
READS_ON_A_FAR_LINE = 500  # of a client that waits for each answer; at 200 ms they take 100 s
MOST_FETCHED_AGAIN = 3  # of 24: clients cut files over 1 MB into chunks, that is one, and a busy computer may add some
NOTICES = ("READ-ME-FIRST.txt", "SHA256SUMS")


class Matrix(EndToEnd):
    """One vault and one daemon for all cases of a client; a delivery of its own for each."""

    def fetched(self, folder):
        """Wherever in the folder the client put it."""
        found = {}
        for at, _, names in os.walk(folder):
            found.update({n: sha256(os.path.join(at, n)) for n in names if n not in NOTICES})
        return found

    def run_client(self, name):
        self.run_cases([c for c in CASES if c.client == name], (SMALL, MIDDLE, LARGE), RTT_MS)

    def run_cases(self, cases, data, rtt_ms):
        self.assertGreater(len(cases), 0)
        # The end of the claim ends connections too; on a far line a client needs some time to take leave of eight.
        vault = self.new_vault(connections_burst=1000, connections_per_minute=6000,
                               idle_after_all=f"{max(1, math.ceil(rtt_ms * 25 / 1000))}s")
        daemon = self.start(vault)
        key = host_key_of(vault)
        for case in cases:
            with self.subTest(case=case.how):
                missing = case.missing()
                if missing:
                    self.skipTest(f"{case.how}: {missing}")
                self.one_case(vault, daemon, key, case, data, rtt_ms)
        self.assertEqual(vault.check().code, 0)
        self.assertEqual(daemon.stop(), 0)
        with open(os.path.join(self.folder, "daemon.log")) as log:
            said = log.read()
            self.assertNotIn("crashed with signal", said)
            self.assertNotIn("what its fence forbids", said)

    def one_case(self, vault, daemon, key, case, data, rtt_ms):
        began = time.monotonic()
        spool = self.in_dir = os.path.join(self.folder, "spool", case.test_name)
        os.makedirs(spool)
        made = {}
        for count, size in data:
            if rtt_ms and case.one_read:
                size = min(size, case.one_read * READS_ON_A_FAR_LINE)
            made.update(self.make_recordings(count, size, first=len(made)))
        ids = [r["id"] for r in vault.ingest(spool)]
        self.assertEqual(len(ids), len(made))
        delivery = vault.deliver("acme", *ids)
        port = daemon.port
        if rtt_ms:
            proxy = Proxy(daemon.port, rtt=rtt_ms / 1000)
            self.addCleanup(proxy.close)
            port = proxy.port
        site = Site(os.path.join(self.folder, "home-" + case.test_name), port, delivery, key)
        target = os.path.join(self.folder, "got-" + case.test_name)
        os.mkdir(target)
        done = case.run(site, list(made), target)
        self.assertEqual(done.code, 0, done.out)
        if rtt_ms:
            self.check_macs(proxy.begun)
        self.assertEqual(self.fetched(target), made)
        again = self.fetch_again(vault, daemon, delivery, ids, made) if case.chunks else 0
        self.until(lambda: self.left(vault, ids) == 0, 30, f"after {case.how} not all is erased")
        self.until(lambda: vault.state_of(delivery) == "finished", 30, "the claim does not end")
        refused = Client(self.folder, daemon.port, delivery).refusal()
        self.assertIn("password already used", refused or "the log-in was accepted")
        print(f"{case.how}: {len(made)} recordings once, {time.monotonic() - began:.1f} s"
              + (f", {again} of them proved nothing and were fetched once more" if again else ""))

    def check_macs(self, begun):
        """Plain SHA-2 is offered to those who need it, and to nobody of whom we know that they do not."""
        self.assertGreater(len(begun), 0)
        for up, down in begun:
            name, mine = offer(up)
            theirs = offer(down)[1]
            for way in ("mac_up", "mac_down"):
                knows_etm = bool(ETM & set(mine[way]))
                self.assertEqual(set(theirs[way]), ETM if knows_etm else ETM | PLAIN, f"to {name}, which says {mine[way]}")

    def left(self, vault, ids):
        states = vault.states()
        return sum(states[i] != "erased" for i in ids)

    def fetch_again(self, vault, daemon, delivery, ids, made):
        """Chunks can prove too little (docs/delivery.md, What it costs): what is still there must be there whole."""
        deadline = time.monotonic() + 8
        while (left := self.left(vault, ids)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLessEqual(left, MOST_FETCHED_AGAIN, f"so many of {len(made)} proved nothing")
        if left:
            folder = os.path.join(self.folder, "again-" + delivery["delivery"])
            os.mkdir(folder)
            Client(self.folder, daemon.port, delivery).run(*[f"get {n}" for n in made], cwd=folder)
            again = self.fetched(folder)
            self.assertGreaterEqual(len(again), 1)
            self.assertEqual(again, {n: made[n] for n in again})
        return left


class Clients(Matrix):
    """A test for each client, made below."""


for _client in sorted({c.client for c in CASES}):
    def _test(self, client=_client):
        self.run_client(client)
    setattr(Clients, "test_" + _client.replace("-", "_"), _test)


class Far(Matrix):
    def test_each_client_once_at_60_ms(self):
        first = {}
        for case in CASES:
            first.setdefault(case.client, case)
        self.run_cases(list(first.values()), ((2, 8_000), (1, 240_000)), 60)
