"""Attacks on SSH itself: messages that no client sends, in states that allow none, of lengths that none has."""
import contextlib
import os
import random
import struct
import unittest

from attacked import Attacked
from raw import text
from raw_ssh import (CHANNEL_CLOSE, CHANNEL_DATA, CHANNEL_EOF, CHANNEL_OPEN_CONFIRMATION, CHANNEL_REQUEST,
                     CHANNEL_SUCCESS, CHANNEL_WINDOW_ADJUST, KEX_ECDH_INIT, KEX_ECDH_REPLY, REQUEST_SUCCESS,
                     SERVICE_ACCEPT, SERVICE_REQUEST, USERAUTH_BANNER, USERAUTH_FAILURE, USERAUTH_INFO_REQUEST,
                     USERAUTH_INFO_RESPONSE, USERAUTH_SUCCESS, Ended, Sftp, take)

METHODS = b"publickey,keyboard-interactive,password"


class BeforeLogIn(Attacked):
    def test_what_only_a_server_sends_lets_nobody_in(self):
        self.serve()
        for kind in (USERAUTH_SUCCESS, USERAUTH_FAILURE, USERAUTH_BANNER, USERAUTH_INFO_REQUEST, SERVICE_ACCEPT,
                     KEX_ECDH_REPLY, CHANNEL_OPEN_CONFIRMATION, CHANNEL_SUCCESS, REQUEST_SUCCESS):
            for body in (b"", b"\0" * 16, text("ssh-userauth") + b"\0" * 16):
                client = self.at_log_in()
                try:
                    client.send(bytes([kind]) + body)
                except Ended:
                    continue
                self.assertFalse(self.opens(client), f"a channel after message {kind}")
        self.check_others_are_served()

    def test_no_channel_and_no_sftp_without_a_log_in(self):
        self.serve()
        subsystem = bytes([CHANNEL_REQUEST]) + struct.pack(">I", 0) + text("subsystem") + b"\1" + text("sftp")
        init = bytes([CHANNEL_DATA]) + struct.pack(">I", 0) + text(struct.pack(">IBI", 5, 1, 3))
        for ready in (self.ssh, self.at_log_in):
            self.assertFalse(self.opens(ready()))
            client = ready()
            with self.assertRaises(Ended):
                for packet in (subsystem, init):
                    client.send(packet)
                while True:
                    self.assertNotIn(client.receive(30)[0], (CHANNEL_SUCCESS, CHANNEL_DATA))
        # In clear, before keys were exchanged.
        for packet in (bytes([USERAUTH_SUCCESS]), subsystem, init):
            client = self.ssh(exchange=False)
            client.send(packet)
            with self.assertRaises(Ended):
                client.exchange_keys()
                client.service()
        self.check_others_are_served()

    def test_other_methods_fail_politely_and_are_no_tries(self):
        self.serve()
        client = self.at_log_in()
        key = text("ssh-ed25519") + text(text("ssh-ed25519") + text(os.urandom(32)))
        signature = text(text("ssh-ed25519") + text(os.urandom(64)))
        for _ in range(3):
            for method, rest in (("none", b""), ("publickey", b"\0" + key),
                                 ("hostbased", key + text("a.example") + text("root") + signature),
                                 ("gssapi-with-mic", struct.pack(">I", 1) + text(b"\x06\x09" + os.urandom(9))),
                                 ("gssapi-keyex", text(os.urandom(20))), ("x", b""), ("", b"")):
                client.auth("acme", method, rest)
                reply = client.receive()
                self.assertEqual((reply[0], take(reply[1:])[0]), (USERAUTH_FAILURE, METHODS), method)
        for rest in (b"\1" + key + signature, b"\0" + key[:-1]):
            client.auth("acme", "publickey", rest)  # libssh says nothing to wrong signatures and broken keys
        self.assertTrue(client.try_password("acme", self.delivery["password"]))
        self.check_others_are_served()

    def test_another_name_on_the_same_connection_ends_it(self):
        self.serve()
        client = self.at_log_in()
        self.assertFalse(client.try_password("globex", self.delivery["password"]))
        client.auth("acme", "password", b"\0" + text(self.delivery["password"]))
        self.assertEqual(client.ended(), "the user name has changed")
        client = self.at_log_in()
        client.auth("acme", "none")
        client.auth("globex", "keyboard-interactive", text("") + text(""))
        self.assertEqual(client.ended(), "the user name has changed")
        self.check_others_are_served()

    def test_the_sixth_wrong_password_ends_the_connection(self):
        self.serve()
        client = self.at_log_in()
        for _ in range(5):
            self.assertFalse(client.try_password("acme", "00000-00000-00000-00000-00000"))
        client.auth("acme", "password", b"\0" + text("00000-00000-00000-00000-00000"))
        self.assertEqual(client.ended(), "too many wrong passwords")
        self.check_others_are_served()

    def test_passwords_of_every_size_and_kind(self):
        self.serve(login_tries=100)
        client = self.at_log_in()
        right = self.delivery["password"]
        for wrong in ("", "\0", "\0" + right, right[:-1], right[1:], right + "0", right * 3, "\xff" * 24,
                      b"\xff\xfe" * 12, "0" * 64, "0" * 65, "0" * 30000, "%s%n" * 10, "' OR 1=1 --"):
            self.assertFalse(client.try_password("acme", wrong), repr(wrong)[:40])
        client.auth("acme", "keyboard-interactive", text("") + text(""))
        client.expect(USERAUTH_INFO_REQUEST)
        client.send(bytes([USERAUTH_INFO_RESPONSE]) + struct.pack(">I", 3) + text(right) * 3)
        self.assertEqual(client.receive()[0], USERAUTH_FAILURE, "three answers to one question")
        client.send(bytes([USERAUTH_INFO_RESPONSE]) + struct.pack(">I", 1) + text(right))
        self.assertFalse(self.opens(client), "an answer to no question")
        for size in (1 << 18, 1 << 20):
            client = self.at_log_in()
            try:
                client.auth("acme", "password", b"\0" + text(b"0" * size))
                self.assertEqual(client.receive()[0], USERAUTH_FAILURE)
            except Ended:
                pass
        self.check_others_are_served()

    def test_packets_of_no_allowed_length_end_the_connection(self):
        self.serve()
        for size in (0, 1, 2, 3, 1 << 18 | 1, 1 << 28, (1 << 32) - 1):
            for ready in (lambda: self.ssh(exchange=False), self.at_log_in, self.logged_in):
                client = ready()
                try:
                    client.send_bytes(client.seal(struct.pack(">I", size), os.urandom(size if size < 4 else 64)))
                    client.send_bytes(os.urandom(1 << 19))  # what it may still wait for
                except Ended:
                    continue
                client.ended(20)
        self.check_others_are_served()

    def test_every_message_number_with_random_bytes(self):
        self.serve()
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        for kind in range(256):
            client = self.at_log_in()
            try:
                for size in (0, 4, rng.randrange(5, 300)):
                    client.send(bytes([kind]) + rng.randbytes(size))
            except Ended:
                continue
            self.assertFalse(self.opens(client), f"a channel after message {kind}")
        self.check_others_are_served()

    def test_who_reads_no_answers_is_ended(self):
        self.serve(login_grace="5m")
        request = bytes([SERVICE_REQUEST]) + text("ssh-userauth")  # has the longest answer: the banner too
        for ready in (self.at_log_in, self.logged_in):
            client = ready(small=True)
            session, = self.daemon.sessions()
            with contextlib.suppress(OSError):
                for _ in range(20_000):
                    client.socket.sendall(client.packet(request))
            self.until(lambda: session not in self.daemon.sessions(), 30, "the session does not end")
            client.close()
        self.check_others_are_served()


class KeyExchange(Attacked):
    def test_wrong_guesses_again_and_again(self):
        self.serve()
        guess = bytes([KEX_ECDH_INIT]) + text(os.urandom(1158))
        client = self.at_log_in(wrong_guess=guess)
        self.assertTrue(client.try_password("acme", self.delivery["password"]))
        sftp = Sftp(client)
        for _ in range(5):
            client.exchange_keys(wrong_guess=guess)
            self.assertEqual(sftp.ask(17, text(self.name))[0], 105)
        self.check_others_are_served()

    def test_two_packets_behind_a_wrong_guess_end_the_connection(self):
        self.serve()
        client = self.ssh(exchange=False)
        with self.assertRaises(Ended):
            client.send(client.kexinit(b"sntrup761x25519-sha512@openssh.com,curve25519-sha256", True))
            for _ in range(20):
                client.send(bytes([KEX_ECDH_INIT]) + text(os.urandom(32)))
            client.ended()
            raise Ended("")
        self.check_others_are_served()

    def test_shares_of_low_order_and_of_other_lengths(self):
        self.serve()
        low = [bytes(32), b"\1" + bytes(31),
               bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
               ((1 << 255) - 19 - 1).to_bytes(32, "little"), ((1 << 255) - 19).to_bytes(32, "little")]
        for share in low + [b"", b"\x09", os.urandom(31), os.urandom(33), os.urandom(5000)]:
            client = self.ssh(exchange=False)
            client.send(client.kexinit())
            client.expect(20)
            try:
                client.send(bytes([KEX_ECDH_INIT]) + text(share))
                self.assertNotEqual(client.receive()[0], KEX_ECDH_REPLY, f"a reply to the share {share.hex()[:64]}")
            except Ended:
                pass
        self.check_others_are_served()


class AfterLogIn(Attacked):
    def test_a_second_log_in_changes_nothing(self):
        self.serve()
        self.vault.must("customer", "add", "globex", "--name", "Globex Ltd")
        theirs, = self.make_recordings(1, first=7)
        self.vault.ingest(os.path.join(self.in_dir, theirs), "globex")
        globex = self.vault.deliver("globex")
        client = self.logged_in()
        sftp = Sftp(client)
        try:
            client.auth("globex", "password", b"\0" + text(globex["password"]))
            client.auth("acme", "password", b"\0" + text(self.delivery["password"]))
            self.assertEqual(sftp.ask(17, text(self.name))[0], 105)
            self.assertEqual(sftp.status(17, text(theirs)), 2)
            self.assertNotIn(USERAUTH_SUCCESS, [payload[0] for payload in client.heard])
        except Ended:
            pass
        self.assertEqual(self.vault.state_of(globex), "open")
        self.check_others_are_served()

    def test_everything_but_sftp_is_refused_and_sftp_goes_on(self):
        self.serve()
        client = self.logged_in()
        sftp = Sftp(client)
        other = client.open_channel()
        address = text("127.0.0.1") + struct.pack(">I", 22)
        pty = text("xterm") + struct.pack(">IIII", 80, 24, 0, 0) + text("")
        for channel in (other, sftp.channel):
            for kind, rest in (("exec", text("id")), ("shell", b""), ("pty-req", pty),
                               ("env", text("LANG") + text("C")),
                               ("x11-req", b"\0" + text("MIT-MAGIC-COOKIE-1") + text("00") + b"\0\0\0\0"),
                               ("auth-agent-req@openssh.com", b""), ("subsystem", text("netconf")),
                               ("break", b"\0\0\0\1"), ("", b""), ("keepalive@openssh.com", b"")):
                self.assertFalse(client.request(channel, kind, rest), kind)
            for kind, rest in (("signal", text("KILL")), ("window-change", pty[9:25]), ("xon-xoff", b"\1"),
                               ("exit-status", b"\0\0\0\0"), ("exit-signal", text("KILL") + b"\0" + text("") * 2)):
                client.send(bytes([CHANNEL_REQUEST]) + struct.pack(">I", channel) + text(kind) + b"\0" + rest)
        for kind, rest in (("tcpip-forward", address), ("cancel-tcpip-forward", address),
                           ("streamlocal-forward@openssh.com", text("/tmp/x")), ("no-more-sessions@openssh.com", b""),
                           ("hostkeys-prove-00@openssh.com", text(b"")), ("", b"")):
            self.assertFalse(client.global_request(kind, rest), kind)
        for kind, rest in (("direct-tcpip", address + address), ("forwarded-tcpip", address + address),
                           ("x11", address), ("auth-agent@openssh.com", b""),
                           ("tun@openssh.com", struct.pack(">II", 1, 0)),
                           ("direct-streamlocal@openssh.com", text("/run/x") + text("") + b"\0\0\0\0"), ("", b"")):
            self.assertIsNone(client.open_channel(kind, rest), kind)
        self.assertEqual(sftp.ask(17, text(self.name))[0], 105)
        self.check_others_are_served()

    def test_data_behind_the_end_of_a_channel(self):
        self.serve()
        for last in (CHANNEL_EOF, CHANNEL_CLOSE):
            for _ in range(5):
                client = self.logged_in()
                sftp = Sftp(client)
                handle = sftp.open(self.name)
                read = struct.pack(">IBI", 37, 5, 9) + text(handle) + struct.pack(">QI", 0, 1000)
                number = struct.pack(">I", sftp.channel)
                try:
                    client.send(bytes([last]) + number)
                    for _ in range(50):
                        client.send(bytes([CHANNEL_DATA]) + number + text(read))
                        client.send(bytes([CHANNEL_WINDOW_ADJUST]) + number + b"\xff\xff\xff\xff")
                        client.send(bytes([last]) + number)
                        client.send(bytes([CHANNEL_REQUEST]) + number + text("subsystem") + b"\1" + text("sftp"))
                    for unknown in (1, 7, 300, (1 << 32) - 1):
                        client.send(bytes([CHANNEL_DATA]) + struct.pack(">I", unknown) + text(read))
                    client.open_channel()
                except Ended:
                    pass
                client.close()
        self.check_others_are_served()

    def test_eleven_channels_are_not_given(self):
        self.serve()
        client = self.logged_in()
        given = [client.open_channel() for _ in range(11)]
        self.assertEqual([number is not None for number in given], [True] * 4 + [False] * 7)
        self.check_others_are_served()


if __name__ == "__main__":
    unittest.main()
