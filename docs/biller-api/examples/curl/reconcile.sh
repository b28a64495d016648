#!/usr/bin/env bash
# Sends the day file and fetches the result. The file lists one payment: what else was paid on
# this day is SHORT in the result.
. "$(dirname "$0")/biller.sh"

find_bill
seq=$(new_seq)
call pay "$(payment "$seq")"
line="$(today)|$(date +%T)|$seq|$BILL_NO|$AMOUNT|$CHANNEL|P"$'\n'
hash=$(printf '%s' "$line" | openssl dgst -sha256 -r)
call reconcile "$INST|$(today)|1|$AMOUNT|${hash%% *}"$'\n'"$line" "text/plain; charset=utf-8"
call reconcile "{\"day\":\"$(today)\"}"
