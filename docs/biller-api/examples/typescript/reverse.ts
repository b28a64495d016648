// Undoes a pay of the same accounting day.

import { call, findBill, newSeq, payment, show, today } from "./biller.js";

const body = payment(await findBill());
show(await call("pay", body));
const undone = await call("reverse", {
  seq: newSeq(),
  trace_date: today(),
  orig_seq: body.seq,
  orig_date: body.trace_date,
  amount_fen: body.amount_fen,
  reason: "CANCELLED",
});
show(undone);
