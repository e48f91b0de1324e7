#!/usr/bin/env python3
"""Log-ins side by side with OpenSSH: connect, `ls`, quit, with the OpenSSH client; 160 times, 16 at once and in turn.

Three contenders: callvault; OpenSSH with its default key exchange (sntrup761, post-quantum); and OpenSSH with
curve25519 alone, which is callvault's. callvault's log-ins are by one-time password (the client's askpass), all of one
claim, so the limits against floods are raised in its callvault.toml; OpenSSH's are by an Ed25519 key. Both list ten
files. How it is measured stands in harness.py.

    bench/login.py --build build/release
"""

import harness
from harness import Failed, call, spread
from servers import MANY_LOGINS, Callvault, OpenSSH

CURVE25519 = "-oKexAlgorithms=curve25519-sha256"


def log_in(login, batch, count, at_once, more):
    """xargs starts them; it ends badly when one of them does"""
    call(["xargs", "-P", at_once, "-I", "{}", *login.batch("-b", batch, *more), login.host],
         input="".join(f"{i}\n" for i in range(count)), **login.run())


def body(place):
    options, data = place.options, place.room / "data"
    files = harness.make_files(data, {f"call{i}.bin": 1000 for i in range(10)})
    batch = place.control / "ls"
    batch.write_text("ls\n")
    contenders = {"openssh": (OpenSSH(place), {}, ()), "callvault": (Callvault(place), {"settings": MANY_LOGINS}, ())}
    contenders["openssh, curve25519"] = (contenders["openssh"][0], {}, (CURVE25519,))

    for name, (server, how, more) in contenders.items():
        with server.prepare(data, **how) as target:
            shown = call([*target.login.batch("-b", batch, *more), target.login.host], **target.login.run())
            if not all(file in shown for file in files):
                raise Failed(f"{name} does not list its files: {shown}")

    def run(name, at_once):
        server, how, more = contenders[name]
        with server.prepare(data, **how) as target:
            log_in(target.login, batch, 1, 1, more)  # the claim opens before the clock starts
            return harness.timed(target.pid, lambda: log_in(target.login, batch, options.logins, at_once, more))

    print("callvault: by password, limits of connections raised; openssh: by Ed25519 key")
    complete = True
    for at_once in (options.at_once, 1):
        label = f"{options.logins} log-ins, {at_once} at once" if at_once > 1 else f"{options.logins} log-ins, in turn"
        clean, thrown = harness.rounds(label, {n: lambda n=n: run(n, at_once) for n in contenders}, options)
        complete = complete and bool(clean)
        if not clean:
            continue
        harness.heading(label, clean, thrown, options, ["log-ins/s", "server CPU ms each"])
        for name in contenders:
            harness.line(name, spread([options.logins / r[name].wall for r in clean], 1),
                         spread([r[name].cpu * 1000 / options.logins for r in clean], 1))
        for peer in ("openssh", "openssh, curve25519"):
            cheaper = harness.ratios(clean, peer, "callvault", lambda r: r.cpu)
            harness.line(f"per CPU s, /{peer}", spread(cheaper))
            place.table.row(f"{label}, log-in + ls + quit: sessions per CPU second, to {peer}", "3.00 or more", cheaper)
    return complete


def main():
    parser = harness.parser(__doc__, pairs=3)
    parser.add_argument("--logins", type=harness.positive, default=160)
    parser.add_argument("--at-once", type=harness.positive, default=16, choices=range(2, 65), metavar="2..64")
    harness.main("login.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
