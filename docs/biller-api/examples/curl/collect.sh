#!/usr/bin/env bash
# Locks a bill for a minute, so that nobody pays it elsewhere while notes are counted.
. "$(dirname "$0")/biller.sh"

find_bill
call collect "{\"seq\":\"$(new_seq)\",\"trace_date\":\"$(today)\",\"query_token\":\"$TOKEN\",
  \"bill_no\":\"$BILL_NO\",\"until\":\"$(in_seconds 60)\",\"channel\":\"$CHANNEL\"}"
