"""When a recording counts as downloaded (docs/delivery.md), packet by packet against the real daemon."""
import hashlib
import time

import harness
import raw
from harness import Client, EndToEnd

SIZE = 300_000  # of the sound; 44 bytes of header come before it
WHOLE = SIZE + 44


class OneRecording(EndToEnd):
    LINGER = "0"

    def setUp(self):
        super().setUp()
        self.vault = harness.Vault(self.folder)
        self.vault.must("customer", "add", "acme", "--name", "Acme Ltd", "--linger", self.LINGER)
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


class Rules(OneRecording):
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

    def test_remove_of_what_was_downloaded_is_fine_and_of_anything_else_refused(self):
        client = self.log_in()
        self.assertEqual(client.remove(self.name), raw.PERMISSION_DENIED)
        handle = client.open(self.name)
        client.read_range(handle, 0, WHOLE - 1)
        client.close(handle)
        self.assertEqual(client.remove(self.name), raw.PERMISSION_DENIED)
        handle = client.open(self.name)
        client.read_range(handle, 0, WHOLE)
        client.close(handle)
        self.assertEqual(client.open(self.name), raw.NO_SUCH_FILE)
        self.assertEqual(client.remove(self.name), raw.OK)
        self.goes()

    def test_remove_ends_the_wait_of_rule_c(self):
        self.vault.configure(settle="1h")
        self.daemon.stop()
        self.daemon = self.start(self.vault)
        client = self.log_in()
        first, second = client.open(self.name), client.open(self.name)
        client.read_range(first, 0, 200_000)
        client.read_range(second, 150_000, WHOLE)
        client.close(first)
        self.assertEqual(client.remove(self.name), raw.PERMISSION_DENIED)
        client.close(second)
        self.stays()
        self.assertEqual(client.remove(self.name), raw.OK)
        self.goes()

    def test_a_whole_read_beside_a_fresh_connection_waits_for_its_open(self):
        self.vault.configure(settle="1h")
        self.daemon.stop()
        self.daemon = self.start(self.vault)
        first, second = self.log_in(), self.log_in()
        handle = first.open(self.name)
        first.read_range(handle, 0, WHOLE)  # of which it keeps the first chunk
        first.close(handle)
        handle = second.open(self.name)
        self.assertIsInstance(handle, bytes, "the second chunk does not open")
        second.read_range(handle, 200_000, WHOLE - 1)
        second.die()
        self.vault.configure(settle="1s")
        self.daemon.stop()
        self.daemon = self.start(self.vault)
        self.stays()

    def test_a_whole_read_beside_a_fresh_connection_counts_when_nothing_comes(self):
        client, _ = self.log_in(), self.log_in()
        handle = client.open(self.name)
        client.read_range(handle, 0, WHOLE)
        client.close(handle)
        self.goes()


class Linger(OneRecording):
    LINGER = "1"  # minute

    def download(self, client):
        handle = client.open(self.name)
        self.assertIsInstance(handle, bytes, "it does not open")
        got = client.read_range(handle, 0, WHOLE)
        self.assertEqual(client.close(handle), raw.OK)
        self.assertEqual(hashlib.sha256(got).hexdigest(), self.digest)

    def lingers(self):
        self.until(lambda: self.vault.states() == {self.recording: "erasing"}, 10, "not delivered")

    def test_the_same_claim_fetches_again_until_it_removes_the_file(self):
        client = self.log_in()
        self.download(client)
        self.lingers()
        self.daemon.kill()
        self.daemon = self.start(self.vault)
        client = self.log_in()
        self.download(client)
        self.assertEqual(self.vault.states(), {self.recording: "erasing"})
        self.assertNotEqual(self.vault.run("deliver", "acme", self.recording).code, 0)
        self.assertNotEqual(self.vault.run("get", self.recording, "-o", self.folder + "/out.wav").code, 0)
        self.assertEqual(self.vault.check().code, 0)
        self.assertEqual(client.remove(self.name), raw.OK)
        self.assertEqual(client.open(self.name), raw.NO_SUCH_FILE)
        self.goes()

    def test_it_ends_with_its_delivery(self):
        self.download(self.log_in())
        self.lingers()
        self.vault.must("delivery", "revoke", self.delivery["delivery"])
        self.goes()

    def test_it_ends_with_its_time_also_under_a_reader(self):
        client = self.log_in()
        self.download(client)
        handle = client.open(self.name)
        self.assertEqual(len(client.read_range(handle, 0, 1000)), 1000)
        self.lingers()
        self.goes(90)
        with self.assertRaises((ConnectionError, BrokenPipeError)):
            for _ in range(100):
                client.read(handle, 1000)
                time.sleep(0.1)
        self.until(lambda: self.vault.must("delivery", "show", self.delivery["delivery"], "--json").json()["state"]
                   == "finished", 30, "the claim goes on")
