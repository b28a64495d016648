# What the examples share: a signed call whose answer is proven. bash, openssl and curl, no more.
# What to set stands in ../README.md.

set -euo pipefail
shopt -s inherit_errexit
export TZ=CST-8 # Beijing

URL=${BILLER_URL:-http://127.0.0.1:8080}
INST=${BILLER_INST:-BANK01}
KEY=${BILLER_KEY:-k1.pem}
KEY_ID=${BILLER_KEY_ID:-k1}
CHANNEL=${BILLER_CHANNEL:-A7}
ID_NO=${BILLER_ID_NO:-990101194501010012}
NAME=${BILLER_NAME:-王建国}
REGION=${BILLER_REGION:-990101}

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

if openssl pkey -in "$KEY" -noout -text | grep -q SM2; then
  SCHEME=BILLER1-SM2-SM3
  DIGEST=(-sm3 -sigopt distid:1234567812345678)
else
  SCHEME=BILLER1-RSA2048-SHA256
  DIGEST=(-sha256)
fi
curl -sS --fail "$URL/biller/v1/keys" -o "$WORK/keys.json"

fail() {
  echo "$*" >&2
  exit 1
}

# field NAME TEXT: the first value of this name. Enough here; in earnest take a JSON parser.
field() {
  [[ $2 =~ \"$1\":(\"([^\"]*)\"|[^,}]*) ]] || fail "no $1 in $2"
  echo "${BASH_REMATCH[2]:-${BASH_REMATCH[1]}}"
}

# header NAME: of the last answer.
header() {
  sed -n "s/^$1: *\([^\r]*\)\r*$/\1/ip" "$WORK/head"
}

# call VERB BODY [CONTENT-TYPE]: sends a signed call, proves the answer, prints its body.
call() {
  local path=/biller/v1/$1 timestamp nonce said status
  timestamp=$(date +%s)
  nonce=$(openssl rand -hex 16)
  printf '%s' "$2" >"$WORK/body"
  printf 'POST\n%s\n%s\n%s\n%s\n' "$path" "$timestamp" "$nonce" "$2" >"$WORK/ours"
  said="$SCHEME inst_id=\"$INST\",key_id=\"$KEY_ID\",timestamp=\"$timestamp\""
  said+=",nonce_str=\"$nonce\",signature=\"$(sign "$WORK/ours")\""
  local headers=(-H "Authorization: $said" -H "Content-Type: ${3:-application/json}")
  if [[ $1 == echo-signature ]]; then
    headers+=(-H "Biller-String-To-Sign: $(openssl base64 -A -in "$WORK/ours")")
  fi
  status=$(curl -sS --max-time 30 "$URL$path" "${headers[@]}" --data-binary @"$WORK/body" \
    -D "$WORK/head" -o "$WORK/answer" -w '%{http_code}')
  prove "$status" "$path" "$nonce"
  [[ $status == 200 ]] || fail "HTTP $status: $(cat "$WORK/answer")"
  cat "$WORK/answer"
  [[ -z $(tail -c1 "$WORK/answer") ]] || echo
}

sign() {
  openssl dgst "${DIGEST[@]}" -sign "$KEY" "$1" | openssl base64 -A
}

# prove STATUS PATH NONCE: ends here unless the answer is the platform's, to this call, of now. In
# earnest keep the platform's public keys that you were handed, instead of asking for them.
prove() {
  local age
  [[ $(header Biller-Nonce) == "$3" ]] || fail "the answer is not to this call: HTTP $1"
  age=$(($(date +%s) - $(header Biller-Timestamp)))
  ((age >= -300 && age <= 300)) || fail "the answer is $age s old"
  local keys && keys=$(<"$WORK/keys.json")
  field public_key "${keys#*\"key_id\":\"$(header Biller-Key-Id)\"}" >"$WORK/pem"
  printf '%b\n' "$(<"$WORK/pem")" >"$WORK/pem"
  header Biller-Signature | openssl base64 -d -A >"$WORK/signature"
  {
    printf '%s\n%s\n%s\n%s\n' "$1" "$2" "$(header Biller-Timestamp)" "$3"
    cat "$WORK/answer"
    echo
  } >"$WORK/theirs"
  openssl dgst "${DIGEST[@]}" -verify "$WORK/pem" -signature "$WORK/signature" "$WORK/theirs" \
    >/dev/null || fail "the signature of the answer is wrong"
}

# A serial that was never used.
new_seq() {
  echo "$(date +%Y%m%d)-$(openssl rand -hex 8)"
}

today() {
  date +%F
}

# in_seconds N: the time then, as the contract writes it.
in_seconds() {
  date -d "@$(($(date +%s) + $1))" +%FT%T+08:00
}

# Asks what the person owes: sets TOKEN, BILL_NO and AMOUNT of the first bill.
find_bill() {
  local told
  told=$(call query "{\"pooling_region\":\"$REGION\",\"id_type\":\"id_card\",\"id_no\":\"$ID_NO\",
    \"name\":\"$NAME\",\"relation\":\"other\",\"channel\":\"$CHANNEL\"}")
  TOKEN=$(field query_token "$told")
  BILL_NO=$(field bill_no "$told")
  AMOUNT=$(field amount_fen "$told")
}

# payment SEQ: the body of a pay of that bill, paid this moment.
payment() {
  printf '{"seq":"%s","trace_date":"%s","bill_no":"%s","amount_fen":%s,"paid_at":"%s","channel":"%s"}' \
    "$1" "$(today)" "$BILL_NO" "$AMOUNT" "$(in_seconds 0)" "$CHANNEL"
}
