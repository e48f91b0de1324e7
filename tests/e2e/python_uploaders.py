"""Runs paramiko or asyncssh as a recorder's script would. The job comes as JSON on stdin; `how` is the key's file."""
import asyncio
import json
import os
import sys

job = json.load(sys.stdin)


def path(name):
    return os.path.join(job["target"], name)


def with_paramiko():
    import paramiko
    client = paramiko.SSHClient()
    client.load_host_keys(job["known_hosts"])
    client.connect(job["host"], job["port"], job["account"], key_filename=job["how"], allow_agent=False,
                   look_for_keys=False)
    sftp = client.open_sftp()
    for number, name in enumerate(job["names"]):
        if number % 2 == 0:
            sftp.put(path(name), name)
        else:
            with open(path(name), "rb") as source:
                sftp.putfo(source, name)
    client.close()


async def with_asyncssh():
    import asyncssh
    async with asyncssh.connect(job["host"], job["port"], username=job["account"], client_keys=[job["how"]],
                                known_hosts=job["known_hosts"], agent_path=None) as connection:
        async with connection.start_sftp_client() as sftp:
            for name in job["names"]:
                await sftp.put(path(name), name)


if sys.argv[1] == "paramiko":
    with_paramiko()
else:
    asyncio.run(with_asyncssh())
