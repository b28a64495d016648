// The same pay twice, as after a broken line: the same answer, and paid once.

import { findBill, payment, send } from "./biller.js";

const body = JSON.stringify(payment(await findBill()));
const first = await send("pay", body);
const again = await send("pay", body);
console.log(first);
console.log(again);
if (first !== again) {
  throw new Error("two answers to one serial");
}
