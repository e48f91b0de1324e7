#!/usr/bin/env python3
"""Memory of idle sessions, side by side with OpenSSH: sessions that have said INIT, got VERSION, and wait.

The proportional set size (Pss) of all server processes, minus what it was before the first session, for each session.
Clients are `ssh -s HOST sftp` processes (about 3 MiB each), with curve25519 to be quick. callvault: one customer for
each 64 sessions, since that is the most a claim takes; its limits against floods are raised. Reading another process's
Pss needs root, because callvault's processes forbid it to all others.

    bench/idle.py --build build/release
"""

import contextlib
import os
import pathlib
import resource
import select
import statistics
import subprocess
import time

import harness
from harness import Failed, end
from servers import MANY_LOGINS, Callvault, OpenSSH

INIT = bytes([0, 0, 0, 5, 1, 0, 0, 0, 3])
VERSION_LIMIT = 120  # seconds
AT_ONCE = 8  # that log in at the same time


def pss_kib(root):
    total = 0
    for pid in harness.tree(root):
        text = pathlib.Path("/proc", str(pid), "smaps_rollup").read_text()
        total += int(next(row for row in text.splitlines() if row.startswith("Pss:")).split()[1])
    return total


def say_init(login):
    client = subprocess.Popen([*login.client("ssh", "-oKexAlgorithms=curve25519-sha256", "-s"), login.host, "sftp"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **login.run())
    client.stdin.write(INIT)
    client.stdin.flush()
    return client


def await_version(client):
    poll = select.poll()  # select() takes no descriptor above 1023
    poll.register(client.stdout, select.POLLIN)
    ready = poll.poll(VERSION_LIMIT * 1000)
    head = client.stdout.read(5) if ready else b""
    if len(head) < 5 or head[4] != 2:
        raise Failed("a session did not answer INIT")


def hold(server, folders, count, how):
    """KiB for each of `count` sessions"""
    with server.prepare(*folders, **how) as target, contextlib.ExitStack() as stack:
        before, started, answered = pss_kib(target.pid), [], 0
        for i in range(count):
            started.append(say_init(target.logins[i * len(target.logins) // count]))
            stack.callback(end, started[-1])
            if len(started) - answered >= AT_ONCE:
                await_version(started[answered])
                answered += 1
        for client in started[answered:]:
            await_version(client)
        time.sleep(1)  # until nothing of the log-ins goes on
        held = pss_kib(target.pid)
        if any(client.poll() is not None for client in started):
            raise Failed("a session ended while it was idle")
        for client in started:
            client.terminate()
        return (held - before) / count


def body(place):
    options = place.options
    if os.geteuid() != 0:
        raise Failed("only root may read how much memory callvault's processes have")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two pipes for each client
    servers = [(OpenSSH(place), {}), (Callvault(place), {"settings": MANY_LOGINS})]
    print("callvault: by password, limits of connections raised; openssh: by Ed25519 key")
    for count in options.sessions:
        folders = [place.room / f"{count}-{i:03}" for i in range((count + 63) // 64)]
        for folder in folders:
            harness.make_files(folder, {f"call{i}.bin": 1000 for i in range(10)})
        each = {server.name: [] for server, _ in servers}
        for _ in range(options.pairs):
            for server, how in servers:
                each[server.name].append(hold(server, folders, count, how))
        for name, values in each.items():
            print(f"{count} idle sessions, {name}: {harness.spread(values, 0)} KiB Pss each")
        less = [c / o for c, o in zip(each["callvault"], each["openssh"])]
        place.table.row(f"{count} idle sessions: Pss of each", "600 KiB or less", each["callvault"], 0, " KiB")
        place.table.row(f"{count} idle sessions: Pss, to OpenSSH ({statistics.median(each['openssh']):.0f} KiB)", "-", less)
    return True


def main():
    parser = harness.parser(__doc__, pairs=1)
    parser.add_argument("--sessions", type=harness.positive, nargs="+", default=[100, 1000])
    harness.main("idle.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
