// A till in TypeScript, written against the types that openapi-typescript generates from the document.
//
// It uses what the document promises, and no other knowledge of the gateway. `till.js PHASE` plays one phase of a day; it
// fails where the gateway does not keep the promise. GATEWAY, POS_TOKEN and ADMIN_TOKEN are in the environment.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import createClient from "openapi-fetch";
import type { components, paths } from "./store.js";

type Event = components["schemas"]["Event"];

const MAX_WAIT_MS = 120_000;
const connect = (token: string) =>
  createClient<paths>({ baseUrl: process.env.GATEWAY!, headers: { Authorization: `Bearer ${token}` } });
const pos = connect(process.env.POS_TOKEN!);
const admin = connect(process.env.ADMIN_TOKEN!);

function sendOrder(number: string, waitS = 10) {
  return pos.POST("/api/v1/cloud/order/update", {
    params: { header: { Prefer: `wait=${waitS}`, "Idempotency-Key": `key of ${number}` } },
    body: { order_list: [{ order_no: number, order_type: 1, received_amount: 12.8 }] },
  });
}

/** Hand over an order that cannot be delivered at once; return its name in the outbox. */
async function acceptOrder(number: string, waitS = 0): Promise<string> {
  const { data, response } = await sendOrder(number, waitS);
  assert.equal(response.status, 202);
  assert(data && "outbox_id" in data);
  assert(response.headers.get("Location")!.endsWith(data.outbox_id));
  return data.outbox_id;
}

async function findState(outboxId: string): Promise<components["schemas"]["ItemState"]> {
  const { data } = await pos.GET("/api/v1/outbox/{outbox_id}", { params: { path: { outbox_id: outboxId } } });
  return data!.state;
}

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + MAX_WAIT_MS;
  while (!(await condition())) {
    assert(Date.now() < giveUpAt, "it takes too long");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function readEvents(): Promise<Event[]> {
  const { data } = await pos.GET("/api/v1/events", { params: { query: { after: "0", limit: 1000 } } });
  assert(typeof data === "object"); // a stream would be text
  return data.events;
}

/** What a till shows of an event. A type that is not known is no mistake. */
function describeEvent(event: Event): string {
  switch (event.type) {
    case "cloud.lost":
      return `the cloud is away: ${event.data.reason}`;
    case "face.seen":
      return `${event.data.gender ?? "somebody"} in front of ${event.camera ?? "a camera"}`;
    case "webhook.test":
      return `test of ${event.data.webhook_id}`;
    default:
      return event.type;
  }
}

async function up(): Promise<void> {
  const sent = await sendOrder("up-1");
  assert.equal(sent.response.status, 200);
  assert(sent.data && "code" in sent.data && sent.data.code === 0);
  assert.equal((await sendOrder("up-1")).response.headers.get("Idempotent-Replayed"), "true");
  const created = await pos.POST("/api/v1/cloud/product/create", {
    body: { product_list: [{ id: "4711", name: "Cola", price: 1.5 }] },
  });
  assert.equal(created.response.status, 200);
  const delivered = await pos.GET("/api/v1/outbox", { params: { query: { state: "delivered" } } });
  assert.deepEqual(new Set(delivered.data!.items.map((item) => item.reference)), new Set(["up-1", "4711"]));
  const tag = delivered.response.headers.get("ETag")!;
  const again = await pos.GET("/api/v1/outbox", {
    params: { query: { state: "delivered" }, header: { "If-None-Match": tag } },
  });
  assert.equal(again.response.status, 304);
  assert((await readEvents()).map(describeEvent).every((text) => text));
  await receiveWebhook();
}

async function receiveWebhook(): Promise<void> {
  let secret = "";
  const received: Event[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const signed = `${request.headers["webhook-id"]}.${request.headers["webhook-timestamp"]}.${body}`;
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const signature = createHmac("sha256", key).update(signed).digest("base64");
    received.push(JSON.parse(body) as Event);
    response.writeHead(request.headers["webhook-signature"] === `v1,${signature}` ? 204 : 401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const added = await admin.POST("/api/v1/webhooks", { body: { url, name: "the till", types: ["webhook.test"] } });
  assert(added.data);
  secret = added.data.secret;
  const path = { id: added.data.webhook_id };
  const outcome = await admin.POST("/api/v1/webhooks/{id}/test", { params: { path } });
  assert.equal(outcome.data?.delivered, true);
  assert.deepEqual(received.map(describeEvent), [`test of ${path.id}`]);
  assert.equal((await admin.DELETE("/api/v1/webhooks/{id}", { params: { path } })).response.status, 204);
  server.close();
}

async function down(): Promise<void> {
  const outboxId = await acceptOrder("down-1", 5);
  assert.equal(await acceptOrder("down-1"), outboxId);
  await waitUntil(async () => (await findState(outboxId)) === "waiting"); // it may be tried just now
  const { error, response } = await pos.POST("/api/v1/cloud/product/getList", { body: {} });
  assert.equal(error?.code, "cloud_unreachable");
  assert(Number(response.headers.get("Retry-After")) > 0);
  await waitUntil(async () => (await readEvents()).some((event) => event.type === "cloud.lost" && event.data.reason));
}

async function back(): Promise<void> {
  await waitUntil(async () => {
    const query = { state: "delivered", path: "order/update" } as const;
    const { data } = await pos.GET("/api/v1/outbox", { params: { query } });
    return data!.items.some((item) => item.reference === "down-1");
  });
  await waitUntil(async () => (await readEvents()).some((event) => event.type === "cloud.back"));
}

async function slow(): Promise<void> {
  const outboxId = await acceptOrder("slow-1");
  await waitUntil(async () => (await findState(outboxId)) === "delivered");
  assert.equal((await sendOrder("slow-2", 30)).response.status, 200);
}

async function refused(): Promise<void> {
  const [first, second] = [await sendOrder("refused-1"), await sendOrder("refused-2")];
  assert.equal(first.error?.code, "vendor_refused");
  assert.equal(first.error.vendor_code, 5047);
  assert(first.error.outbox_id && second.error?.outbox_id);
  const path = { outbox_id: first.error.outbox_id };
  const item = (await pos.GET("/api/v1/outbox/{outbox_id}", { params: { path } })).data!;
  const edited = await pos.PUT("/api/v1/outbox/{outbox_id}", { params: { path }, body: { parameters: item.parameters! } });
  const outboxId = edited.data!.outbox_id;
  await waitUntil(async () => (await findState(outboxId)) === "delivered");
  const dropped = { outbox_id: second.error.outbox_id };
  assert.equal((await pos.DELETE("/api/v1/outbox/{outbox_id}", { params: { path: dropped } })).response.status, 204);
  const gone = await pos.GET("/api/v1/outbox/{outbox_id}", { params: { path: dropped } });
  assert.equal(gone.error?.code, "not_found");
}

const phases: Record<string, () => Promise<void>> = { up, down, back, slow, refused };
await phases[process.argv[2]!]!();
