#!/usr/bin/env python3
"""A catalogue of 1,000,000 recordings beside one of 1,000: does a log-in, a listing or a claim take longer?

Both vaults hold the same real delivery of 1,000 files; the rest are rows put straight into the catalogue, with three
headers each, in ended deliveries of 1,000: the size and shape of a real one, though no key opens them. A *claim* is the
first log-in, of a delivery that was reissued for it; a *log-in* is a later one; a *listing* is a log-in and `ls`. The
keeper's own CPU time is reported too, since the client takes most of the wall time. How it is measured stands in
harness.py; rounds run both vaults in turn.

    bench/catalogue.py --build build/release
"""

import contextlib
import os
import pathlib
import sqlite3
import time

import harness
from harness import Failed, Run, call, spread
from servers import MANY_LOGINS, Callvault

FIRST_SLOT = 10**9  # far above any that the vault gives out
HELD_IN = 1000  # recordings of one ended delivery
CHUNK = 50_000


def fill(catalogue, count):
    """`count` recordings of other customers, delivered and waiting for others, in the columns of vault/schema.cpp"""
    filler = "A" * 400  # a record, a sealed header, sealed metadata: about as long as real ones
    now = int(time.time())
    with contextlib.closing(sqlite3.connect(catalogue, timeout=60)) as db:
        db.executemany("INSERT INTO customer (id, state, created_at, name, statement) VALUES (?, 'open', ?, '', '')",
                       [(f"other-{n:02}", now) for n in range(100)])
        for begin in range(0, count, CHUNK):
            ids = range(begin, min(begin + CHUNK, count))
            db.executemany(
                "INSERT INTO recording (id, class, customer, category, call_time, size, slot, state, received_at, record)"
                " VALUES (?, 'customer', ?, 'message', ?, 245760, ?, 'sealed', ?, ?)",
                ((f"r-{i:016}", f"other-{i % 100:02}", now - i, FIRST_SLOT + i, now - i, filler) for i in ids))
            db.executemany("INSERT INTO header (recording, recipient, sealed) VALUES (?, ?, ?)",
                           ((f"r-{i:016}", f"recipient-{k}", filler) for i in ids for k in range(3)))
            db.executemany("INSERT INTO metadata (recording, version, payload) VALUES (?, 1, ?)",
                           ((f"r-{i:016}", filler) for i in ids))
            deliveries = sorted({i // HELD_IN for i in ids} - {(begin - 1) // HELD_IN if begin else -1})
            db.executemany(
                "INSERT INTO access (id, kind, account, customer, state, not_before, expires, slot, strict, any_address,"
                " statement, created_at, secret_gone) VALUES (?, 'delivery', ?, ?, 'finished', 0, 1, ?, 0, 0, ?, ?, 1)",
                ((f"d-{d:016}", f"other-{d % 100:02}", f"other-{d % 100:02}", 2 * FIRST_SLOT + d, filler, now)
                 for d in deliveries))
            db.executemany("INSERT INTO item (access, position, recording, exclusive, state, entry)"
                           " VALUES (?, ?, ?, 1, 'withdrawn', '')",
                           ((f"d-{i // HELD_IN:016}", i % HELD_IN, f"r-{i:016}") for i in ids))
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def keeper_cpu(pid):
    """CPU seconds of the daemon's main process alone, to the nanosecond"""
    return int(pathlib.Path("/proc", str(pid), "schedstat").read_text().split()[0]) / 1e9


class Case:
    """One vault, filled, with its daemon running"""

    def __init__(self, vault, data, batches, filler_rows):
        self.vault, self.batches = vault, batches
        vault.tool("customer", "list")  # the catalogue is there, in its newest schema
        fill(vault.folder / "catalog.db", filler_rows)
        vault.start()
        self.login = vault.deliver("acme", data)

    def step(self, what, count=1):
        """`count` connections that do one thing: a Run whose CPU time is the keeper's, each"""
        login, pid = self.login, self.vault.server.pid
        machine, own, cpu, start = harness.machine_cpu(), harness.own_cpu(), keeper_cpu(pid), time.monotonic()
        whole = harness.tree_cpu(pid)
        for _ in range(count):
            call([*login.batch("-b", self.batches["listing" if what == "listing" else "log-in"]), login.host], **login.run())
        wall = time.monotonic() - start
        time.sleep(harness.SETTLE)
        cpu = keeper_cpu(pid) - cpu
        others = harness.machine_cpu() - machine - (harness.own_cpu() - own) - (harness.tree_cpu(pid) - whole)
        return Run(wall / count, cpu / count, max(0.0, others) / (time.monotonic() - start))

    def run(self, what, repeats):
        if what == "claim":
            self.login = self.vault.reissue(self.login)
            return self.step(what)
        return self.step(what, repeats)


def body(place):
    options, data, complete = place.options, place.room / "data", True
    names = harness.make_files(data, {f"call{i:04}.bin": 100 for i in range(options.files)})
    batches = {"listing": place.control / "ls", "log-in": place.control / "pwd"}
    batches["listing"].write_text("ls -1\n")
    batches["log-in"].write_text("pwd\n")
    server, cases = Callvault(place), {}
    for label, rows in (("small", options.small), ("large", options.large)):
        vault = place.stack.enter_context(server.vault(MANY_LOGINS))
        cases[label] = Case(vault, data, batches, max(0, rows - options.files))
        login = cases[label].login
        shown = call([*login.batch("-b", batches["listing"]), login.host], **login.run())
        if not all(name in shown for name in names):
            raise Failed(f"the {label} catalogue does not list its delivery")
        size = os.path.getsize(vault.folder / "catalog.db") / 2**20
        print(f"{label}: {rows} recordings, catalogue of {size:.0f} MiB, a delivery of {options.files} files")

    for what in ("claim", "log-in", "listing"):
        clean, thrown = harness.rounds(what, {n: lambda c=c: c.run(what, options.repeats) for n, c in cases.items()}, options)
        complete = complete and bool(clean)
        if not clean:
            continue
        harness.heading(what, clean, thrown, options, ["wall ms", "keeper CPU ms"])
        for name in cases:
            harness.line(name, spread([r[name].wall * 1000 for r in clean], 1), spread([r[name].cpu * 1000 for r in clean]))
        slower = harness.ratios(clean, "large", "small", lambda r: r.wall)
        dearer = harness.ratios(clean, "large", "small", lambda r: r.cpu)
        harness.line("wall, large/small", spread(slower))
        harness.line("keeper CPU, large/small", spread(dearer))
        label = f"{what}, {options.large:,} recordings to {options.small:,}"
        place.table.row(f"{label}: wall", "1.50 or less", slower)
        place.table.row(f"{label}: keeper CPU", "1.50 or less", dearer)
    return complete


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--small", type=harness.positive, default=1000, help="recordings in the small catalogue")
    parser.add_argument("--large", type=harness.positive, default=1_000_000, help="recordings in the large one (4 KB each)")
    parser.add_argument("--files", type=harness.positive, default=1000, help="files of the delivery, in both")
    parser.add_argument("--repeats", type=harness.positive, default=10, help="log-ins and listings in one run")
    harness.main("catalogue.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
