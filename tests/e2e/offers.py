"""What both sides of an SSH connection say in the clear before keys are exchanged: their names (RFC 4253, 4.2) and what they
offer (KEXINIT, 7.1)."""
import socket
import struct

LISTS = ("kex", "key", "enc_up", "enc_down", "mac_up", "mac_down", "compression_up", "compression_down")
ETM = {"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"}  # those of sftp/ssh_policy.cpp
PLAIN = {"hmac-sha2-256", "hmac-sha2-512"}
KEXINIT, COOKIE = 20, 16


def offer(stream):
    """(name, {list: [algorithms]}) from the first bytes that one side sent."""
    name, _, rest = stream.partition(b"\n")
    length, fill = struct.unpack(">IB", rest[:5])
    payload = rest[5:4 + length - fill]
    if len(rest) < 4 + length or payload[0] != KEXINIT:
        raise ValueError(f"no offer behind {name}")
    at, found = 1 + COOKIE, {}
    for which in LISTS:
        size, = struct.unpack(">I", payload[at:at + 4])
        found[which] = payload[at + 4:at + 4 + size].decode().split(",")
        at += 4 + size
    return name.decode().rstrip("\r"), found


def offered_to(port, name):
    """What the server on `port` offers to a client that calls itself `name`."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.settimeout(60)
        connection.sendall(f"{name}\r\n".encode())
        stream = b""
        while True:
            data = connection.recv(4096)
            if not data:
                raise ValueError(f"closed behind {stream!r}")
            stream += data
            try:
                return offer(stream)[1]
            except (ValueError, struct.error):
                pass
