"""Who is let in to a claim, how it ends, and what clients keep that come again after half a download or a whole one."""
import os
import time

import raw
from clients import PYTHON, Site, host_key_of, lftp, missing, python, rclone
from harness import Client, EndToEnd, sha256
from proxy import Proxy

ELSEWHERE = "127.1.0.1"  # another network than 127.0.0.1


class Doors(EndToEnd):
    def claim(self, *more):
        self.vault = self.new_vault(connections_burst=1000, connections_per_minute=6000)
        self.make_recordings(1)
        self.vault.ingest(self.in_dir)
        self.delivery = self.vault.deliver("acme", "--all", *more)
        self.daemon = self.start(self.vault)

    def client(self, port=None):
        return Client(self.folder, port or self.daemon.port, self.delivery)

    def connect(self):
        connected = raw.RawClient(self.client())
        self.addCleanup(connected.die)
        return connected

    def from_elsewhere(self):
        proxy = Proxy(self.daemon.port, rtt=0, source=ELSEWHERE)
        self.addCleanup(proxy.close)
        return self.client(proxy.port)

    def test_a_ninth_connection_waits_until_one_of_eight_ends(self):
        self.claim()
        eight = [self.connect() for _ in range(8)]
        self.assertIn("too many connections or tries, please wait", self.client().refusal() or "let in")
        self.assertEqual(eight[3].leave(), 0)
        self.until(lambda: self.client().refusal() is None, 30, "refused although only seven are connected")

    def test_a_strict_delivery_has_one_connection(self):
        self.claim("--strict")
        first = self.connect()
        self.assertIn("this password allows one connection only", self.client().refusal() or "let in")
        self.assertEqual(first.leave(), 0)
        self.until(lambda: self.client().refusal() is None, 30, "refused although nobody is connected")

    def test_another_address_is_refused(self):
        self.claim()
        self.assertIsNone(self.client().refusal())
        self.assertIn("this download was started from another address", self.from_elsewhere().refusal() or "let in")
        self.assertIsNone(self.client().refusal())
        self.assertEqual(self.vault.noted("login.refused"), [[self.delivery["delivery"], "other-address"]])

    def test_another_address_is_let_in_when_the_delivery_says_so(self):
        self.claim("--any-address")
        self.assertIsNone(self.client().refusal())
        self.assertIsNone(self.from_elsewhere().refusal())


class Ends(EndToEnd):
    """A claim that ends by the clock: what was not fetched stays, its password does not work any more."""

    def claim(self, **ends):
        self.vault = self.new_vault(**ends)
        self.names = list(self.make_recordings(2, 200_000))
        self.vault.ingest(self.in_dir)
        self.delivery = self.vault.deliver()
        self.daemon = self.start(self.vault)

    def connect(self):
        connected = raw.RawClient(Client(self.folder, self.daemon.port, self.delivery))
        self.addCleanup(connected.die)
        self.assertEqual(self.vault.state_of(self.delivery), "claimed")
        return connected

    def finishes(self):
        self.until(lambda: self.vault.state_of(self.delivery) == "finished", 30, "the claim goes on")
        refused = Client(self.folder, self.daemon.port, self.delivery).refusal()
        self.assertIn("password already used", refused or "let in")
        self.assertEqual(set(self.vault.states().values()), {"sealed"})
        self.assertEqual(self.vault.deliver()["recordings"], 2)

    def test_its_longest_time_cuts_off_who_is_connected(self):
        self.claim(longest="6s")
        client = self.connect()
        handle = client.open(self.names[0])
        self.assertEqual(len(client.read_range(handle, 0, 1000)), 1000)
        deadline = time.monotonic() + 60
        with self.assertRaises(ConnectionError, msg="the client goes on reading"):
            while time.monotonic() < deadline:
                client.read(handle, 1000)
                time.sleep(0.1)
        self.finishes()

    def test_deserted_it_ends_and_not_before(self):
        self.claim(unconnected="2s")
        client = self.connect()
        time.sleep(4)
        self.assertEqual(self.vault.state_of(self.delivery), "claimed", "ended although a client is connected")
        self.assertTrue(client.list())
        self.assertEqual(client.leave(), 0)
        self.finishes()

    def test_a_kill_of_the_daemon_does_not_make_it_deserted(self):
        self.claim(unconnected="6s")
        client = self.connect()
        handle = client.open(self.names[0])
        client.read_range(handle, 0, 200_044)
        self.assertEqual(client.close(handle), raw.OK)
        time.sleep(8)  # connected for longer than it may be deserted
        self.daemon.kill()
        client.die()
        self.daemon = self.start(self.vault)
        self.assertEqual(self.vault.state_of(self.delivery), "claimed", "ended although a client was connected")
        done = Client(self.folder, self.daemon.port, self.delivery).run(f"get {self.names[1]} rest.wav")
        self.assertEqual(done.code, 0, done.out)
        whole = sha256(os.path.join(self.in_dir, self.names[1]))
        self.assertEqual(sha256(os.path.join(self.folder, "rest.wav")), whole)
        self.until(lambda: set(self.vault.states().values()) == {"erased"}, 30, "not erased after the rest was fetched")


class Copies(EndToEnd):
    """The customer's copies survive what clients do by themselves."""

    def deliver(self, count, size, **claim):
        self.vault = self.new_vault(connections_burst=1000, connections_per_minute=6000, **claim)
        self.made = self.make_recordings(count, size)
        self.vault.ingest(self.in_dir)
        self.delivery = self.vault.deliver()
        self.daemon = self.start(self.vault)
        self.target = os.path.join(self.folder, "got")
        os.mkdir(self.target)

    def site(self, home):
        return Site(os.path.join(self.folder, home), self.daemon.port, self.delivery, host_key_of(self.vault))

    def need(self, *programs):
        if missing(*programs):
            self.skipTest(missing(*programs))

    def states(self):
        return set(self.vault.states().values())

    def interrupted_paramiko(self, how):
        self.need(PYTHON, "python:paramiko")
        self.deliver(1, 20_000_000)
        done = python(self.site("home"), list(self.made), self.target, "paramiko", how)
        self.assertEqual((done.code, done.out), (0, "stopped at half\n"))
        self.until(lambda: not self.daemon.sessions(), 30, "the session goes on")
        time.sleep(2.5)  # longer than every wait of this vault
        self.assertEqual(self.states(), {"sealed"})
        self.assertEqual(Client(self.folder, self.daemon.port, self.delivery).run("get *", cwd=self.target).code, 0)
        self.assertEqual(self.fetched(self.target), self.made)
        self.until(lambda: self.states() == {"erased"}, 30, "not erased after a whole download")

    def test_paramiko_get_that_its_user_stops_at_half_deletes_nothing(self):
        self.interrupted_paramiko("get to half")

    def test_paramiko_prefetch_that_is_closed_at_half_deletes_nothing(self):
        self.interrupted_paramiko("prefetch to half")

    def repeated(self, run):
        """`run(site)` mirrors the delivery into the target: three times, in the claim, again in it, and after it."""
        self.deliver(10, 20_000, idle_after_all="1h")
        done = run(self.site("first"))
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual(self.fetched(self.target), self.made)
        self.until(lambda: self.states() == {"erased"}, 30, "not erased after a whole download")
        self.assertEqual(self.vault.state_of(self.delivery), "claimed")
        second = run(self.site("second"))
        self.assertEqual(self.fetched(self.target), self.made, f"copies are lost within the claim: {second.out}")
        self.assertEqual(self.daemon.stop(), 0)
        self.vault.configure(idle_after_all="1s")
        self.daemon = self.start(self.vault)
        self.until(lambda: self.vault.state_of(self.delivery) == "finished", 30, "the claim does not end")
        third = run(self.site("third"))
        self.assertNotEqual(third.code, 0)
        self.assertEqual(self.fetched(self.target), self.made, f"copies are lost after the claim: {third.out}")

    def test_rclone_sync_again_keeps_every_copy(self):
        self.need("rclone")
        self.repeated(lambda site: rclone(site, self.target, "sync", "vault:/", self.target))

    def test_lftp_mirror_e_again_keeps_every_copy(self):
        self.need("lftp")
        self.repeated(lambda site: lftp(site, self.target, f"mirror -e / {self.target}"))
