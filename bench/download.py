#!/usr/bin/env python3
"""Downloads side by side: callvaultd, which decrypts and erases, and OpenSSH internal-sftp, which serves the plain files.

Two modes: one file of 1 GiB, and 2,000 files of 245,760 bytes, both incompressible. How it is measured stands in
harness.py. The server's CPU time is that of its whole process tree. Each callvault run has a fresh vault and delivery,
made before the clock starts; with small files its clock stops when all of them are durably erased. SHA-256 is compared
once per server and mode before timing.

    bench/download.py --build build/release
    bench/download.py --only openssh --modes small --pairs 1          # no callvault needed
"""

import shutil

import harness
from harness import call, spread
from servers import Callvault, OpenSSH

SMALL_SIZE = 245_760


def sizes(mode, options):
    if mode == "large":
        return {"g1.bin": options.large_size}
    return {f"r{i:04}.bin": SMALL_SIZE for i in range(options.small_count)}


def download(login, mode, where):
    """One download with the OpenSSH client: into `where`, or thrown away (None)"""
    if mode == "large":
        call([*login.client("sftp"), f"{login.host}:g1.bin", where / "g1.bin" if where else "/dev/null"], **login.run())
    else:
        call([*login.batch("-b", "-"), login.host], input=f"get -r . {where}\n", **login.run())


def check(server, mode, data, hashes, place):
    with place.folder("compare-") as where, server.prepare(data) as target:
        download(target.login, mode, where)
        target.finished()
        harness.compare(f"{server.name}, {mode}", where, hashes)


def run(server, mode, data, place):
    with place.folder("run-") as where, server.prepare(data) as target:
        def work():
            download(target.login, mode, where if mode == "small" else None)
            if mode == "small":
                target.finished()
        return harness.timed(target.pid, work)


def report(mode, servers, clean, thrown, options, total, table):
    harness.heading(mode, clean, thrown, options, ["wall s", "MB/s", "server CPU s", "server CPU s/GiB"])
    for server in servers:
        walls, cpus = [r[server.name].wall for r in clean], [r[server.name].cpu for r in clean]
        harness.line(server.name, spread(walls), spread([total / w / 1e6 for w in walls], 0), spread(cpus),
                     spread([c / (total / 2**30) for c in cpus]))
    if len(servers) < 2:
        return
    faster = harness.ratios(clean, "openssh", "callvault", lambda r: r.wall)
    cheaper = harness.ratios(clean, "callvault", "openssh", lambda r: r.cpu)
    harness.line("speed, callvault/openssh", spread(faster))
    harness.line("CPU, callvault/openssh", spread(cheaper))
    if mode == "large":
        what = f"one file of {total >> 20} MiB, chacha20"
        table.row(f"{what}: speed", "1.50 or more", faster)
        table.row(f"{what}: server CPU", "0.60 or less", cheaper)
    else:
        what = f"{options.small_count} files of 240 KB, each durably erased"
        table.row(f"{what}: speed", "1.30 or more", faster)
        table.row(f"{what}: server CPU", "-", cheaper)


def body(place):
    options, complete = place.options, True
    servers = [kind(place) for kind in (OpenSSH, Callvault) if options.only in (None, kind.name)]
    for mode in options.modes:
        data = place.room / mode
        hashes = harness.make_files(data, sizes(mode, options))
        for server in servers:
            check(server, mode, data, hashes, place)
        clean, thrown = harness.rounds(
            mode, {s.name: lambda s=s: run(s, mode, data, place) for s in servers}, options)
        complete = complete and bool(clean)
        if clean:
            report(mode, servers, clean, thrown, options, sum(sizes(mode, options).values()), place.table)
        shutil.rmtree(data)
    return complete


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--only", choices=["openssh", "callvault"], help="measure one server alone")
    parser.add_argument("--modes", nargs="+", choices=["large", "small"], default=["large", "small"])
    parser.add_argument("--large-size", type=harness.positive, default=2**30, help="bytes of the large file")
    parser.add_argument("--small-count", type=harness.positive, default=2000, help="number of small files")
    harness.main("download.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
