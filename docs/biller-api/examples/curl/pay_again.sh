#!/usr/bin/env bash
# The same pay twice, as after a broken line: the same answer, and paid once.
. "$(dirname "$0")/biller.sh"

find_bill
body=$(payment "$(new_seq)")
first=$(call pay "$body")
again=$(call pay "$body")
printf '%s\n' "$first" "$again"
[[ $first == "$again" ]] || fail "two answers to one serial"
