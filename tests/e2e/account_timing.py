"""Can known account names be told from unknown ones by the time that a wrong password takes? Run by hand:

    CALLVAULT_BIN=build/release/bin python3 tests/e2e/account_timing.py [--tries 2000] [--with-delay]

A real daemon and connections over loopback; groups of names, each with other accesses, are tried in random order,
with a new connection every few tries. Each group is compared with the unknown name of the same length by the
Mann-Whitney U test. Without the delay after a failure, so that there is something to see:

    keeper    a text that is no password: two questions to the keeper, and its answers, are all that is done
    whole     a wrong password: the session also derives and tries eight keys

and with it (--with-delay), as it is in production, for those that cost the keeper most. A figure of |z| below 2.58
(p > 0.01) means: no difference seen. Nothing passes or fails by a clock.
"""
import argparse
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

import harness
from raw_ssh import Ssh

WRONG = "00000-00000-00000-00000-00000"  # with its check symbol: it parses
NO_PASSWORD = "x"
LONG = "a" + "0" * 31
GROUPS = {  # account -> what it has; the name of an unknown one of the same length
    "one1": ("one open access", "nobo"),
    "full": ("eight open accesses", "nobo"),
    "clmd": ("one claimed access", "nobo"),
    "ende": ("twenty ended accesses", "nobo"),
    "shut": ("a customer without accesses", "nobo"),
    LONG: ("one open access, a name of 32 letters", "z" + "9" * 31),
    "none": ("nothing: a second unknown name, as a check of the method", "nobo"),
}


def mann_whitney(a, b):
    """U of `a`, z and two-sided p by the normal approximation, with the correction for ties."""
    ranked = sorted([(value, 0) for value in a] + [(value, 1) for value in b])
    rank_sum, ties, at = 0.0, 0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        rank_sum += sum(which == 0 for _, which in ranked[at:end]) * (at + 1 + end) / 2
        ties += (end - at) ** 3 - (end - at)
        at = end
    n, m, total = len(a), len(b), len(a) + len(b)
    u = rank_sum - n * (n + 1) / 2
    spread = math.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
    z = (u - n * m / 2) / spread
    return u, z, math.erfc(abs(z) / math.sqrt(2))


class Line:
    """A connection that tries one name, and another one when its tries are used up."""

    def __init__(self, port, account, tries):
        self.port, self.account, self.tries, self.ssh, self.left = port, account, tries, None, 0

    def seconds(self, password):
        if self.left == 0:
            self.close()
            self.ssh = Ssh(self.port)
            self.ssh.service()
            self.left = self.tries - 1  # the last one would end the connection
        self.left -= 1
        began = time.perf_counter()
        let_in = self.ssh.try_password(self.account, password)
        took = time.perf_counter() - began
        assert not let_in
        return took

    def close(self):
        if self.ssh:
            self.ssh.close()


def measure(port, accounts, password, tries, per_connection):
    lines = {account: Line(port, account, per_connection) for account in accounts}
    took = {account: [] for account in accounts}
    order = [account for account in accounts for _ in range(tries)]
    random.shuffle(order)
    for account in order:
        took[account].append(lines[account].seconds(password))
    for line in lines.values():
        line.close()
    return took


def measure_at_once(port, accounts, password, tries, per_connection, threads=40):
    took, lock, left = {account: [] for account in accounts}, threading.Lock(), {a: tries for a in accounts}

    def work():
        while True:
            with lock:
                waiting = [account for account in accounts if left[account] > 0]
                if not waiting:
                    return
                account = random.choice(waiting)
                count = min(per_connection - 1, left[account])
                left[account] -= count
            line = Line(port, account, per_connection)
            some = [line.seconds(password) for _ in range(count)]
            line.close()
            with lock:
                took[account].append(some)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return took


def report_connections(title, connections):
    """The tries of a connection follow each other at the same distance behind those of others: they are no samples of
    their own. Their median is one."""
    tries = len(next(iter(connections.values()))) * len(next(iter(connections.values()))[0])
    report(f"{title}, {tries} tries in connections of several, whose medians are compared",
           {account: [statistics.median(some) for some in all_] for account, all_ in connections.items()})


def report(title, took):
    print(f"{title}: ms, median and quartiles of {len(next(iter(took.values())))}; against the unknown name")
    for account, times in took.items():
        what, other = GROUPS.get(account, ("unknown", None))
        low, middle, high = (q * 1000 for q in statistics.quantiles(times, n=4))
        line = f"  {account[:6]:7}{what:58}{middle:9.3f} [{low:.3f} {high:.3f}]"
        if other in took:
            u, z, p = mann_whitney(times, took[other])
            line += f"  U {u:.0f}  z {z:+.2f}  p {p:.3f}"
        print(line)


def make_accesses(vault, daemon, in_dir, folder):
    seed = 0
    for account, (_, _) in GROUPS.items():
        if account == "none":
            continue
        vault.must("customer", "add", account, "--name", account)
        for n in range({"full": 8, "ende": 20, "shut": 0}.get(account, 1)):
            path = os.path.join(in_dir, harness.recording_name(seed))
            harness.write_wav(path, os.urandom(2000))
            seed += 1
            vault.ingest(path, account)
            delivery = vault.deliver(account)
            if account == "ende":
                vault.must("delivery", "revoke", delivery["delivery"])
            if account == "clmd":
                done = harness.Client(folder, daemon.port, delivery).run("ls")
                assert done.code == 0, done.out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=2000)
    parser.add_argument("--with-delay", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="callvault-timing-")
    in_dir = os.path.join(folder, "spool")
    os.mkdir(in_dir)
    per_connection = 6 if options.with_delay else 20
    vault = harness.Vault(folder, login_failure="1s" if options.with_delay else "0s", login_grace="1h",
                          login_tries=per_connection, unauthenticated_total=1000, unauthenticated_per_address=1000,
                          connections_per_minute=1000000, connections_burst=1000000, connections_total=1000)
    daemon = harness.Daemon(vault)
    try:
        make_accesses(vault, daemon, in_dir, folder)
        accounts = [*GROUPS, *sorted({other for _, other in GROUPS.values()})]
        if options.with_delay:
            report_connections("whole, with the delay of 1 s",
                               measure_at_once(daemon.port, ["one1", "full", "ende", "nobo"], WRONG, options.tries,
                                               per_connection))
        else:
            measure(daemon.port, accounts, WRONG, 20, per_connection)  # warm
            report("keeper, no delay", measure(daemon.port, accounts, NO_PASSWORD, options.tries, per_connection))
            report("whole, no delay", measure(daemon.port, accounts, WRONG, options.tries, per_connection))
    finally:
        daemon.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
