"""Frees the lock of a collect."""

from datetime import timedelta

from biller import CHANNEL, call, find_bill, new_seq, now, show, today

bill = find_bill()
collected = call("collect", {
    "seq": new_seq(),
    "trace_date": today(),
    "query_token": bill["query_token"],
    "bill_no": bill["bill_no"],
    "until": (now() + timedelta(seconds=60)).isoformat(),
    "channel": CHANNEL,
})
show(collected)
released = call("release", {
    "seq": new_seq(),
    "trace_date": today(),
    "bill_no": bill["bill_no"],
    "channel": CHANNEL,
})
show(released)
