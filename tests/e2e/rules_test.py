"""When a recording counts as downloaded (docs/delivery.md), packet by packet against the real daemon."""
import time

import raw
from harness import Client, EndToEnd

SIZE = 300_000  # of the sound; 44 bytes of header come before it
WHOLE = SIZE + 44


class Rules(EndToEnd):
    def setUp(self):
        super().setUp()
        self.vault = self.new_vault()
        made = self.make_recordings(1, SIZE)
        (self.name, self.digest), = made.items()
        self.vault.ingest(self.in_dir)
        self.recording, = self.vault.states()
        self.delivery = self.vault.deliver()
        self.daemon = self.start(self.vault)

    def log_in(self):
        client = raw.RawClient(Client(self.folder, self.daemon.port, self.delivery))
        self.addCleanup(client.die)
        return client

    def stays(self):
        time.sleep(2.5)  # longer than every wait of this vault
        self.assertEqual(self.vault.states(), {self.recording: "sealed"})

    def goes(self, seconds=30):
        self.until(lambda: self.vault.states() == {self.recording: "erased"}, seconds, "not erased")
        self.assertEqual(self.vault.check().code, 0)

    def test_rule_b_without_close(self):
        client = self.log_in()
        handle = client.open(self.name)
        self.assertEqual(len(client.read_range(handle, 0, WHOLE)), WHOLE)
        self.assertEqual(client.read(handle, WHOLE), b"")
        self.assertEqual(client.leave(), 0)
        self.goes()

    def test_no_rule_b_without_eof(self):
        client = self.log_in()
        handle = client.open(self.name)
        client.read_range(handle, 0, WHOLE)
        client.leave()
        self.stays()

    def test_no_rule_b_when_the_client_dies(self):
        client = self.log_in()
        handle = client.open(self.name)
        client.read_range(handle, 0, WHOLE)
        client.read(handle, WHOLE)
        client.die()
        self.stays()

    def test_a_resume_that_ends_without_close(self):
        client = self.log_in()
        handle = client.open(self.name)
        client.read_range(handle, 0, 200_000)
        client.die()
        client = self.log_in()
        handle = client.open(self.name)
        client.read_range(handle, 190_000, WHOLE)
        client.read(handle, WHOLE)
        client.leave()
        self.goes()

    def test_a_restart_of_the_daemon_begins_the_wait_of_rule_b_anew(self):
        self.vault.configure(without_close="1h")
        self.daemon.stop()
        self.daemon = self.start(self.vault)
        client = self.log_in()
        handle = client.open(self.name)
        client.read_range(handle, 0, WHOLE)
        client.read(handle, WHOLE)
        client.leave()
        self.stays()
        self.daemon.kill()
        self.vault.configure(without_close="1s")
        self.daemon = self.start(self.vault)
        self.goes()
