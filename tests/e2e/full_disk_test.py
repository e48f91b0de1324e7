"""A full local disk under every client: what it says, and what becomes of the recording (docs/clients.md has the table).

The disk is a tmpfs of 64 KB, for which the test must be root.
"""
import ctypes
import os
import subprocess
import time

from clients import CASES, Site, host_key_of
from harness import EndToEnd, Finished, sha256

SIZE = 240_000
CLONE_NEWNS = 0x20000
PATIENCE = 10  # seconds; lftp waits until there is room
# What does not depend on time: ERASED had asked for all of it and took it, or wrote nothing before they had it all; KEPT
# ask for the next part when one is written, or wait. For all others it counts whether all was sent when they gave up.
ERASED = {"sftp get", "sftp get -p", "sftp get -r", "scp -s", "scp -s -r", "psftp get", "psftp mget -r",
          "paramiko prefetch", "paramiko read"}
KEPT = {"ssh2 stream", "ssh2-sftp-client get", "ssh2-sftp-client downloadDir", "gio copy",
        "lftp get", "lftp mirror", "lftp mirror --Remove-source-files"}


class FullDisk(EndToEnd):
    """A test for each client, made below."""

    def run_client(self, client):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a disk of 64 KB")
        # Mounts that nobody else sees, and that are gone with this process, however it ends.
        if ctypes.CDLL(None).unshare(CLONE_NEWNS):
            self.skipTest("a disk of 64 KB cannot be mounted: no mount namespace")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        self.vault = self.new_vault(connections_burst=1000, connections_per_minute=6000)
        self.vault.must("customer", "add", "patient", "--name", "Patient Ltd", "--linger", "10")
        self.key = host_key_of(self.vault)
        self.daemon = self.start(self.vault)
        self.made = 0
        cases = [c for c in CASES if c.client == client and not c.chunks]
        self.assertGreater(len(cases), 0)
        for case in cases:
            with self.subTest(case=case.how):
                missing = case.missing()
                if missing:
                    self.skipTest(f"{case.how}: {missing}")
                self.without_linger(case)
                self.with_linger(case)
        self.assertEqual(self.vault.check().code, 0)

    def without_linger(self, case):
        recording, name, digest, delivery = self.one_recording("acme")
        done = self.fetch_to_full_disk(case, name, digest, delivery)
        self.until(lambda: not self.daemon.sessions(), 60, "a session goes on")
        state = self.state_after_a_while(case.how, recording)
        print(f"{case.how}: exit {done.code}, {state}: {last_words(done.out)}")
        if case.how in ERASED:
            self.assertEqual(state, "erased")
        if case.how in KEPT:
            self.assertEqual(state, "sealed")

    def with_linger(self, case):
        _, name, digest, delivery = self.one_recording("patient")
        self.fetch_to_full_disk(case, name, digest, delivery)
        target = os.path.join(self.folder, f"good-{case.test_name}")
        os.mkdir(target)
        done = case.run(self.site(delivery), [name], target)
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual(self.found(target, name), digest)

    def one_recording(self, customer):
        """A recording in a delivery of its own: (its id, its name, what it should be, the delivery)."""
        self.in_dir = os.path.join(self.folder, f"spool-{self.made}")
        os.mkdir(self.in_dir)
        (name, digest), = self.make_recordings(1, SIZE, first=self.made).items()
        self.made += 1
        recording = self.vault.ingest(self.in_dir, customer)[0]["id"]
        return recording, name, digest, self.vault.deliver(customer, recording)

    def site(self, delivery):
        self.made += 1
        return Site(os.path.join(self.folder, f"home-{self.made}"), self.daemon.port, delivery, self.key)

    def fetch_to_full_disk(self, case, name, digest, delivery):
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "callvault-e2e", disk], capture_output=True)
        if mounted.returncode:
            os.rmdir(disk)
            self.skipTest(f"a disk of 64 KB cannot be mounted: {mounted.stderr.decode().strip()}")
        site = self.site(delivery)
        if case.client == "lftp":
            site.timeout = PATIENCE
        try:
            done = case.run(site, [name], disk)
            self.assertNotEqual(self.found(disk, name), digest)
            return done
        except subprocess.TimeoutExpired:
            return Finished(None, "waits until there is room", "")
        finally:
            subprocess.run(["umount", "-l", disk], check=True)
            os.rmdir(disk)

    def found(self, folder, name):
        """The digest of the file, wherever in the folder the client put it."""
        return next((sha256(os.path.join(at, name)) for at, _, names in os.walk(folder) if name in names), None)

    def state_after_a_while(self, how, recording):
        """Longer than every wait of this vault, or as soon as it is erased."""
        deadline = time.monotonic() + (30 if how in ERASED else 4)
        while (state := self.vault.states()[recording]) != "erased" and time.monotonic() < deadline:
            time.sleep(0.1)
        return state


def last_words(text):
    return " | ".join([line for line in text.splitlines() if line.strip()][-3:])


for _client in sorted({c.client for c in CASES}):
    def _test(self, client=_client):
        self.run_client(client)
    setattr(FullDisk, "test_" + _client.replace("-", "_"), _test)
