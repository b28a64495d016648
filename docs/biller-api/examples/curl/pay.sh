#!/usr/bin/env bash
# Says that the money was taken; the answer has the number of the voucher.
. "$(dirname "$0")/biller.sh"

find_bill
call pay "{\"seq\":\"$(new_seq)\",\"trace_date\":\"$(today)\",\"bill_no\":\"$BILL_NO\",
  \"amount_fen\":$AMOUNT,\"paid_at\":\"$(in_seconds 0)\",\"channel\":\"$CHANNEL\"}"
