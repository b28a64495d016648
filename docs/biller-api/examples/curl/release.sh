#!/usr/bin/env bash
# Frees the lock of a collect.
. "$(dirname "$0")/biller.sh"

find_bill
call collect "{\"seq\":\"$(new_seq)\",\"trace_date\":\"$(today)\",\"query_token\":\"$TOKEN\",
  \"bill_no\":\"$BILL_NO\",\"until\":\"$(in_seconds 60)\",\"channel\":\"$CHANNEL\"}"
call release "{\"seq\":\"$(new_seq)\",\"trace_date\":\"$(today)\",\"bill_no\":\"$BILL_NO\",
  \"channel\":\"$CHANNEL\"}"
