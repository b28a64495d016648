"""What became of a serial whose answer was not heard."""

from biller import call, find_bill, payment, show

body = payment(find_bill())
show(call("pay", body))
show(call("status", {"orig_seq": body["seq"], "orig_date": body["trace_date"]}))
