"""Attacks on the daemon before and after the log-in: half-open connections, other customers' names, one password
in two places at one instant, and the fingerprint that the network shows. Real daemon, real clients, raw sockets."""
import contextlib
import os
import socket
import subprocess
import threading
import time
import unittest

from harness import Client, EndToEnd, sha256

GRACE_S = 6
ROUNDS = int(os.environ.get("CALLVAULT_E2E_CLAIM_ROUNDS", "5"))


class HalfOpen:
    """Connections that send the client's greeting a byte a second, each from one of `sources`."""

    def __init__(self, port, count, sources):
        self.port, self.over = port, threading.Event()
        self.lived = []  # seconds from connect to the server's end of it
        self.threads = [threading.Thread(target=self._one, args=(sources[n % len(sources)],)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def _one(self, source):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 10, (source, 0)) as s:
            began = time.monotonic()
            s.settimeout(1)
            text = b"SSH-2.0-" + b"x" * 200
            for n in range(len(text)):
                if self.over.is_set():
                    return
                try:
                    s.send(text[n:n + 1])
                    while s.recv(4096):
                        pass
                except socket.timeout:
                    continue
                except OSError:
                    pass
                self.lived.append(time.monotonic() - began)
                return

    def wait(self, seconds):
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
        left = sum(t.is_alive() for t in self.threads)
        self.over.set()
        for thread in self.threads:
            thread.join()
        return left


class Attack(EndToEnd):
    def served(self, grace=30):
        """A vault with one delivery to acme, the name of its file, and a daemon."""
        vault = self.new_vault()
        vault.configure(login_grace=f"{grace}s")
        name, = self.make_recordings(1)
        vault.ingest(self.in_dir)
        return vault, name, vault.deliver(), self.start(vault)

    def events(self, vault):
        return [e["event"] for e in vault.must("audit", "show", "--limit", "1000000", "--json").json()]

    def half_open(self, sources):
        vault, name, delivery, daemon = self.served(GRACE_S)
        slow = HalfOpen(daemon.port, 100, sources)
        self.until(daemon.sessions, 10, "no half-open connection was taken")
        client = Client(self.folder, daemon.port, delivery)
        got = client.run(f"get {name} got.wav")
        self.assertEqual(got.code, 0, got.out)
        self.assertEqual(sha256(os.path.join(self.folder, "got.wav")), sha256(os.path.join(self.in_dir, name)))
        self.assertEqual(slow.wait(60), 0, "a half-open connection outlives the grace time")
        self.assertTrue(any(lived >= GRACE_S - 1 for lived in slow.lived), "none came to its grace time")
        self.until(lambda: not daemon.sessions(), 20, "sessions are left")
        self.assertEqual(daemon.stop(), 0)

    def test_a_hundred_half_open_connections_from_twenty_addresses(self):
        self.half_open([f"127.0.{n}.2" for n in range(1, 21)])

    def test_nobody_sees_another_customers_recordings(self):
        vault, name, _, daemon = self.served()
        vault.must("customer", "add", "globex", "--name", "Globex Ltd")
        theirs, = self.make_recordings(1, first=7)
        vault.ingest(os.path.join(self.in_dir, theirs), "globex")
        globex = vault.deliver("globex")
        acme_id, = (r["id"] for r in vault.must("list", "--json", identity=False).json() if r["customer"] == "acme")
        client = Client(self.folder, daemon.port, globex)
        listed = client.run("ls -1").out
        self.assertIn(theirs, listed)
        self.assertNotIn(name, listed)
        for path in (name, "/" + name, "../" + name, "../acme/" + name, acme_id, f"objects/{acme_id[2:4]}/{acme_id}"):
            asked = client.run(f"get {path} stolen")
            self.assertIn("not found", asked.out, path)
            self.assertFalse(os.path.exists(os.path.join(self.folder, "stolen")), path)
        self.assertEqual(vault.states()[acme_id], "sealed")
        # The password of one account under the name of another.
        swapped = Client(self.folder, daemon.port, {"account": "acme", "password": globex["password"]})
        self.assertEqual(swapped.run("ls").code, 255)
        self.assertEqual(daemon.stop(), 0)

    def test_a_password_in_two_places_at_one_instant_opens_one_claim(self):
        vault, name, delivery, daemon = self.served()
        for n in range(ROUNDS):
            clients = [Client(self.folder, daemon.port, delivery).start(["ls"], self.folder) for _ in range(2)]
            for client in clients:
                out, _ = client.communicate(timeout=60)
                self.assertEqual(client.returncode, 0, out)
            self.assertEqual(self.events(vault).count("delivery.claimed"), n + 1)
            self.assertEqual(self.events(vault).count("delivery.joined"), n + 1)
            vault.must("delivery", "revoke", delivery["delivery"])
            self.until(lambda: not daemon.sessions(), 10, "sessions are left")
            delivery = vault.deliver()
        self.assertEqual(vault.states().popitem()[1], "sealed")
        self.assertEqual(daemon.stop(), 0)

    def test_the_fingerprint_is_the_one_that_the_network_shows(self):
        vault, _, _, daemon = self.served()
        scan = subprocess.run(["ssh-keyscan", "-p", str(daemon.port), "127.0.0.1"], capture_output=True, timeout=60)
        shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=scan.stdout, capture_output=True, timeout=60)
        self.assertEqual([line.split()[1].decode() for line in shown.stdout.splitlines()], [daemon.fingerprint])
        config = os.path.join(vault.dir, "callvault.toml")
        with open(config) as f:
            text = f.read()
        self.assertIn("public_host = ''", text)
        with open(config, "w") as f:
            f.write(text.replace("public_host = ''", "public_host = 'vault.example.net'"))
        shown = vault.must("hostkey", "--json", identity=False).json()
        self.assertEqual(shown["fingerprint"], daemon.fingerprint)
        public = os.path.join(self.folder, "host.pub")
        with open(public, "w") as f:
            f.write(shown["public_key"] + "\n")
        records = subprocess.run(["ssh-keygen", "-r", "vault.example.net", "-f", public], capture_output=True, text=True)
        self.assertIn(shown["sshfp"], records.stdout.splitlines())
        self.assertIn(shown["sshfp"], vault.must("hostkey", identity=False).out.splitlines())
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main()
