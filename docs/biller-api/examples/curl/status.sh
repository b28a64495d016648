#!/usr/bin/env bash
# What became of a serial whose answer was not heard.
. "$(dirname "$0")/biller.sh"

find_bill
seq=$(new_seq)
call pay "$(payment "$seq")"
call status "{\"orig_seq\":\"$seq\",\"orig_date\":\"$(today)\"}"
