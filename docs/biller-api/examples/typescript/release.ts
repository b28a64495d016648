// Frees the lock of a collect.

import { CHANNEL, call, findBill, newSeq, now, show, today } from "./biller.js";

const bill = await findBill();
const collected = await call("collect", {
  seq: newSeq(),
  trace_date: today(),
  query_token: bill.query_token,
  bill_no: bill.bill_no,
  until: now(60),
  channel: CHANNEL,
});
show(collected);
const released = await call("release", {
  seq: newSeq(),
  trace_date: today(),
  bill_no: bill.bill_no,
  channel: CHANNEL,
});
show(released);
