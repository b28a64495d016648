"""Sends the day file and fetches the result. The file lists one payment: what else was paid on
this day is SHORT in the result.
"""

from hashlib import sha256

from biller import CHANNEL, INST, call, find_bill, now, payment, show, today

body = payment(find_bill())
show(call("pay", body))
seq, bill_no, fen = body["seq"], body["bill_no"], body["amount_fen"]
line = f"{today()}|{now():%H:%M:%S}|{seq}|{bill_no}|{fen}|{CHANNEL}|P\n"
hash = sha256(line.encode()).hexdigest()
file = f"{INST}|{today()}|1|{fen}|{hash}\n{line}"
show(call("reconcile", file.encode(), "text/plain; charset=utf-8"))
show(call("reconcile", {"day": today()}))
