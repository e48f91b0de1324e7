"""Recordings that are restricted while somebody downloads them, against the real daemon; and their release."""
import os
import time

import raw
from harness import Client, EndToEnd
from rules_test import WHOLE, OneRecording

SECONDS = 4  # a restriction ends a transfer within 2 s; the rest is for a loaded computer


class Slow(Client):
    """Fetches 250 kB/s."""

    def command(self, *options):
        return super().command("-l", "2000", *options)


class Restricted(EndToEnd):
    def setUp(self):
        super().setUp()
        self.vault = self.new_vault()
        self.made = self.make_recordings(2, 20_000_000)
        self.ids = {r["name"]: r["id"] for r in self.vault.ingest(self.in_dir)}
        self.name, self.other = sorted(self.made)
        self.id = self.ids[self.name]
        self.delivery = self.vault.deliver()
        self.daemon = self.start(self.vault)

    def log_in(self):
        client = raw.RawClient(Client(self.folder, self.daemon.port, self.delivery))
        self.addCleanup(client.die)
        return client

    def fetch(self, name):
        done = Client(self.folder, self.daemon.port, self.delivery).run(f"get {name} whole.wav")
        self.assertEqual(done.code, 0, done.out)
        os.rename(os.path.join(self.folder, "whole.wav"), os.path.join(self.in_dir, name))
        self.until(lambda: self.vault.states()[self.ids[name]] == "erased", 30, "not erased after its download")

    def test_a_running_download_is_cut_and_goes_on_after_the_release(self):
        got = os.path.join(self.folder, "slow.wav")
        process = Slow(self.folder, self.daemon.port, self.delivery).start([f"get {self.name} {got}"], self.folder)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        self.until(lambda: os.path.exists(got) and os.path.getsize(got) > 200_000, 30, "the download does not begin")
        said = self.vault.must("restrict", self.id, "--reason", "accuracy is contested").out
        began = time.time()
        self.until(lambda: not self.daemon.sessions(), SECONDS, "the download goes on")
        took = time.time() - began
        process.communicate(timeout=30)
        self.assertNotEqual(process.returncode, 0)
        self.assertLess(os.path.getsize(got), 20_000_000)
        self.assertIn(self.id, said)
        print(f"cut {took:.2f} s after the restriction")

        listed, = [r for r in self.vault.must("list", "--json").json() if r["id"] == self.id]
        self.assertEqual((listed["state"], listed["restricted"]), ("sealed", True))
        client = self.log_in()
        self.assertEqual(client.open(self.name), raw.PERMISSION_DENIED)
        self.assertEqual(client.remove(self.name), raw.PERMISSION_DENIED)
        self.fetch(self.other)
        self.assertEqual(self.vault.run("deliver", "acme", self.id).code, 8)
        self.vault.must("get", self.id, "-o", os.path.join(self.folder, "manager.wav"))
        self.assertEqual(self.vault.check().code, 0)
        self.daemon.kill()
        self.daemon = self.start(self.vault)
        self.assertEqual(self.log_in().open(self.name), raw.PERMISSION_DENIED)

        self.vault.must("release", self.id)
        self.fetch(self.name)
        self.assertEqual(self.fetched(self.in_dir), self.made)
        self.assertEqual(self.vault.check().code, 0)


class RestrictedLinger(OneRecording):
    LINGER = "60"

    def read(self, client):
        handle = client.open(self.name)
        self.assertIsInstance(handle, bytes, "it does not open")
        self.assertEqual(len(client.read_range(handle, 0, WHOLE)), WHOLE)
        return handle

    def expect_cut(self, client, handle):
        began = time.time()
        with self.assertRaises((ConnectionError, BrokenPipeError)):
            while time.time() < began + SECONDS:
                client.read(handle, 1000)
                time.sleep(0.05)

    def state(self):
        return self.vault.states()[self.recording]

    def test_a_lingering_recording_is_cut_from_its_reader_and_held_until_the_release(self):
        client = self.log_in()
        client.close(self.read(client))
        self.until(lambda: self.state() == "erasing", 10, "not delivered")
        handle = self.read(client)
        self.vault.must("restrict", self.recording)
        self.expect_cut(client, handle)
        client = self.log_in()
        self.assertEqual(client.open(self.name), raw.PERMISSION_DENIED)
        self.assertEqual(self.state(), "sealed")
        self.vault.must("release", self.recording)
        self.assertEqual(self.state(), "erasing")
        client.close(self.read(client))  # it lingers on
        self.vault.must("restrict", self.recording)
        self.assertEqual(client.remove(self.name), raw.OK)
        self.until(lambda: self.vault.state_of(self.delivery) == "finished", 30, "the claim does not end")
        self.stays()
        self.vault.must("release", self.recording)
        self.goes(0.1)

    def test_a_download_that_ends_in_the_moment_of_the_restriction_erases_nothing(self):
        client = self.log_in()
        handle = self.read(client)
        self.vault.must("restrict", self.recording)
        try:  # the daemon is free to be faster
            closed = client.close(handle) == raw.OK
        except (ConnectionError, BrokenPipeError):
            closed = False
        self.stays()
        show = self.vault.must("delivery", "show", self.delivery["delivery"], "--json").json()
        delivered = show["items"][0]["state"] == "delivered"
        self.assertTrue(delivered or not closed, "it was closed in order, and does not count")
        self.vault.must("release", self.recording)
        self.assertEqual(self.state(), "erasing" if delivered else "sealed")
        client = self.log_in()
        client.close(self.read(client))
        self.until(lambda: self.state() == "erasing", 10, "not delivered")
        self.assertEqual(client.remove(self.name), raw.OK)
        self.goes()
