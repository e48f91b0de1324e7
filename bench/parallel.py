#!/usr/bin/env python3
"""Several downloads at once, side by side with OpenSSH: 4 clients, a file of 1 GiB each, thrown away as it comes.

callvault: 4 connections of one claim, each with a recording of its own. OpenSSH: the same clients and files. How it is
measured stands in harness.py. The room needs twice the size of all files.

    bench/parallel.py --build build/release
"""

import harness
from harness import call_all, spread
from servers import Callvault, OpenSSH


def download(login, names, where):
    """All files at once, a connection each: into `where`, or thrown away (None)"""
    call_all([[*login.client("sftp"), f"{login.host}:{name}", where / name if where else "/dev/null"] for name in names],
             **login.run())


def body(place):
    options, data = place.options, place.room / "data"
    names = [f"g{i}.bin" for i in range(options.clients)]
    hashes = harness.make_files(data, {name: options.size for name in names})
    servers = [OpenSSH(place), Callvault(place)]
    for server in servers:
        with place.folder("compare-") as where, server.prepare(data) as target:
            download(target.login, names, where)
            harness.compare(server.name, where, hashes)

    def run(server):
        with server.prepare(data) as target:
            return harness.timed(target.pid, lambda: download(target.login, names, None))

    label = f"{options.clients} downloads of {options.size >> 20} MiB at once"
    clean, thrown = harness.rounds(label, {s.name: lambda s=s: run(s) for s in servers}, options)
    if not clean:
        return False
    total = options.size * options.clients
    harness.heading(label, clean, thrown, options, ["wall s", "MB/s", "server CPU s/GiB"])
    for s in servers:
        walls, cpus = [r[s.name].wall for r in clean], [r[s.name].cpu for r in clean]
        harness.line(s.name, spread(walls), spread([total / w / 1e6 for w in walls], 0), spread([c * 2**30 / total for c in cpus]))
    faster = harness.ratios(clean, "openssh", "callvault", lambda r: r.wall)
    cheaper = harness.ratios(clean, "callvault", "openssh", lambda r: r.cpu)
    harness.line("speed, callvault/openssh", spread(faster))
    harness.line("CPU, callvault/openssh", spread(cheaper))
    place.table.row(f"{label}: speed", "1.50 or more", faster)
    place.table.row(f"{label}: server CPU", "-", cheaper)
    return True


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--size", type=harness.positive, default=2**30, help="bytes of each file")
    parser.add_argument("--clients", type=harness.positive, default=4, choices=range(1, 9), help="1 to 8: what a claim allows")
    harness.main("parallel.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
