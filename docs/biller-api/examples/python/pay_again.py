"""The same pay twice, as after a broken line: the same answer, and paid once."""

from biller import call, find_bill, payment, show

body = payment(find_bill())
first = call("pay", body)
again = call("pay", body)
show(first)
show(again)
assert first == again, "two answers to one serial"
