"""Deliveries that collect what comes in, and standing log-ins, against the real daemon: nobody unlocks anything while
recordings come in and are fetched.
"""
import os
import subprocess
import time

import raw
from clients import host_key_of
from harness import BIN, Client, EndToEnd, recording_name, sha256, write_wav
from uploaders import RecorderSite

NOTICES = {"READ-ME-FIRST.txt", "SHA256SUMS"}


class Growing(EndToEnd):
    def setUp(self):
        super().setUp()
        self.vault = self.new_vault()
        self.made = {}
        self.daemon = self.start(self.vault)

    def take_in(self, n, size=20_000, category=None, name=None):
        """One recording comes in, without an identity; its name."""
        name = name or recording_name(n)
        path = os.path.join(self.in_dir, name)
        write_wav(path, os.urandom(size // 2 * 2))
        self.made[name] = sha256(path)
        more = ["--category", category] if category else []
        got = self.vault.must("ingest", path, "--customer", "acme", "--remove-source", "--json", *more, identity=False).json()
        self.assertIsNone(got[0]["error"])
        return name

    def client(self, delivery):
        return Client(self.folder, self.daemon.port, delivery)

    def log_in(self, delivery):
        client = raw.RawClient(self.client(delivery))
        self.addCleanup(client.die)
        return client

    def fetch(self, delivery):
        """{name: sha256} of all that is fetched with OpenSSH's sftp."""
        into = os.path.join(self.folder, f"got-{delivery.get('delivery') or delivery['standing']}-{time.monotonic_ns()}")
        os.mkdir(into)
        done = self.client(delivery).run("get -r .", cwd=into)
        self.assertEqual(done.code, 0, done.out)
        return self.fetched(into)


class Collecting(Growing):
    def collect(self, *more):
        return self.vault.must("deliver", "acme", "--collect", *more, "--json").json()

    def test_what_comes_in_is_fetched_password_by_password(self):
        first, second = self.collect("--count", "2")
        self.assertIn("not valid yet", self.client(first).refusal() or "")
        early = {self.take_in(n) for n in range(3)}
        self.assertIn("not valid yet", self.client(second).refusal() or "")
        client = self.log_in(first)
        self.assertEqual(set(client.list()) - NOTICES, early)
        late = self.take_in(3)
        self.assertEqual(set(client.list()) - NOTICES, early)  # it was claimed
        self.assertIn("not valid yet", self.client(second).refusal() or "")
        client.leave()
        got = self.fetch(first)
        self.assertEqual(got, {name: self.made[name] for name in early})
        self.until(lambda: self.vault.state_of(first) == "finished", 30, "the claim does not end")
        self.assertEqual(self.fetch(second), {late: self.made[late]})
        self.until(lambda: set(self.vault.states().values()) == {"erased"}, 30, "not everything is erased")
        self.assertEqual(self.vault.check().code, 0, self.vault.check().out)

    def test_equal_names_are_told_apart_in_the_same_way_at_each_log_in(self):
        delivery, = self.collect()
        sums = [self.made[self.take_in(0, 1000 + 2 * n, name="msg0001.wav")] for n in range(3)]
        expected = {"msg0001.wav", "msg0001 (2).wav", "msg0001 (3).wav"}
        for _ in range(2):
            client = self.log_in(delivery)
            self.assertEqual(set(client.list()) - NOTICES, expected)
            client.leave()
        got = self.fetch(delivery)
        self.assertEqual([got["msg0001.wav"], got["msg0001 (2).wav"], got["msg0001 (3).wav"]], sums)

    def test_claims_in_the_middle_of_an_ingest_lose_nothing(self):
        deliveries = self.collect("--count", "4")
        names = [self.take_in(0)]
        got = {}
        for n, delivery in enumerate(deliveries):
            paths = []
            for i in range(1, 11):
                name = recording_name(100 * n + i)
                write_wav(os.path.join(self.in_dir, name), os.urandom(20_000))
                self.made[name] = sha256(os.path.join(self.in_dir, name))
                paths.append(name)
            names += paths
            ingest = self.begin_ingest()
            self.until(lambda: ingest.poll() is not None or len(self.vault.states()) > len(names) - 10, 30, "no ingest")
            got.update(self.fetch(delivery))
            self.assertEqual(ingest.wait(timeout=60), 0)
            if n + 1 < len(deliveries):
                self.until(lambda: self.vault.state_of(delivery) == "finished", 30, "the claim does not end")
        states = self.vault.states()
        self.assertEqual(len(states), len(names))
        self.assertEqual({name: self.made[name] for name in got}, got)
        self.until(lambda: list(self.vault.states().values()).count("erased") == len(got), 30, "erasures are missing")
        print(f"{len(got)} of {len(names)} were fetched, the rest came behind the last claim")
        self.assertEqual(self.vault.check().code, 0)

    def begin_ingest(self):
        process = subprocess.Popen([os.path.join(BIN, "callvault"), "--vault", self.vault.dir, "ingest", self.in_dir,
                                    "--customer", "acme", "--remove-source"], stdout=subprocess.DEVNULL)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process


class StandingLogIn(Growing):
    def setUp(self):
        super().setUp()
        self.take_in(0, category="message")
        self.take_in(1, category="inbound")
        self.standing, = self.vault.must("standing", "add", "acme", "--category", "message", "--json").json()

    def shown(self, n, number):
        return f"{number:05d}-{recording_name(n)}"

    def test_new_recordings_show_in_an_open_connection_and_are_read_again_and_again(self):
        client = self.log_in(self.standing)
        other = self.log_in(self.standing)
        first, second = self.shown(0, 1), self.shown(2, 2)
        self.assertEqual(set(client.list()) - NOTICES, {first})
        sums = client.open("SHA256SUMS")
        self.take_in(2, category="message")
        self.take_in(3, category="inbound")
        self.until(lambda: set(client.list()) - NOTICES == {first, second}, 10, "the new one does not show")
        size = client.list()[second]
        for _ in range(2):
            handle = client.open(second)
            self.assertEqual(len(client.read_range(handle, 0, size)), size)
            self.assertEqual(client.read(handle, size), b"")
            self.assertEqual(client.close(handle), raw.OK)
        self.assertNotIn(second.encode(), client.read(sums, 0, 10_000))  # as it was when it was opened
        again = client.open("SHA256SUMS")
        self.assertIn(second.encode(), client.read(again, 0, 10_000))
        self.until(lambda: set(other.list()) - NOTICES == {first, second}, 10, "the other connection does not see it")
        for c in (client, other):
            c.leave()
        for _ in range(2):
            got = self.fetch(self.standing)
            self.assertEqual(got, {first: self.made[recording_name(0)], second: self.made[recording_name(2)]})
        self.assertEqual(set(self.vault.states().values()), {"sealed"})
        self.assertEqual(self.vault.check().code, 0)

    def test_revoked_it_is_cut_within_two_seconds(self):
        client = self.log_in(self.standing)
        self.assertEqual(set(client.list()) - NOTICES, {self.shown(0, 1)})
        self.vault.must("standing", "revoke", self.standing["standing"])
        self.until(lambda: not self.daemon.sessions(), 4, "the connection goes on")
        self.assertIn("revoked", self.client(self.standing).refusal() or "")
        listed, = self.vault.must("standing", "list", "--json", identity=False).json()
        self.assertEqual((listed["state"], listed["recordings"]), ("revoked", 1))

    def test_it_ends_with_its_customer(self):
        client = self.log_in(self.standing)
        client.list()
        self.vault.must("customer", "close", "acme")
        self.until(lambda: not self.daemon.sessions(), 4, "the connection goes on")
        self.assertIn("revoked", self.client(self.standing).refusal() or "")
        self.assertEqual(self.vault.check().code, 0)

    def test_what_a_recorder_uploads_shows_in_an_open_connection(self):
        key = os.path.join(self.folder, "pbx.key")
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", key], check=True)
        self.vault.must("recorder", "add", "pbx", "--ssh-key", key + ".pub", "--customer", "acme", "--category", "message")
        client = self.log_in(self.standing)
        self.assertEqual(len(set(client.list()) - NOTICES), 1)
        site = RecorderSite(os.path.join(self.folder, "pbx"), self.daemon.port, "pbx", key, self.daemon.fingerprint,
                            host_key_of(self.vault))
        write_wav(os.path.join(self.in_dir, "up.wav"), os.urandom(20_000))
        done = site.run(["sftp", "-q", "-b", "-", *site.ssh_options, "-P", str(site.port), "pbx@127.0.0.1"], self.in_dir,
                        "put up.wav\n")
        self.assertEqual(done.code, 0, done.out)
        self.until(lambda: "00002-up.wav" in client.list(), 20, "what was uploaded does not show")

    def test_what_is_delivered_meanwhile_is_gone_from_it(self):
        self.take_in(2, category="message")
        delivery = self.vault.deliver()
        self.fetch(delivery)
        self.until(lambda: set(self.vault.states().values()) == {"erased"}, 30, "not erased")
        self.assertEqual(set(self.log_in(self.standing).list()) - NOTICES, set())
        self.take_in(4, category="message")
        client = self.log_in(self.standing)
        # The keeper looks at what other processes changed twice a second.
        self.until(lambda: set(client.list()) - NOTICES == {self.shown(4, 3)}, 20, "what came in does not show")
