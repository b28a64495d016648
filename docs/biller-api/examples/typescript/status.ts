// What became of a serial whose answer was not heard.

import { call, findBill, payment, show } from "./biller.js";

const body = payment(await findBill());
show(await call("pay", body));
show(await call("status", { orig_seq: body.seq, orig_date: body.trace_date }));
