"""Says that the money was taken; the answer has the number of the voucher."""

from biller import CHANNEL, call, find_bill, new_seq, now, show, today

bill = find_bill()
paid = call("pay", {
    "seq": new_seq(),
    "trace_date": today(),
    "bill_no": bill["bill_no"],
    "amount_fen": bill["amount_fen"],
    "paid_at": now().isoformat(),
    "channel": CHANNEL,
})
show(paid)
