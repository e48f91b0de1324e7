"""A daemon under attack: one delivery, a raw SSH client, and the proof that the next honest client is served."""
import os

from harness import Client, EndToEnd, sha256
from raw_ssh import Ended, Ssh


class Attacked(EndToEnd):
    def serve(self, count=1, size=20_000, **config):
        # A failure's delay is measured elsewhere (sftp_session_tests); here it would only take time.
        self.vault = self.new_vault(**{"login_failure": "0s", "connections_per_minute": 100000,
                                       "connections_burst": 100000, **config})
        self.made = self.make_recordings(count, size)
        self.name = next(iter(self.made))
        self.vault.ingest(self.in_dir)
        self.delivery = self.vault.deliver()
        self.daemon = self.start(self.vault)

    def ssh(self, **how):
        client = Ssh(self.daemon.port, **how)
        self.addCleanup(client.close)
        return client

    def at_log_in(self, **how):
        client = self.ssh(**how)
        client.service()
        return client

    def logged_in(self, **how):
        client = self.at_log_in(**how)
        self.assertTrue(client.try_password(self.delivery["account"], self.delivery["password"]))
        return client

    def opens(self, client):
        """Whether the server gives a channel to this client; an attacker must get none."""
        try:
            return client.open_channel() is not None
        except (Ended, TimeoutError):
            return False

    def check_others_are_served(self):
        """Nothing is lost, nobody crashed, and the customer gets its recordings."""
        self.assertEqual(set(self.vault.states().values()), {"sealed"}, "an attack erased something")
        client = Client(self.folder, self.daemon.port, self.delivery)
        got = client.run(*(f"get {name} got-{name}" for name in self.made))
        self.assertEqual(got.code, 0, got.out)
        for name, digest in self.made.items():
            self.assertEqual(sha256(os.path.join(self.folder, "got-" + name)), digest)
        self.until(lambda: list(self.vault.states().values()).count("erased") == len(self.made), 30,
                   "what was fetched is not erased")
        self.assertEqual(self.daemon.stop(), 0)
        with open(self.daemon.log.name, errors="replace") as f:
            log = f.read()
        for bad in ("crashed", "fence, and", "no message", "out of order", "does not count"):
            self.assertNotIn(bad, log)
