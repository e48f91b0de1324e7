#!/usr/bin/env python3
"""Downloads with other clients, side by side with OpenSSH's server: curl and psftp, one file of 1 GiB to /dev/null.

Both clients choose AES in counter mode with an HMAC. OpenSSH's server offers exactly the ciphers and MACs that
callvault offers, so that a client chooses the same for both. Passwords are in private files (curl -K, psftp -pwfile).
How it is measured stands in harness.py.

    bench/clients.py --build build/release
"""

import harness
from harness import Failed, call, spread, write_private
from servers import Callvault, OpenSSH

SAME_CIPHERS = ("Ciphers chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr\n"
                "MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512\n")


def curl(login, home, where):
    password = login.password.read_text().strip() if login.password else ""
    keys = "" if login.password else f"key = {login.key}\npubkey = {login.key}.pub\n"
    write_private(home / "curl", f'user = "{login.user}:{password}"\n{keys}')
    call(["curl", "-q", "-s", "-S", "-K", home / "curl", "--insecure", "-o", where,
          f"sftp://127.0.0.1:{login.port}/~/g1.bin"], env=login.environment | {"HOME": str(home)})


def psftp(login, home, where):
    environment = login.environment | {"HOME": str(home)}  # PuTTY leaves its random seed there
    proof = ["-pwfile", login.password]
    if not login.password:
        proof = ["-i", home / "key.ppk"]
        call(["puttygen", login.key, "-O", "private", "-o", proof[1]], env=environment)
    write_private(home / "commands", f"get g1.bin {where}\n")
    call(["psftp", "-batch", "-P", login.port, "-hostkey", login.fingerprint, *proof, "-b", home / "commands", login.host],
         env=environment)


CLIENTS = {"curl": curl, "psftp": psftp}


def body(place):
    options, data, complete = place.options, place.room / "data", True
    hashes = harness.make_files(data, {"g1.bin": options.size})
    servers = {"openssh": (OpenSSH(place), {"more": SAME_CIPHERS}), "callvault": (Callvault(place), {})}

    def run(client, name, where=None):
        server, how = servers[name]
        with place.folder("home-") as home, server.prepare(data, **how) as target:
            return harness.timed(target.pid, lambda: CLIENTS[client](target.login, home, where or "/dev/null"))

    for client in options.clients:
        version = harness.version_of(client, "-V")
        if version == "missing":
            raise Failed(f"{client} is not installed (scripts/setup.sh)")
        for name in servers:
            with place.folder("compare-") as where:
                run(client, name, where / "g1.bin")
                harness.compare(f"{client} from {name}", where, hashes)
        label = f"{client} {version}, one file of {options.size >> 20} MiB, aes-ctr + hmac"
        clean, thrown = harness.rounds(label, {n: lambda n=n: run(client, n) for n in servers}, options)
        complete = complete and bool(clean)
        if not clean:
            continue
        harness.heading(label, clean, thrown, options, ["wall s", "MB/s", "server CPU s/GiB"])
        for name in servers:
            walls, cpus = [r[name].wall for r in clean], [r[name].cpu for r in clean]
            harness.line(name, spread(walls), spread([options.size / w / 1e6 for w in walls], 0),
                         spread([c * 2**30 / options.size for c in cpus]))
        faster = harness.ratios(clean, "openssh", "callvault", lambda r: r.wall)
        cheaper = harness.ratios(clean, "callvault", "openssh", lambda r: r.cpu)
        harness.line("speed, callvault/openssh", spread(faster))
        harness.line("CPU, callvault/openssh", spread(cheaper))
        place.table.row(f"{label}: speed", "1.00 or more", faster)
        place.table.row(f"{label}: server CPU", "-", cheaper)
    return complete


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--size", type=harness.positive, default=2**30, help="bytes of the file")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    harness.main("clients.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
