"""Roles with the real programs: who may what, what a refusal leaves behind, and how a running daemon follows."""
import base64
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import time

from harness import BIN, Client, EndToEnd, sha256

ROLES = ("it-manager", "tech-manager", "recovery")
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "roles.md")
P25519 = 2**255 - 19


def documented():
    """{action: {roles that may}} of the table in docs/roles.md, which a unit test compares with the program's."""
    table = re.search(r"(?m)^\| action \|.*\n\|---.*\n((?:\|.*\n)+)", open(PAGE).read())[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().split("\n")]
    return {action: {role for role, may in zip(ROLES, row) if may == "yes"} for action, *row in rows}


def age_recipient(key):
    """age1... of any 32 bytes (bech32, BIP 173)."""
    symbols = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = int.from_bytes(key, "big") << 4  # 256 bits are 51 symbols and a bit
    data = [(bits >> (5 * i)) & 31 for i in reversed(range(52))]

    def polymod(values):
        check = 1
        for value in values:
            top = check >> 25
            check = (check & 0x1ffffff) << 5 ^ value
            for i, g in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
                check ^= g if (top >> i) & 1 else 0
        return check
    head = [ord(c) >> 5 for c in "age"] + [0] + [ord(c) & 31 for c in "age"]
    rest = polymod(head + data + [0] * 6) ^ 1
    return "age1" + "".join(symbols[d] for d in data + [(rest >> 5 * (5 - i)) & 31 for i in range(6)])


class WithRoles(EndToEnd):
    def setUp(self):
        super().setUp()
        self.vault = self.new_vault()
        # Without its passphrase each call is quick.
        self.plain = {"it-manager": self.unlocked(self.vault.identity), "recovery": self.vault.recovery}

    def unlocked(self, identity):
        plain = identity + ".txt"
        self.vault.must("open", identity, "-o", plain)
        return plain

    def new_key(self, name):
        """An identity made by its holder, unlocked; and the file with its public keys."""
        keys = os.path.join(self.folder, name + ".json")
        with open(keys, "w") as f:
            f.write(self.vault.must("key", "new", "-o", os.path.join(self.folder, name + ".age"), "--json").out)
        return self.unlocked(os.path.join(self.folder, name + ".age")), keys

    def by(self, identity, *args):
        return self.vault.run(*args, "--identity", identity, identity=False)

    def must_by(self, identity, *args):
        done = self.by(identity, *args)
        self.assertEqual(done.code, 0, f"{args}: {done.out}{done.err}")
        return done

    def it(self, *args):
        return self.must_by(self.plain["it-manager"], *args)

    def add(self, role, name):
        identity, keys = self.new_key(name)
        self.it("role", "add", role, "--name", name, "--key", keys)
        return identity

    def snapshot(self):
        """All rows and all files, as far as they tell of the vault's state; not the log, which names refusals too."""
        log = ('INSERT INTO "audit"', "INSERT INTO \"setting\" VALUES('audit_")
        with sqlite3.connect(os.path.join(self.vault.dir, "catalog.db")) as db:
            rows = "\n".join(row for row in db.iterdump() if not row.startswith(log))
        db.close()
        files = {}
        for folder, _, names in os.walk(self.vault.dir):
            for name in names:
                path = os.path.join(folder, name)
                if not name.startswith("catalog.db") and not path.startswith(os.path.join(self.vault.dir, "run")):
                    files[path] = sha256(path)
        return rows, files

    def take_in(self, count, *whose):
        for name in os.listdir(self.in_dir):
            os.remove(os.path.join(self.in_dir, name))
        self.taken = getattr(self, "taken", 0) + count
        self.make_recordings(count, 2000, self.taken)
        return [r["id"] for r in self.vault.must("ingest", self.in_dir, *whose, "--json", identity=False).json()]


class Table(WithRoles):
    def test_each_role_may_what_the_table_says_and_a_refusal_leaves_no_trace(self):
        self.plain["tech-manager"] = self.add("tech-manager", "tom")
        ids = self.take_in(12, "--customer", "acme")
        restricted, = self.take_in(1, "--customer", "acme")
        to_release = self.take_in(1, "--customer", "acme")[0]
        for recording in (restricted, to_release):
            self.it("restrict", recording)
        deliveries = [self.it("deliver", "acme", ids.pop(), "--json") for _ in range(5)]
        deliveries = [done.json()[0]["delivery"] for done in deliveries]
        _, spare = self.new_key("spare")
        out = os.path.join(self.folder, "out")
        numbers = iter(range(1000))

        def unused():
            return f"{out}-{next(numbers)}"

        ssh_key = os.path.join(self.folder, "recorder.pub")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh_key.removesuffix(".pub")], check=True)

        def made(*command):
            self.it(*command)
            return command[2]

        # What to try, and what it takes: each call of a maker is a new command that could succeed.
        attempts = {
            "add a customer": lambda: ("customer", "add", f"new-{next(numbers)}"),
            "change a customer": lambda: ("customer", "close", self.it("customer", "add", f"c-{next(numbers)}", "--json")
                                          .json()["id"]),
            "deliver": lambda: ("deliver", "acme", ids[-1]),
            "revoke a delivery": lambda: ("delivery", "revoke", deliveries[-1]),
            "reissue a delivery": lambda: ("delivery", "reissue", deliveries[-1]),
            "read a recording": lambda: ("get", ids[0], "-o", unused()),
            "read audit details": lambda: ("audit", "show"),
            "restrict a recording": lambda: ("restrict", ids[1]),
            "release a restricted recording": lambda: ("release", to_release),
            "read a restricted recording": lambda: ("get", restricted, "-o", unused()),
            "give a role to somebody": lambda: ("role", "add", "tech-manager", "--name", "spare", "--key", spare),
            "take a role from somebody": lambda: ("role", "remove", "spare"),
            "rotate keys": lambda: ("key", "rotate", "--host-key"),
            "drill the recovery": lambda: ("key", "drill", "--sample", "2"),
            "add a recorder": lambda: ("recorder", "add", f"pbx-{next(numbers)}", "--ssh-key", ssh_key, "--own"),
            "remove a recorder": lambda: ("recorder", "remove", made("recorder", "add", f"pbx-{next(numbers)}",
                                                                     "--ssh-key", ssh_key, "--own")),
            "grant": lambda: ("grant", ids[2], "--to", f"reader-{next(numbers)}"),
            "revoke a grant": lambda: ("grant", "revoke", self.it("grant", ids[2], "--to", f"reader-{next(numbers)}",
                                                                  "--json").json()[0]["grant"]),
            "add a standing log-in": lambda: ("standing", "add", made("customer", "add", f"c-{next(numbers)}"),
                                              "--category", "message"),
            "revoke a standing log-in": lambda: ("standing", "revoke", self.it(
                "standing", "add", made("customer", "add", f"c-{next(numbers)}"), "--category", "message", "--json")
                .json()[0]["standing"]),
            "name a new IT Manager": lambda: ("key", "recover", "-o", unused(), "--name", "nora",
                                              "--new-passphrase-file", self.vault.passphrase),
        }
        table = documented()
        self.assertEqual(set(table) - set(attempts), set(), "actions that nobody tries here")
        refusals = 0
        for action, maker in attempts.items():
            for role in ROLES:
                if role in table[action]:
                    continue
                with self.subTest(refused=action, role=role):
                    command = maker()
                    before = self.snapshot()
                    done = self.by(self.plain[role], *command)
                    self.assertEqual(done.code, 8 if action == "read a restricted recording" else 4, done.out + done.err)
                    self.assertEqual(self.snapshot(), before)
                    refusals += done.code == 4
                    self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("out-")], [])
        self.assertEqual(len(self.vault.noted("act.refused")), refusals)
        for action, maker in attempts.items():
            for role in ROLES:
                if role not in table[action]:
                    continue
                with self.subTest(allowed=action, role=role):
                    self.must_by(self.plain[role], *maker())
                    if action in ("revoke a delivery", "reissue a delivery"):
                        deliveries.pop()
                    if action == "deliver":
                        ids.pop()
        self.assertEqual(self.vault.check().code, 0, self.vault.check().out)


class Own(WithRoles):
    def test_the_tech_manager_opens_no_recording_of_class_own_also_not_with_age_on_raw_files(self):
        if shutil.which("age") is None:
            self.skipTest("age is not installed")
        before_own, = self.take_in(1, "--own")
        tom = self.add("tech-manager", "tom")
        own, = self.take_in(1, "--own")
        held, = self.take_in(1, "--customer", "acme")

        def opened_by(identity, recording):
            folder = os.path.join(self.folder, f"raw-{recording}")
            if not os.path.exists(folder):
                os.mkdir(folder)
                subprocess.run([os.path.join(BIN, "e2e_raw_age"), self.vault.dir, recording, folder], check=True,
                               capture_output=True)
            return sum(subprocess.run(["age", "-d", "-i", identity, os.path.join(folder, name)], capture_output=True)
                       .returncode == 0 for name in os.listdir(folder))
        for recording in (before_own, own):
            self.assertEqual(opened_by(self.plain["it-manager"], recording), 1, "the raw file is none")
            self.assertEqual(opened_by(tom, recording), 0)
            for command in (("get", recording, "-o", os.path.join(self.folder, "x")), ("show", recording)):
                self.assertEqual(self.by(tom, *command).code, 4)
            self.assertNotIn("name", {k for r in self.must_by(tom, "list", "--json").json() if r["class"] == "own"
                                      for k in r})
        self.assertEqual(opened_by(tom, held), 1)
        self.must_by(tom, "get", held, "-o", os.path.join(self.folder, "y"))


class Followed(WithRoles):
    def test_a_new_tech_manager_delivers_under_the_running_daemon_and_leaves_again(self):
        daemon = self.start(self.vault)
        tom = self.add("tech-manager", "tom")
        first, second, third = self.take_in(3, "--customer", "acme")
        began = time.time()
        delivery = self.must_by(tom, "deliver", "acme", first, second, "--json").json()[0]
        client = Client(self.folder, daemon.port, delivery)
        names = [r["name"] for r in self.it("list", "--json").json()]
        done = client.run(f"get {names[0]}")
        self.assertEqual(done.code, 0, done.out)
        print(f"delivered and fetched {time.time() - began:.2f} s after the role was there")
        self.until(lambda: self.vault.states()[first] == "erased", 10, "not erased")
        left = self.it("role", "remove", "tom", "--json").json()["taken_over"]
        self.assertEqual(left, [{"kind": "delivery", "id": delivery["delivery"], "account": "acme"}])
        self.assertEqual(self.by(tom, "deliver", "acme", third).code, 4)
        done = client.run(f"get {names[1]}")
        self.assertEqual(done.code, 0, done.out)
        self.until(lambda: self.vault.states()[second] == "erased", 10, "not erased after its deliverer has left")
        self.until(lambda: self.vault.state_of(delivery) == "finished", 30, "the claim does not end")
        self.it("deliver", "acme", third)
        self.until(lambda: self.vault.check().code == 0, 10, "damage")
        self.assertEqual(daemon.stop(), 0)


class Killed(WithRoles):
    def until_it_is_done(self, chance, *command):
        """Runs it again and again, killed (-9) at random the first times. When it goes on after a kill, or says that all
        is done, is its own matter; what counts is that repeating ends well."""
        began = time.monotonic()
        killed = 0
        for round in range(30):
            process = subprocess.Popen([os.path.join(BIN, "callvault"), *command, "--vault", self.vault.dir, "--identity",
                                        self.plain["it-manager"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            if round < 12:
                time.sleep(chance.uniform(0, 0.02 * (round + 1)))
                killed += process.poll() is None
                process.kill()
            _, err = process.communicate(timeout=120)
            if process.returncode in (0, 3):
                print(f"{' '.join(command[:2])}: killed {killed} times in {time.monotonic() - began:.1f} s")
                self.assertGreater(killed, 0, "it was over before it could be killed")
                return
            self.assertEqual(process.returncode, -9, err)
        self.fail("it never ends")

    def test_roles_that_are_added_and_removed_by_killed_commands(self):
        seed = int(os.environ.get("CALLVAULT_E2E_SEED", random.randrange(10**9)))
        print(f"seed {seed}")
        chance = random.Random(seed)
        subprocess.run([os.path.join(BIN, "e2e_rewrap"), "fill", self.vault.dir, "600"], check=True, timeout=120)
        held, = self.take_in(1, "--customer", "acme")
        tom, keys = self.new_key("tom")
        self.until_it_is_done(chance, "role", "add", "tech-manager", "--name", "tom", "--key", keys)
        self.assertEqual(self.vault.check().code, 0, self.vault.check().out)
        drilled = self.must_by(tom, "list", "--json").json()
        self.assertEqual(len(drilled), 601)
        self.must_by(tom, "get", held, "-o", os.path.join(self.folder, "x"))
        copy = shutil.copytree(self.vault.dir, os.path.join(self.folder, "copy"))
        self.until_it_is_done(chance, "role", "remove", "tom")
        self.assertEqual(self.vault.check().code, 0, self.vault.check().out)
        self.assertEqual(self.by(tom, "get", held, "-o", os.path.join(self.folder, "y")).code, 4)
        shutil.rmtree(os.path.join(copy, "slots"))  # the rows of then, the key-slot store of now
        shutil.copytree(os.path.join(self.vault.dir, "slots"), os.path.join(copy, "slots"))
        for vault, opened in ((self.vault.dir, "0"), (copy, "0")):
            self.assertEqual(subprocess.run([os.path.join(BIN, "e2e_rewrap"), "opens", vault, tom], check=True,
                                            capture_output=True, text=True, timeout=120).stdout.strip(), opened)
        self.it("get", held, "-o", os.path.join(self.folder, "z"))


class Refused(WithRoles):
    def test_key_files_and_identities_that_nobody_should_take(self):
        _, good = self.new_key("tom")
        keys = json.load(open(good))
        bad = os.path.join(self.folder, "bad.json")

        def refused(code, *args):
            before = self.snapshot()
            done = self.by(self.plain["it-manager"], *args)
            self.assertEqual(done.code, code, f"{args}: {done.out}{done.err}")
            self.assertEqual(self.snapshot(), before)
            return done.err

        def points():
            yield 0  # of low order, and so are the next ones
            yield 1
            yield 325606250916557431795983626356110631294008115727848805560023387167927233504
            yield P25519 - 1
            yield P25519  # not canonical
            yield P25519 + 9
            yield 9 + 2**255
        texts = [json.dumps({**keys, "recipient": age_recipient(p.to_bytes(32, "little"))}) for p in points()]
        self.assertEqual(age_recipient((9).to_bytes(32, "little"))[:4], "age1")
        texts += [json.dumps({**keys, "signing_key": base64.b64encode(k).decode()})
                  for k in (bytes(32), b"\x01" + bytes(31), bytes(31), b"\xff" * 32)]
        texts += [json.dumps({**keys, "recipient": keys["recipient"].upper()}), json.dumps({**keys, "recipient": 7}),
                  json.dumps([keys]), json.dumps({"recipient": keys["recipient"]}), "{", "", "\x1b[31m", "9" * 70000]
        for text in texts:
            with open(bad, "w") as f:
                f.write(text)
            with self.subTest(text=text[:80]):
                said = refused(6 if len(text) > 65536 else 2, "role", "add", "tech-manager", "--name", "tom", "--key", bad)
                self.assertNotIn("\x1b", said)
        with open(bad, "w") as f:  # 9 is the base point: everybody knows whose it is, but it is a key
            f.write(json.dumps({**keys, "recipient": age_recipient((9).to_bytes(32, "little"))}))
        self.it("role", "add", "tech-manager", "--name", "base", "--key", bad)
        self.it("role", "remove", "base")
        refused(2, "role", "add", "tech-manager", "--name", "it-manager", "--key", good)
        refused(2, "role", "add", "tech-manager", "--name", "Tom Smith", "--key", good)
        refused(2, "role", "add", "tech-manager", "--name", "service", "--key", good)
        refused(2, "role", "add", "root", "--name", "tom", "--key", good)
        refused(3, "role", "add", "tech-manager", "--name", "tom", "--key", os.path.join(self.folder, "none.json"))
        refused(3, "role", "remove", "tom")
        refused(4, "role", "remove", "it-manager")
        refused(4, "role", "remove", "recovery")
        refused(3, "key", "rotate", "--host-key", "--switch")
        refused(2, "key", "rotate")
        refused(2, "key", "rotate", "--service", "--host-key")
        refused(2, "key", "new", "-o", os.path.join(self.vault.dir, "tom.age"), "--passphrase-file", self.vault.passphrase)
        refused(2, "key", "new", "-o", os.path.join(self.folder, "tom.age"), "--passphrase-file", self.vault.passphrase)
        self.it("role", "add", "tech-manager", "--name", "tom", "--key", good)
        refused(3, "role", "add", "tech-manager", "--name", "tom", "--key", good)

    def test_passphrases(self):
        other = os.path.join(self.folder, "other")
        with open(other, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write("another long passphrase\n")
        identity = self.vault.identity
        wrong = self.vault.run("key", "passphrase", "--identity", identity, "--passphrase-file", other,
                               "--new-passphrase-file", other, identity=False)
        self.assertEqual(wrong.code, 4, wrong.err)
        before = hashlib.sha256(open(identity, "rb").read()).digest()
        self.assertEqual(self.vault.run("key", "passphrase", "--new-passphrase-file", os.path.join(self.folder, "no")).code, 3)
        self.assertEqual(hashlib.sha256(open(identity, "rb").read()).digest(), before)
        self.vault.must("key", "passphrase", "--new-passphrase-file", other)
        self.assertEqual(os.stat(identity).st_mode & 0o777, 0o600)
        self.assertEqual(self.vault.run("customer", "add", "beta").code, 4)
        self.vault.passphrase = other
        self.vault.must("customer", "add", "beta")
        plain = self.vault.run("key", "passphrase", "--identity", self.vault.recovery, "--new-passphrase-file", other,
                               identity=False)
        self.assertEqual(plain.code, 2, plain.err)
        slow = os.path.join(self.folder, "slow.age")
        with open(identity, "rb") as f:
            data = f.read()
        with open(slow, "wb") as f:
            f.write(data.replace(b" 18\n", b" 21\n", 1))
        self.assertEqual(self.vault.run("role", "list").code, 0)
        self.assertEqual(self.by(slow, "customer", "add", "gamma", "--passphrase-file", other).code, 6)


class Replaced(WithRoles):
    def setUp(self):
        super().setUp()
        self.tom = self.add("tech-manager", "tom")
        self.own, = self.take_in(1, "--own")
        self.first, self.second = self.take_in(2, "--customer", "acme")
        self.daemon = self.start(self.vault)
        self.delivery = self.must_by(self.tom, "deliver", "acme", self.first, "--json").json()[0]

    def expect_shut(self, identity):
        for recording in (self.own, self.first, self.second):
            out = os.path.join(self.folder, "shut")
            self.assertEqual(self.by(identity, "get", recording, "-o", out).code, 4)
            self.assertFalse(os.path.exists(out))
        self.assertEqual(self.by(identity, "list").code, 4)
        self.assertEqual(self.by(identity, "customer", "add", "evil").code, 4)

    def expect_open(self, identity, *recordings):
        for recording in recordings:
            self.must_by(identity, "get", recording, "-o", os.path.join(self.folder, f"got-{time.monotonic_ns()}"))

    def fetch(self):
        done = Client(self.folder, self.daemon.port, self.delivery).run("get -r . got")
        self.assertEqual(done.code, 0, done.out)
        self.until(lambda: self.vault.states()[self.first] == "erased", 20, "not erased after its download")
        self.until(lambda: self.vault.check().code == 0, 10, "damage")

    def replace(self, *command):
        """An identity file that `key rotate` or `recover` makes, unlocked."""
        path = os.path.join(self.folder, "next.age")
        done = self.vault.run("key", *command, "-o", path, "--new-passphrase-file", self.vault.passphrase, identity=False)
        self.assertEqual(done.code, 0, done.out + done.err)
        again = self.vault.run("key", *command, "-o", path, "--new-passphrase-file", self.vault.passphrase, identity=False)
        self.assertEqual(again.code, 3, again.out + again.err)
        return self.unlocked(path)

    def test_recover_names_a_new_it_manager_and_a_customer_notices_nothing(self):
        drilled = self.must_by(self.vault.recovery, "key", "drill", "--json").json()
        self.assertEqual((drilled["held"], len(drilled["opened"]), drilled["failed"]), (3, 3, []))
        nora = self.replace("recover", "--identity", self.vault.recovery, "--name", "nora")
        self.expect_shut(self.plain["it-manager"])
        self.expect_shut(self.tom)
        self.expect_open(nora, self.own, self.first, self.second)
        self.expect_open(self.vault.recovery, self.own)
        names = {h["name"] for h in self.vault.must("role", "list", "--json", identity=False).json()}
        self.assertEqual(names, {"nora", "recovery"})
        self.fetch()
        shown = self.must_by(nora, "customer", "list", "--json").json()
        self.assertEqual(shown[0]["name"], "Acme Ltd")
        self.must_by(nora, "role", "add", "tech-manager", "--name", "tom", "--key", os.path.join(self.folder, "tom.json"))
        self.expect_open(self.tom, self.second)
        self.must_by(nora, "audit", "show")
        self.assertEqual(self.vault.check().code, 0, self.vault.check().out)

    def test_the_it_managers_keys_are_rotated_and_so_are_toms_and_the_servers(self):
        old = self.plain["it-manager"]
        self.plain["it-manager"] = self.replace("rotate", "--identity", old)
        self.expect_shut(old)
        self.expect_open(self.plain["it-manager"], self.own, self.first, self.second)
        self.expect_open(self.tom, self.second)
        tom, keys = self.new_key("tom-2027")
        self.assertEqual(self.by(self.tom, "key", "rotate", "-o", os.path.join(self.folder, "x.age")).code, 4)
        self.it("key", "rotate", "--name", "tom", "--key", keys)
        self.expect_shut(self.tom)
        self.expect_open(tom, self.second)
        self.it("key", "rotate", "--service")
        self.fetch()
        self.it("audit", "show")
        self.vault.must("audit", "verify", identity=False)
        present = self.vault.must("hostkey", "--json", identity=False).json()["fingerprint"]
        following = self.it("key", "rotate", "--host-key", "--json").json()["fingerprint"]
        self.assertNotEqual(present, following)
        shown = self.vault.must("hostkey", "--json", identity=False).json()
        self.assertEqual((shown["fingerprint"], shown["next"]["fingerprint"]), (present, following))
        letter = self.it("deliver", "acme", self.second).out
        self.assertIn(present, letter)
        self.assertIn(following, letter)
        self.it("key", "rotate", "--host-key", "--switch")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.start(self.vault).fingerprint, following)
