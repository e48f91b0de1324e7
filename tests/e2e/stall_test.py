"""Half of a recording has come when its line falls silent or the daemon ends: the rest is fetched later. Slow lines."""
import os
import signal
import time

from harness import Client, EndToEnd, sha256
from proxy import Proxy

SIZE = 8_000_000
RATE = 6_000_000  # bytes per second; at half of the recording the daemon is still about to send


class Half(EndToEnd):
    """OpenSSH's sftp got half of the only recording and waits for more, over a line on which nothing comes any more."""

    def fetch_half(self, full=False):
        self.vault = self.new_vault()
        (self.name, self.digest), = self.make_recordings(1, SIZE).items()
        self.vault.ingest(self.in_dir)
        self.recording, = self.vault.states()
        self.delivery = self.vault.deliver()
        self.daemon = self.start(self.vault)
        self.proxy = Proxy(self.daemon.port, rate=RATE, stall_after=SIZE // 2, full=full)
        self.addCleanup(self.proxy.close)
        self.got = os.path.join(self.folder, "got.wav")
        first = Client(self.folder, self.proxy.port, self.delivery)
        self.client = first.start([f"get {self.name} got.wav"], self.folder)
        self.addCleanup(self.client_gives_up)
        self.assertTrue(self.proxy.stalled.wait(60), "half of the recording does not come")
        self.until(lambda: os.path.exists(self.got) and os.path.getsize(self.got) > SIZE // 4, 30, "nothing is written")

    def client_gives_up(self):
        if self.client.poll() is None:
            os.killpg(self.client.pid, signal.SIGKILL)
        self.client.wait()
        self.client.stdout.close()

    def stays(self):
        self.assertEqual(self.vault.states(), {self.recording: "sealed"})
        self.assertFalse(self.proxy.broken.is_set(), "the proxy ended the line")

    def fetch_the_rest(self):
        self.client_gives_up()
        self.assertLess(os.path.getsize(self.got), SIZE)
        done = Client(self.folder, self.daemon.port, self.delivery).run(f"reget {self.name} got.wav")
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual(sha256(self.got), self.digest, done.out)
        self.until(lambda: self.vault.states() == {self.recording: "erased"}, 30, "not erased after the rest has come")
        self.assertEqual(self.vault.check().code, 0)


class Stalls(Half):
    def test_a_line_that_nobody_resets_is_given_up_and_the_rest_comes_over_another(self):
        self.given_up_and_fetched_over_another(full=False)

    def test_a_line_that_dies_while_its_client_takes_nothing_is_given_up_too(self):
        self.given_up_and_fetched_over_another(full=True)

    def given_up_and_fetched_over_another(self, full):
        self.fetch_half(full)
        self.assertEqual(len(self.daemon.sessions()), 1)
        # Without an acknowledgement for 30 s; a connection that is only idle has ten minutes.
        self.until(lambda: not self.daemon.sessions(), 120, "the session of a dead line goes on")
        time.sleep(2.5)  # longer than every wait of this vault
        self.stays()
        self.fetch_the_rest()

    def test_a_slow_line_delivers_once(self):
        vault = self.new_vault()
        made = self.make_recordings(1, 1_000_000)
        vault.ingest(self.in_dir)
        recording, = vault.states()
        delivery = vault.deliver()
        daemon = self.start(vault)
        proxy = Proxy(daemon.port, rate=400_000)
        self.addCleanup(proxy.close)
        client = Client(self.folder, proxy.port, delivery).start(["get -r . got"], self.folder)
        self.until(lambda: proxy.passed > 300_000, 60, "nothing comes")
        self.assertEqual(vault.states(), {recording: "sealed"})
        out, _ = client.communicate(timeout=120)
        self.assertEqual(client.returncode, 0, out)
        self.assertEqual(self.fetched(os.path.join(self.folder, "got")), made)
        self.until(lambda: vault.states() == {recording: "erased"}, 30, "not erased after a whole download")
        self.until(lambda: vault.state_of(delivery) == "finished", 30, "the claim does not end")


class Restarts(Half):
    def test_the_rest_comes_from_a_daemon_that_was_stopped_and_started(self):
        self.fetch_half()
        self.assertEqual(self.daemon.stop(), 0)
        self.stays()
        self.daemon = self.start(self.vault)
        self.fetch_the_rest()

    def test_the_rest_comes_from_a_daemon_that_was_killed_and_started(self):
        self.fetch_half()
        time.sleep(4)  # what was sent is stored within two seconds
        self.daemon.kill()
        self.stays()
        self.daemon = self.start(self.vault)
        self.fetch_the_rest()
