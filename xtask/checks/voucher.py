"""A paid voucher, read and verified by programs that share nothing with ours.

One premium is paid in a running demo. The QR code is read from the PNG by zbarimg, the PDF by
poppler, the signature is checked by Python's cryptography with a CBOR reader of this file; then a
copy of the binary verifies the same files in an empty folder, and must refuse what was changed.
"""

import base64
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

SEED = 20261122
PNG_BYTES_MAX = 60_000
PDF_BYTES_MAX = 150_000
CHANGES = 40
QR_LETTERS = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")

results = []


def check(name, good, detail=""):
    results.append(bool(good))
    print(("ok     " if good else "FAILED ") + name + (f": {detail}" if detail and not good else ""))


def run(*command, stdin=None, cwd=None, env=None):
    return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=env, check=False)


def get(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read()


class Cbor:
    """As much of RFC 8949 as a voucher uses."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        part = self.data[self.at:self.at + count]
        self.at += count
        return part

    def value(self):
        first = self.take(1)[0]
        major, small = first >> 5, first & 31
        number = small if small < 24 else int.from_bytes(self.take(1 << (small - 24)), "big")
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 2:
            return self.take(number)
        if major == 3:
            return self.take(number).decode()
        if major == 4:
            return [self.value() for _ in range(number)]
        if major == 5:
            return {self.value(): self.value() for _ in range(number)}
        raise ValueError(f"major type {major}")


def cbor_bytes(data):
    head = bytes([0x40 | len(data)]) if len(data) < 24 else (
        b"\x58" + bytes([len(data)]) if len(data) < 256 else b"\x59" + len(data).to_bytes(2, "big"))
    return head + data


def signed_claims(text, keys):
    """The claims of a QR text when its ES256 signature holds; InvalidSignature otherwise."""
    prefix, code = re.fullmatch(r"(HTTPS://[^/]+/Q/)([A-Z2-7]+)", text).groups()
    cose = Cbor(base64.b32decode(code + "=" * (-len(code) % 8))).value()
    protected, _, payload, signature = cose
    header = Cbor(protected).value()
    kid = header[4].decode()
    key = next(key for key in keys["keys"] if key["kid"] == kid)
    if header[1] != -7 or key["crv"] != "P-256":
        raise ValueError("not ES256; this check knows only the demo's algorithm")
    number = lambda part: int.from_bytes(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), "big")
    point = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1())
    # Sig_structure of RFC 9052: context, protected header, external data, payload.
    message = (b"\x84\x6aSignature1" + cbor_bytes(protected)
               + cbor_bytes(prefix.encode()) + cbor_bytes(payload))
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    point.public_key().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    return Cbor(payload).value()


def main():
    folder = pathlib.Path(os.environ["JIAOYI_TMP"])
    portal = os.environ["JIAOYI_PORTAL"]
    demo = json.loads(os.environ["JIAOYI_DEMO"])
    done = run(os.environ["JIAOYI_BIN"], "demo", "pay", "--base-url", portal, "--json")
    check("demo pay succeeds", done.returncode == 0, done.stderr.decode())
    if done.returncode != 0:
        return
    paid = json.loads(done.stdout)
    text = paid["qr_text"]
    pdf = get(paid["pdf"])
    png = get(paid["pdf"].replace("/pdf", "/png"))
    keys = get(demo["keys"])
    for name, data in (("voucher.pdf", pdf), ("voucher.png", png), ("keys.json", keys)):
        (folder / name).write_bytes(data)

    check(f"PNG of {len(png)} bytes is small enough", png[:4] == b"\x89PNG" and len(png) <= PNG_BYTES_MAX)
    check(f"PDF of {len(pdf)} bytes is small enough", pdf[:5] == b"%PDF-" and len(pdf) <= PDF_BYTES_MAX)
    check("QR text keeps to the alphanumeric mode", set(text) <= QR_LETTERS, text)
    check("PNG carries the QR text as metadata", text.encode() in png)
    seen = run("zbarimg", "--raw", "--quiet", str(folder / "voucher.png")).stdout.decode().strip()
    check("zbarimg reads the same text from the PNG", seen == text, seen)

    words = run("pdftotext", "-layout", str(folder / "voucher.pdf"), "-").stdout.decode()
    squeezed = re.sub(r"\s", "", words)
    number = paid["voucher_no"].replace(" ", "").replace("-", "")
    check("PDF text has the title", "电子缴费凭证" in squeezed, words)
    check("PDF text has the number", number in squeezed.replace("-", ""), words)
    fonts = run("pdffonts", str(folder / "voucher.pdf")).stdout.decode().splitlines()[2:]
    check("every font of the PDF is embedded",
          fonts and all(re.search(r"\s(yes)\s+(yes|no)\s+(yes|no)\s+\d+", line) for line in fonts),
          "\n".join(fonts))
    persons = [sample["id_number"] for sample in demo["samples"]]
    check("neither PDF nor QR holds an ID number",
          not any(one in squeezed or one in text or one.encode() in pdf + png for one in persons))

    claims = signed_claims(text, json.loads(keys))
    check("cryptography verifies the signature", claims[3].replace("-", "") == number, str(claims))
    check("no hash of an ID number is in the claims",
          not any(hashlib.sha256(one.encode()).digest() in map(bytes_of, claims.values())
                  for one in persons))

    offline(folder, text)
    forged(folder, text, json.loads(keys))


def bytes_of(value):
    return value if isinstance(value, bytes) else str(value).encode()


def offline(folder, text):
    """A copy of the binary in an empty folder, with an empty environment."""
    alone = folder / "alone"
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    shutil.copy(os.environ["JIAOYI_BIN"], alone / "jiaoyi")
    for name in ("voucher.pdf", "voucher.png", "keys.json"):
        shutil.copy(folder / name, alone / name)

    def verify(what, stdin=None):
        return run("./jiaoyi", "voucher", "verify", "--keys", "keys.json", what,
                   stdin=stdin, cwd=alone, env={})

    for what, stdin in (("voucher.png", None), ("voucher.pdf", None), (text, None),
                        ("-", text.encode())):
        done = verify(what, stdin)
        check(f"offline: {what[:12]} is valid", done.returncode == 0, done.stderr.decode())
    draw = random.Random(SEED)
    accepted = 0
    start = text.index("/Q/") + 3
    for _ in range(CHANGES):
        changed = changed_at(text, draw.randrange(start, len(text)), draw)
        accepted += verify("-", changed.encode()).returncode != 1
    check(f"offline: {CHANGES} texts with one changed character are refused", accepted == 0,
          f"{accepted} accepted")
    stranger = re.sub(r"HTTPS://[^/]+/", "HTTPS://EXAMPLE.COM/", text)
    check("offline: a stranger's host is refused", verify("-", stranger.encode()).returncode == 1)
    left = sorted(path.name for path in alone.iterdir())
    check("offline: nothing was written",
          left == ["jiaoyi", "keys.json", "voucher.pdf", "voucher.png"], str(left))


def forged(folder, text, keys):
    """The independent verifier must refuse changes too, else it proves nothing."""
    draw = random.Random(SEED)
    start = text.index("/Q/") + 3
    accepted = 0
    for _ in range(CHANGES):
        try:
            signed_claims(changed_at(text, draw.randrange(start, len(text)), draw), keys)
            accepted += 1
        except (InvalidSignature, ValueError, KeyError, IndexError, StopIteration, TypeError,
                AttributeError, UnicodeDecodeError):
            pass
    # The last character may hold unused bits, which only a canonical reader refuses.
    check("cryptography refuses changed texts", accepted <= 2, f"{accepted} accepted")


def changed_at(text, place, draw):
    letters = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if c != text[place]]
    return text[:place] + draw.choice(letters) + text[place + 1:]


main()
print(f"{results.count(True)} passed, {results.count(False)} failed")
sys.exit(0 if all(results) else 1)
