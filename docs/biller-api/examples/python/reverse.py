"""Undoes a pay of the same accounting day."""

from biller import call, find_bill, new_seq, payment, show, today

body = payment(find_bill())
show(call("pay", body))
undone = call("reverse", {
    "seq": new_seq(),
    "trace_date": today(),
    "orig_seq": body["seq"],
    "orig_date": body["trace_date"],
    "amount_fen": body["amount_fen"],
    "reason": "CANCELLED",
})
show(undone)
