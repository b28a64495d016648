// Sends the day file and fetches the result. The file lists one payment: what else was paid on
// this day is SHORT in the result.

import { createHash } from "node:crypto";
import { CHANNEL, INST, call, findBill, now, payment, send, show, today } from "./biller.js";

const body = payment(await findBill());
show(await call("pay", body));
const { seq, bill_no, amount_fen } = body;
const time = now().slice(11, 19);
const line = `${today()}|${time}|${seq}|${bill_no}|${amount_fen}|${CHANNEL}|P\n`;
const hash = createHash("sha256").update(line).digest("hex");
const file = `${INST}|${today()}|1|${amount_fen}|${hash}\n${line}`;
console.log(await send("reconcile", file, "text/plain; charset=utf-8"));
process.stdout.write(await send("reconcile", JSON.stringify({ day: today() })));
