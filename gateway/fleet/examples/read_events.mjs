// Appends the events of all shops to a file, each once: node read_events.mjs HOST:PORT,… FOLDER NAME FILE.
// npm install @nats-io/transport-node @nats-io/jetstream
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";

const [servers, folder, name, file] = process.argv.slice(2);
const tls = {
  caFile: `${folder}/ca.pem`, certFile: `${folder}/${name}.pem`, keyFile: `${folder}/${name}.key`, handshakeFirst: true,
};
const authenticator = credsAuthenticator(readFileSync(`${folder}/${name}.creds`));
const client = await connect({
  servers: servers.split(","), maxReconnectAttempts: -1, tls, authenticator, inboxPrefix: `_INBOX.${name}`,
});
const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
const seen = new Set(lines.filter(Boolean).map((line) => JSON.parse(line).id));
const consumer = await jetstream(client, { checkAPI: false }).consumers.get("events", name);
for await (const message of await consumer.consume()) {
  const id = message.headers.get("Nats-Msg-Id");
  if (!seen.has(id)) {
    appendFileSync(file, JSON.stringify({ id, subject: message.subject, event: message.json() }) + "\n", { flush: true });
    seen.add(id);
  }
  message.ack(); // the servers remember the place
}
