"""Floods: wrong passwords by the thousand, connections over the limits. The customer gets in, and memory stays flat."""
import contextlib
import os
import socket
import threading
import time
import unittest

from attack_sftp_test import MIB, resident
from attacked import Attacked
from raw_ssh import Ended, Ssh

TRIES = int(os.environ.get("CALLVAULT_E2E_TRIES", "1000"))
WRONG = "00000-00000-00000-00000-00000"


class Guesser(threading.Thread):
    """Tries wrong passwords from one address until `stop`, on one connection after the other."""

    def __init__(self, port, source, account, count):
        super().__init__()
        self.port, self.source, self.account, self.left, self.let_in = port, source, account, count, False

    def run(self):
        while self.left > 0:
            with contextlib.suppress(Ended, OSError):
                ssh = Ssh(self.port, self.source)
                try:
                    ssh.service()
                    while self.left > 0:
                        self.left -= 1
                        self.let_in |= ssh.try_password(self.account, WRONG)
                finally:
                    ssh.close()


class Flood(Attacked):
    def test_wrong_passwords_by_the_thousand(self):
        """CALLVAULT_E2E_TRIES=10000 for the whole attack."""
        self.serve(unauthenticated_total=100)
        networks = [f"127.0.{n}.2" for n in range(1, 9)]
        began = time.time()
        listener, = (pid for pid, name in self.daemon.descendants() if name == "cv-listener")
        held = []
        for share in (TRIES // 5, TRIES - TRIES // 5):  # memory is compared when all that is made once has been made
            guessers = [Guesser(self.daemon.port, source, account, share // len(networks) + 1)
                        for source, account in zip(networks, ["acme", "nobody"] * 4)]
            for guesser in guessers:
                guesser.start()
            for guesser in guessers:
                guesser.join()
            self.assertFalse(any(guesser.let_in for guesser in guessers))
            self.until(lambda: not self.daemon.sessions(), 30, "sessions are left")
            held.append((resident(self.daemon.pid), resident(listener)))
        took = time.time() - began
        print(f"{TRIES} wrong passwords in {took:.0f} s; keeper and listener, MiB: "
              + ", ".join(f"{keeper / MIB:.1f} and {listener / MIB:.1f}" for keeper, listener in held))
        for before, after in zip(*held):
            self.assertLess(after - before, 4 * MIB)
        failed = [e["event"] for e in self.vault.must("audit", "show", "--limit", "10000", "--json").json()].count("login.failed")
        self.assertGreaterEqual(failed, len(networks))
        self.assertLessEqual(failed, len(networks) * (took // 60 + 2))
        self.check_others_are_served()


class Limits(Attacked):
    def silent(self, source, count):
        """Connections that say nothing; all of them stay open until the test ends."""
        made = [socket.create_connection(("127.0.0.1", self.daemon.port), 30, (source, 0)) for _ in range(count)]
        for one in made:
            self.addCleanup(one.close)
        return made

    def alive(self, connections):
        """How many of them the server greets, and has not ended."""
        count = 0
        for one in connections:
            one.settimeout(30)
            with contextlib.suppress(OSError):
                greeting = one.recv(100, socket.MSG_PEEK)
                count += greeting.startswith(b"SSH-")
        return count

    def ended(self, connections):
        count = 0
        for one in connections:
            one.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                try:
                    while one.recv(4096):
                        pass
                except ConnectionError:
                    pass
                count += 1
        return count

    def test_ten_of_one_address_and_twenty_of_all(self):
        self.serve(login_grace="2m")
        first = self.silent("127.0.1.2", 10)
        self.assertEqual(self.alive(first), 10)
        self.assertEqual(self.alive(self.silent("127.0.1.2", 5)), 0, "an eleventh connection of one address is greeted")
        second = self.silent("127.0.2.2", 9)
        self.assertEqual(self.alive(second), 9)
        others = self.silent("127.0.3.2", 1)
        self.assertEqual(self.alive(others), 1)
        # Twenty: each more takes the place of the oldest of the address that has most.
        self.assertEqual(self.alive(self.silent("127.0.4.2", 1)), 1)
        self.until(lambda: self.ended(first) == 1, 20, "the oldest of the busiest address does not give way")
        self.assertEqual(self.ended(first[:1]), 1)
        self.assertEqual(self.ended(second + others), 0)
        self.check_others_are_served()

    def test_connections_come_no_faster_than_their_burst(self):
        self.serve(connections_burst=20, connections_per_minute=1, unauthenticated_total=100,
                   unauthenticated_per_address=100, login_grace="2m")
        self.assertEqual(self.alive(self.silent("127.0.1.2", 20)), 20)
        self.assertEqual(self.alive(self.silent("127.0.1.2", 5)), 0)
        self.assertEqual(self.alive(self.silent("127.0.2.2", 1)), 1)
        self.check_others_are_served()

    def test_who_is_logged_in_gives_way_to_nobody(self):
        self.serve(login_grace="2m")
        inside = [self.logged_in() for _ in range(8)]
        outside = [connection for n in range(1, 4) for connection in self.silent(f"127.0.{n}.2", 10)]
        self.until(lambda: self.ended(outside) == 10, 20, "there are not twenty left")
        for client in inside:
            self.assertIsNotNone(client.open_channel())
            client.close()
        self.check_others_are_served()


if __name__ == "__main__":
    unittest.main()
