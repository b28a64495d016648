"""What schemathesis has to know of the biller API: a request is signed over the bytes that leave, and
an answer is signed too. Counts the calls."""

import atexit
import base64
import json
import os
import secrets
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zlib import crc32

import requests
import schemathesis
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

PORTAL = os.environ["API_PORTAL"]
INST, KEY_ID = os.environ["API_INST"], "k1"
KEY = serialization.load_pem_private_key(Path(os.environ["API_KEY"]).read_bytes(), password=None)
HOW = (padding.PKCS1v15(), hashes.SHA256())


def platform_keys():
    told = requests.get(PORTAL + "/biller/v1/keys", timeout=30).json()["keys"]
    pems = {key["key_id"]: key["public_key"] for key in told if "RSA" in key["scheme"]}
    return {key_id: serialization.load_pem_public_key(pem.encode()) for key_id, pem in pems.items()}


PLATFORM_KEYS = platform_keys()
calls = 0


def tell():
    Path(os.environ["API_COUNT"]).write_text(str(calls))


atexit.register(tell)


def lines(*parts):
    raw = (part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return b"".join(part + b"\n" for part in raw)


def body_of(request):
    body = request.body or b""
    return body.encode() if isinstance(body, str) else body


class Signed(requests.auth.AuthBase):
    """Signs what is about to leave."""

    def __call__(self, request):
        timestamp, nonce = int(time.time()), secrets.token_hex(16)
        ours = lines(request.method, request.path_url, timestamp, nonce, body_of(request))
        signature = base64.b64encode(KEY.sign(ours, *HOW)).decode()
        request.headers["Authorization"] = (
            f'BILLER1-RSA2048-SHA256 inst_id="{INST}",key_id="{KEY_ID}",timestamp="{timestamp}",'
            f'nonce_str="{nonce}",signature="{signature}"'
        )
        request.nonce = nonce
        return request


def people():
    """Those whom the demo showed first: later it shows only who has not paid yet."""
    kept = Path(os.environ["API_PEOPLE"])
    if not kept.exists():
        shown = requests.get(PORTAL + "/_demo", timeout=30).json()["samples"][:20]
        kept.write_text(json.dumps(shown))
    return json.loads(kept.read_text())


def real_bills():
    """Numbers of bills that are there, with tokens that list them."""
    found = []
    for person in people():
        body = {
            "pooling_region": person["region"],
            "id_type": "id_card",
            "id_no": person["id_number"],
            "name": person["name"],
            "relation": "other",
            "channel": "A7",
        }
        told = requests.post(PORTAL + "/biller/v1/query", json=body, auth=Signed(), timeout=30).json()
        bill = told["bills"][0]
        found.append({name: bill[name] for name in ("bill_no", "amount_fen")} | {
            "query_token": told["query_token"]
        })
    return found


BILLS = real_bills()


# Serials of earlier calls.
sent = [secrets.token_hex(8)]


@schemathesis.hook
def map_body(context, body):
    """Puts a real bill, an earlier serial and the time of now into three of four calls, or hardly one
    got beyond "there is no such bill"."""
    # The body decides, so that a seed repeats a run.
    turn = crc32(repr(body).encode())
    if not isinstance(body, dict) or turn % 4 == 0:
        return body
    now = datetime.now(timezone(timedelta(hours=8)))
    today = now.date().isoformat()
    real = BILLS[turn // 4 % len(BILLS)] | {
        "trace_date": today,
        "orig_date": today,
        "paid_at": now.isoformat(timespec="seconds"),
        "until": (now + timedelta(seconds=60)).isoformat(timespec="seconds"),
        "terminal": "T1",
        "orig_seq": sent[turn // 4 % len(sent)],
        "channel": "A7",
    }
    return body | {name: value for name, value in real.items() if name in body}


@schemathesis.hook
def before_call(context, case, kwargs):
    global calls
    calls += 1
    kwargs["auth"] = Signed()
    if isinstance(case.body, dict) and isinstance(case.body.get("seq"), str):
        sent.append(case.body["seq"])
        del sent[:-50]


@schemathesis.check
def answer_is_signed(context, response, case):
    """Every answer to a caller that is known is signed, refusals and errors too. What is no POST
    reaches no verb."""
    if response.request.method != "POST":
        return
    request, head = response.request, {name: value[0] for name, value in response.headers.items()}
    assert head.get("biller-nonce") == request.nonce, "the answer is not to this call"
    theirs = lines(
        response.status_code, request.path_url, head["biller-timestamp"], request.nonce, response.content
    )
    signature = base64.b64decode(head["biller-signature"])
    PLATFORM_KEYS[head["biller-key-id"]].verify(signature, theirs, *HOW)
