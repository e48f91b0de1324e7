"""Lines that are cut at random under every installed client: it tries again until it has the file, and nothing is lost.

CALLVAULT_E2E_CUTS is the number of cuts, CALLVAULT_E2E_SEED repeats a run; CALLVAULT_E2E_CLIENTS="sshfs gio" takes these
clients alone.
"""
import collections
import os
import random
import threading
import time

from clients import CASES, Site, curl, host_key_of, lftp, psftp, sftp
from harness import EndToEnd, sha256
from proxy import Proxy

CUTS = int(os.environ.get("CALLVAULT_E2E_CUTS", 10))
CLIENTS = os.environ.get("CALLVAULT_E2E_CLIENTS", "").split()
SEED = int(os.environ.get("CALLVAULT_E2E_SEED", random.randrange(10**6)))
SIZE = 1_500_000
ON_THE_LINE = SIZE + 3000  # with the log-in, at least
TRIES = 6

# How a client goes on after a cut when it can; the others begin again. Each gets the one name as a list.
RESUMES = {
    "sftp get": lambda site, names, target: sftp(site, target, f"reget {names[0]}"),
    "psftp get": lambda site, names, target: psftp(site, target, f"reget {names[0]}"),
    "curl": lambda site, names, target: curl(site, names, target, "-C", "-"),
    "lftp get": lambda site, names, target: lftp(site, target, f"get -c {names[0]}"),
    "lftp mirror": lambda site, names, target: lftp(site, target, f"mirror -c / {target}"),
}


class Watched(Proxy):
    """Sees whether a client that comes back by itself (lftp, rclone: within a second) is beside its dead connection."""

    def __init__(self, daemon, cut_after):
        self.daemon, self.returned, self.beside_the_dead = daemon, threading.Lock(), None
        super().__init__(daemon.port, cut_after=cut_after)

    def _connect(self, client):
        with self.returned:  # the first one after the cut has no session yet: whatever session there is is a dead one
            if self.broken.is_set() and self.beside_the_dead is None:
                self.beside_the_dead = bool(self.daemon.sessions())
        super()._connect(client)


class ClientCuts(EndToEnd):
    def test_random_cuts_lose_nothing_and_leave_nothing(self):
        installed = [c for c in CASES if c.missing() is None and "move" not in c.how and "Remove" not in c.how
                     and c.client in (CLIENTS or [c.client])]
        self.assertGreater(len(installed), 0)
        print(f"CALLVAULT_E2E_SEED={SEED}")
        chance = random.Random(SEED)
        chance.shuffle(installed)
        self.vault = self.new_vault(connections_burst=1000, connections_per_minute=6000)
        self.vault.configure(settle="3s", without_close="4s")  # longer than any client takes to come back
        self.key = host_key_of(self.vault)
        made = self.make_recordings(CUTS, SIZE)
        recordings = [(r["id"], name) for name in made for r in self.vault.ingest(os.path.join(self.in_dir, name))]
        self.assertEqual(len(recordings), CUTS)
        self.daemon = self.start(self.vault)
        figures = collections.defaultdict(collections.Counter)
        for n, (recording, name) in enumerate(recordings):
            case = installed[n % len(installed)]
            at = chance.choice((chance.randrange(ON_THE_LINE), chance.randrange(SIZE * 9 // 10, ON_THE_LINE)))
            resumes = case.how in RESUMES and chance.random() < 0.5
            result = self.one_cut(f"cut-{n}", case, recording, name, made[name], at, resumes)
            print(f"{case.how}{', then resumed' if resumes else ''}: cut at {at} of {SIZE}: {result}")
            figures[case.client][result] += 1
        total = collections.Counter()
        for client, counts in sorted(figures.items()):
            print(self.summary(client, counts))
            total += counts
        print(self.summary("all", total))
        self.assertEqual((total["lost"], total["left"]), (0, 0))
        self.assertEqual(self.vault.check().code, 0)

    def summary(self, client, counts):
        again = f", fetched once more: {counts['fetched once more']}"
        return f"{client}: cuts: {sum(counts.values())}, lost: {counts['lost']}, left: {counts['left']}{again}"

    def one_cut(self, folder, case, recording, name, digest, at, resumes):
        """One recording, one delivery, one cut; what came of it."""
        delivery = self.vault.deliver("acme", recording)
        proxy = Watched(self.daemon, at)
        self.addCleanup(proxy.close)
        target = os.path.join(self.folder, folder)
        os.mkdir(target)
        for attempt in range(TRIES):
            site = Site(os.path.join(self.folder, f"{folder}-home-{attempt}"), proxy.port, delivery, self.key)
            run = RESUMES[case.how] if attempt and resumes else case.run
            done = run(site, [name], target)
            if self.has(target, name, digest):
                break
            # Beside a dead connection that is not noticed yet a resume proves nothing (docs/delivery.md, What it costs).
            self.until(lambda: not self.daemon.sessions(), 60, "the session of a cut line goes on")
        self.assertTrue(proxy.broken.is_set(), f"{case.how}: the line was not cut at {at}: {done.out}")
        # Not after an error, though it has all: it does not know that, and may have closed nothing. Nor in chunks, nor
        # when it went on beside the dead connection: that cannot be told from the next chunk.
        sure = done.code == 0 and not case.chunks and not proxy.beside_the_dead
        if not self.has(target, name, digest):
            print(f"{self.vault.states()[recording]}: {done.out}")
            return "lost"
        if self.erased(recording, 30 if sure else 8):
            return "complete"
        if sure:
            return "left"
        # What is still there can be fetched once more.
        again = os.path.join(target, "again")
        os.mkdir(again)
        site = Site(os.path.join(self.folder, f"{folder}-again"), proxy.port, delivery, self.key)
        sftp(site, again, f"get {name}")
        if not self.erased(recording, 30):
            return "left"
        return "fetched once more" if self.fetched(again) in ({}, {name: digest}) else "lost"

    def has(self, target, name, digest):
        return any(name in names and sha256(os.path.join(at, name)) == digest for at, _, names in os.walk(target))

    def erased(self, recording, seconds):
        deadline = time.monotonic() + seconds
        while self.vault.states()[recording] != "erased":
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True
