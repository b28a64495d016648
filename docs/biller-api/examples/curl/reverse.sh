#!/usr/bin/env bash
# Undoes a pay of the same accounting day.
. "$(dirname "$0")/biller.sh"

find_bill
seq=$(new_seq)
call pay "$(payment "$seq")"
call reverse "{\"seq\":\"$(new_seq)\",\"trace_date\":\"$(today)\",\"orig_seq\":\"$seq\",
  \"orig_date\":\"$(today)\",\"amount_fen\":$AMOUNT,\"reason\":\"CANCELLED\"}"
