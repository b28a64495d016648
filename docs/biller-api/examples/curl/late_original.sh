#!/usr/bin/env bash
# A reverse overtakes its pay: the pay that comes late is refused.
. "$(dirname "$0")/biller.sh"

find_bill
seq=$(new_seq)
call reverse "{\"seq\":\"$(new_seq)\",\"trace_date\":\"$(today)\",\"orig_seq\":\"$seq\",
  \"orig_date\":\"$(today)\",\"amount_fen\":$AMOUNT,\"reason\":\"TIMEOUT\"}"
call pay "$(payment "$seq")"
