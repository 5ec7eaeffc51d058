// Appends the events of all shops to a file, each once: node read_events.mjs HOST:PORT,… FOLDER NAME FILE.
// npm install @nats-io/transport-node
import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import { connect, credsAuthenticator } from "@nats-io/transport-node";

const [servers, folder, name, file] = process.argv.slice(2);
const tls = {
  caFile: `${folder}/ca.pem`, certFile: `${folder}/${name}.pem`, keyFile: `${folder}/${name}.key`, handshakeFirst: true,
};
const authenticator = credsAuthenticator(readFileSync(`${folder}/${name}.creds`));
const client = await connect({
  servers: servers.split(","), maxReconnectAttempts: -1, tls, authenticator, inboxPrefix: `_INBOX.${name}`,
});
const copied = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
const complete = copied.subarray(0, copied.lastIndexOf("\n") + 1);
if (complete.length < copied.length) truncateSync(file, complete.length); // a crash broke off a line: it comes again
const seen = new Set(complete.toString().split("\n").filter(Boolean).map((line) => JSON.parse(line).id));
const consumer = JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
for await (const message of client.subscribe(consumer.subject)) {
  const found = read(message);
  if (found !== undefined && !seen.has(found.id)) {
    appendFileSync(file, JSON.stringify(found) + "\n", { flush: true });
    seen.add(found.id);
  }
  message.respond(); // the servers remember the place
}

function read(message) {
  try {
    const id = message.headers.get("Nats-Msg-Id");
    const isTrue = id.startsWith(`${message.subject.split(".")[2]}/`); // the servers vouch for the shop in the subject
    return isTrue ? { id, subject: message.subject, event: message.json() } : undefined;
  } catch {
    return undefined; // no gateway sends what cannot be read
  }
}
