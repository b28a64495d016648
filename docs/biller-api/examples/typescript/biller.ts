// What the examples share: a signed call whose answer is proven. Node's own crypto and fetch, from
// Node 18 on. What to set stands in ../README.md.

import { createPublicKey, randomBytes, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const URL = process.env.BILLER_URL ?? "http://127.0.0.1:8080";
const KEY = readFileSync(process.env.BILLER_KEY ?? "k1.pem", "utf8");
const KEY_ID = process.env.BILLER_KEY_ID ?? "k1";
const ID_NO = process.env.BILLER_ID_NO ?? "990101194501010012";
const NAME = process.env.BILLER_NAME ?? "王建国";
const REGION = process.env.BILLER_REGION ?? "990101";
export const INST = process.env.BILLER_INST ?? "BANK01";
export const CHANNEL = process.env.BILLER_CHANNEL ?? "A7";

const SCHEME = "BILLER1-RSA2048-SHA256";

export interface Bill {
  bill_no: string;
  amount_fen: number;
  status: string;
}

export interface Queried {
  query_token: string;
  bills: Bill[];
}

/** The body of a pay. */
export interface Payment {
  seq: string;
  trace_date: string;
  bill_no: string;
  amount_fen: number;
  paid_at: string;
  channel: string;
}

/** Sends a signed call and proves the answer; gives its JSON. */
export async function call(verb: string, body: object): Promise<unknown> {
  return JSON.parse(await send(verb, JSON.stringify(body)));
}

/** Sends a signed call and proves the answer; gives its text. */
export async function send(
  verb: string,
  body: string,
  contentType = "application/json",
): Promise<string> {
  const path = `/biller/v1/${verb}`;
  const timestamp = seconds();
  const nonce = randomBytes(16).toString("hex");
  const ours = lines("POST", path, timestamp, nonce, body);
  const signature = sign("sha256", ours, KEY).toString("base64");
  const headers: Record<string, string> = {
    Authorization:
      `${SCHEME} inst_id="${INST}",key_id="${KEY_ID}",timestamp="${timestamp}",` +
      `nonce_str="${nonce}",signature="${signature}"`,
    "Content-Type": contentType,
  };
  if (verb === "echo-signature") {
    headers["Biller-String-To-Sign"] = ours.toString("base64");
  }
  const signal = AbortSignal.timeout(30_000);
  const answer = await fetch(URL + path, { method: "POST", headers, body, signal });
  const told = await answer.text();
  await prove(answer, path, nonce, told);
  if (answer.status !== 200) {
    throw new Error(`not decided: HTTP ${answer.status}: ${told}`);
  }
  return told;
}

/** What is signed: every part with a line break behind it. */
function lines(...parts: (string | number)[]): Buffer {
  return Buffer.from(parts.map((part) => `${part}\n`).join(""));
}

/** Throws unless the answer is the platform's, to this call, of now; else the outcome is unknown. */
async function prove(answer: Response, path: string, nonce: string, told: string): Promise<void> {
  const header = (name: string) => answer.headers.get(name) ?? "";
  if (header("Biller-Nonce") !== nonce) {
    throw new Error(`the answer is not to this call: HTTP ${answer.status}`);
  }
  const timestamp = header("Biller-Timestamp");
  if (!(Math.abs(seconds() - Number(timestamp)) <= 300)) {
    throw new Error("the answer is old");
  }
  const theirs = lines(answer.status, path, timestamp, nonce, told);
  const key = await platformKey(header("Biller-Key-Id"));
  const signature = Buffer.from(header("Biller-Signature"), "base64");
  if (!verify("sha256", theirs, key, signature)) {
    throw new Error("the signature of the answer is wrong");
  }
}

/** The platform's public key. In earnest keep those that you were handed, instead of asking. */
async function platformKey(keyId: string) {
  const answer = await fetch(`${URL}/biller/v1/keys`);
  const told = (await answer.json()) as { keys: { key_id: string; public_key: string }[] };
  const known = told.keys.find((key) => key.key_id === keyId);
  if (known === undefined) {
    throw new Error(`the platform has no key ${keyId}`);
  }
  return createPublicKey(known.public_key);
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** A serial that was never used. */
export function newSeq(): string {
  return `${today().replaceAll("-", "")}-${randomBytes(8).toString("hex")}`;
}

/** Beijing's time in so many seconds, as the contract writes it. */
export function now(plusSeconds = 0): string {
  const beijing = new Date((seconds() + plusSeconds + 8 * 3600) * 1000);
  return beijing.toISOString().slice(0, 19) + "+08:00";
}

export function today(): string {
  return now().slice(0, 10);
}

/** Whom to ask for. */
export function question() {
  return {
    pooling_region: REGION,
    id_type: "id_card",
    id_no: ID_NO,
    name: NAME,
    relation: "other",
    channel: CHANNEL,
  };
}

/** The person's first bill, with the token that lists it. */
export async function findBill(): Promise<Bill & { query_token: string }> {
  const told = (await call("query", question())) as Queried;
  const bill = told.bills[0];
  if (bill === undefined) {
    throw new Error("no bill");
  }
  return { ...bill, query_token: told.query_token };
}

/** The body of a pay of the whole bill, paid this moment. */
export function payment(bill: Bill): Payment {
  return {
    seq: newSeq(),
    trace_date: today(),
    bill_no: bill.bill_no,
    amount_fen: bill.amount_fen,
    paid_at: now(),
    channel: CHANNEL,
  };
}

export function show(answer: unknown): void {
  console.log(JSON.stringify(answer));
}
