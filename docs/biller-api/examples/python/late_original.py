"""A reverse overtakes its pay: the pay that comes late is refused."""

from biller import call, find_bill, new_seq, payment, show, today

body = payment(find_bill())
undone = call("reverse", {
    "seq": new_seq(),
    "trace_date": today(),
    "orig_seq": body["seq"],
    "orig_date": body["trace_date"],
    "amount_fen": body["amount_fen"],
    "reason": "TIMEOUT",
})
show(undone)
show(call("pay", body))
