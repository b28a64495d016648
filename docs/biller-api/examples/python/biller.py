"""What the examples share: a signed call whose answer is proven.

Python's standard library and `cryptography`. What to set stands in ../README.md.
"""

import base64
import json
import os
import secrets
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

URL = os.environ.get("BILLER_URL", "http://127.0.0.1:8080")
INST = os.environ.get("BILLER_INST", "BANK01")
KEY = Path(os.environ.get("BILLER_KEY", "k1.pem"))
KEY_ID = os.environ.get("BILLER_KEY_ID", "k1")
CHANNEL = os.environ.get("BILLER_CHANNEL", "A7")
ID_NO = os.environ.get("BILLER_ID_NO", "990101194501010012")
NAME = os.environ.get("BILLER_NAME", "王建国")
REGION = os.environ.get("BILLER_REGION", "990101")

SCHEME = "BILLER1-RSA2048-SHA256"
BEIJING = timezone(timedelta(hours=8))


class WrongAnswer(Exception):
    """The answer is not the platform's, or not to this call: the outcome is unknown."""


class NotDecided(Exception):
    """The platform answered with an error; it has decided and stored nothing."""


def lines(*parts):
    """What is signed: every part with a line break behind it."""
    raw = (part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return b"".join(part + b"\n" for part in raw)


def call(verb, body, content_type="application/json"):
    """Sends a signed call and proves the answer; gives its JSON, or its text when it is a file."""
    path = f"/biller/v1/{verb}"
    if not isinstance(body, bytes):
        body = json.dumps(body, ensure_ascii=False).encode()
    timestamp, nonce = int(time.time()), secrets.token_hex(16)
    ours = lines("POST", path, timestamp, nonce, body)
    signature = base64.b64encode(PRIVATE_KEY.sign(ours, padding.PKCS1v15(), hashes.SHA256()))
    headers = {
        "Authorization": f'{SCHEME} inst_id="{INST}",key_id="{KEY_ID}",timestamp="{timestamp}",'
        f'nonce_str="{nonce}",signature="{signature.decode()}"',
        "Content-Type": content_type,
    }
    if verb == "echo-signature":
        headers["Biller-String-To-Sign"] = base64.b64encode(ours).decode()
    request = urllib.request.Request(URL + path, data=body, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error  # an answer too, and signed as well
    with answer:
        told = answer.read()
    prove(answer, path, nonce, told)
    if answer.status != 200:
        raise NotDecided(f"HTTP {answer.status}: {told.decode()}")
    is_json = answer.headers.get_content_type() == "application/json"
    return json.loads(told) if is_json else told.decode()


def prove(answer, path, nonce, told):
    """Ends in an error unless the answer is the platform's, to this call, of now."""
    head = answer.headers
    if head["Biller-Nonce"] != nonce:
        raise WrongAnswer(f"the answer is not to this call: HTTP {answer.status}")
    if abs(time.time() - int(head["Biller-Timestamp"])) > 300:
        raise WrongAnswer("the answer is old")
    theirs = lines(answer.status, path, head["Biller-Timestamp"], nonce, told)
    signature = base64.b64decode(head["Biller-Signature"])
    key = platform_key(head["Biller-Key-Id"])
    try:
        key.verify(signature, theirs, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise WrongAnswer("the signature of the answer is wrong") from None


def platform_key(key_id):
    """The platform's public key. In earnest keep those that you were handed, instead of asking."""
    with urllib.request.urlopen(f"{URL}/biller/v1/keys", timeout=30) as answer:
        known = {key["key_id"]: key["public_key"] for key in json.load(answer)["keys"]}
    return serialization.load_pem_public_key(known[key_id].encode())


def new_seq():
    """A serial that was never used."""
    return f"{now():%Y%m%d}-{secrets.token_hex(8)}"


def now():
    return datetime.now(BEIJING).replace(microsecond=0)


def today():
    return now().date().isoformat()


def question():
    """Whom to ask for."""
    return {
        "pooling_region": REGION,
        "id_type": "id_card",
        "id_no": ID_NO,
        "name": NAME,
        "relation": "other",
        "channel": CHANNEL,
    }


def find_bill():
    """The person's first bill, with the token that lists it."""
    told = call("query", question())
    return told["bills"][0] | {"query_token": told["query_token"]}


def payment(bill):
    """The body of a pay of the whole bill, paid this moment."""
    return {
        "seq": new_seq(),
        "trace_date": today(),
        "bill_no": bill["bill_no"],
        "amount_fen": bill["amount_fen"],
        "paid_at": now().isoformat(),
        "channel": CHANNEL,
    }


def show(answer):
    print(json.dumps(answer, ensure_ascii=False) if isinstance(answer, dict) else answer.strip())


PRIVATE_KEY = serialization.load_pem_private_key(KEY.read_bytes(), password=None)
