"""Runs paramiko or asyncssh as a customer's script would. The job comes as JSON on stdin."""
import asyncio
import json
import os
import sys

job = json.load(sys.stdin)


def path(name):
    return os.path.join(job["target"], name)


class Stopped(Exception):
    pass


def stop_at_half(done, size):
    if done * 2 >= size:
        raise Stopped


def to_half(sftp, name):
    """What a user's Ctrl-C does to a script: the file is closed while READs are outstanding."""
    if job["how"] == "get to half":
        try:
            sftp.get(name, path(name), callback=stop_at_half)
        except Stopped:
            print("stopped at half")
        return
    with sftp.open(name, "rb") as source:
        half = source.stat().st_size // 2  # asked later, it would be answered behind all READs, and all would be here
        source.prefetch()
        source.read(half)
    print("stopped at half")


def with_paramiko():
    import paramiko
    client = paramiko.SSHClient()
    client.load_host_keys(job["known_hosts"])
    client.connect(job["host"], job["port"], job["account"], job["password"], allow_agent=False, look_for_keys=False)
    sftp = client.open_sftp()
    for name in job["names"]:
        if job["how"].endswith("to half"):
            to_half(sftp, name)
            continue
        if job["how"] == "get":
            sftp.get(name, path(name))
            continue
        with open(path(name), "wb") as out:
            if job["how"] == "getfo":
                sftp.getfo(name, out)
                continue
            with sftp.open(name, "rb") as source:
                if job["how"] == "prefetch":
                    source.prefetch()
                out.write(source.read())
    client.close()


async def with_asyncssh():
    import asyncssh
    async with asyncssh.connect(job["host"], job["port"], username=job["account"], password=job["password"],
                                known_hosts=job["known_hosts"], client_keys=None, config=None) as connection:
        async with connection.start_sftp_client() as sftp:
            if job["how"] == "mget":
                return await sftp.mget("/*", job["target"], recurse=True)
            for name in job["names"]:
                await sftp.get(name, path(name), preserve=job["how"] == "preserve")


if sys.argv[1] == "paramiko":
    with_paramiko()
else:
    asyncio.run(with_asyncssh())
