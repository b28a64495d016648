// A reverse overtakes its pay: the pay that comes late is refused.

import { call, findBill, newSeq, payment, show, today } from "./biller.js";

const body = payment(await findBill());
const undone = await call("reverse", {
  seq: newSeq(),
  trace_date: today(),
  orig_seq: body.seq,
  orig_date: body.trace_date,
  amount_fen: body.amount_fen,
  reason: "TIMEOUT",
});
show(undone);
show(await call("pay", body));
