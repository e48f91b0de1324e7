// Runs ssh2 or ssh2-sftp-client as a customer's script would. The job comes as JSON on stdin.
"use strict";
const fs = require("fs");
const path = require("path");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const key = fs.readFileSync(job.known_hosts, "utf8").trim().split(" ")[2];
const login = {
  host: job.host, port: job.port, username: job.account, password: job.password, readyTimeout: 60000,
  hostVerifier: (given) => given.toString("base64") === key,
};
const local = (name) => path.join(job.target, name);

function withSsh2() {
  const client = new (require("ssh2").Client)();
  return new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("ready", () => client.sftp(async (error, sftp) => {
      if (error) return reject(error);
      try {
        for (const name of job.names) {
          await new Promise((done, failed) => {
            if (job.how === "fastGet") return sftp.fastGet(name, local(name), (e) => (e ? failed(e) : done()));
            const out = fs.createWriteStream(local(name));
            sftp.createReadStream(name).on("error", failed).pipe(out);
            out.on("finish", done).on("error", failed);
          });
        }
        client.end();
        resolve();
      } catch (e) { reject(e); }
    }));
    client.connect(login);
  });
}

async function withSftpClient() {
  const client = new (require("ssh2-sftp-client"))();
  await client.connect(login);
  if (job.how === "downloadDir") await client.downloadDir("/", job.target);
  for (const name of job.how === "downloadDir" ? [] : job.names) await client[job.how](name, local(name));
  await client.end();
}

(process.argv[2] === "ssh2" ? withSsh2() : withSftpClient()).catch((e) => {
  console.error(e.message);
  process.exit(1);
});
