// Says that the money was taken; the answer has the number of the voucher.

import { CHANNEL, call, findBill, newSeq, now, show, today } from "./biller.js";

const bill = await findBill();
const paid = await call("pay", {
  seq: newSeq(),
  trace_date: today(),
  bill_no: bill.bill_no,
  amount_fen: bill.amount_fen,
  paid_at: now(),
  channel: CHANNEL,
});
show(paid);
