"""Runs the examples of the biller API (docs/biller-api/examples) in all four languages against a
demo: every one must end well and print what the contract says, and none may believe an answer that
was changed on the way.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

PORTAL = os.environ["JIAOYI_PORTAL"]
DATA = Path(os.environ["JIAOYI_DATA"])
WORK = Path(os.environ["JIAOYI_TMP"]) / "examples"
EXAMPLES = Path(__file__).resolve().parents[3] / "docs/biller-api/examples"
RUN_LIMIT_S = 60

RSA = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
SM2 = ["-algorithm", "SM2"]


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


# How an example is run, the kind of its key, and the front end that it plays.
LANGUAGES = {
    "curl": (lambda name: ["./curl/" + name + ".sh"], RSA, "A7"),
    "curl-sm2": (lambda name: ["./curl/" + name + ".sh"], SM2, "A8"),
    "python": (lambda name: [sys.executable, f"python/{name}.py"], RSA, "A6"),
    "java": (lambda name: ["java", "-cp", "java/out", camel(name)], RSA, "A1"),
    "typescript": (lambda name: ["node", f"typescript/out/{name}.js"], RSA, "A3"),
}

ACCEPTED = {"state": "ACCEPTED", "amount_fen": int}
PAID = ACCEPTED | {"voucher_no": str, "receipt_no": str}
LOCKED = ACCEPTED | {"lock_until": str}
BALANCED = {"state": "BALANCED", "ours": {"count": 1}, "theirs": {"count": 1}}

# What each prints, line by line; a text is the beginning of a line that is no JSON. An institution's
# first payment is that of `reconcile`: its day file lists one.
EXPECTED = {
    "echo_signature": [{"signature": "ok", "string_differs_at": None}],
    "query": [{"query_token": str, "bills": [{"status": "PAYABLE", "amount_fen": int}]}],
    "reconcile": [PAID, BALANCED, "BANK-"],
    "collect": [LOCKED],
    "release": [LOCKED, {"state": "ACCEPTED", "released": True}],
    "pay": [PAID],
    "pay_again": [PAID, PAID],
    "status": [PAID, {"state": "SUCCESS", "call": "pay", "answer": PAID}],
    "reverse": [PAID, {"state": "REVERSED", "undone": True}],
    "late_original": [
        {"state": "REVERSED", "undone": False},
        {"state": "REFUSED", "reason": "TOMBSTONE"},
    ],
}

# Those after which the bill is open again.
FREE = {"echo_signature", "query", "query_xml", "release", "reverse", "late_original"}

# What only curl shows.
CURL_ALONE = {"query_xml": ['<?xml version="1.0" encoding="GBK"?>', "<response><query_token>"]}

count = {True: 0, False: 0}


def report(name, problem):
    print(f"FAILED {name}: {problem}" if problem else f"ok {name}", flush=True)
    count[not problem] += 1


def fits(told, wanted):
    """Whether a value has at least what is wanted of it; a type stands for any value of it."""
    if isinstance(wanted, type):
        return type(told) is wanted
    if isinstance(wanted, dict):
        return isinstance(told, dict) and all(
            name in told and fits(told[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(told, list) and len(told) == len(wanted) and all(map(fits, told, wanted))
    return told == wanted


def problem_of(output, wanted):
    """What is wrong with what an example printed; None when nothing is."""
    lines = output.splitlines()
    if len(lines) != len(wanted):
        return f"{len(lines)} lines, not {len(wanted)}:\n{output}"
    for line, want in zip(lines, wanted):
        try:
            right = line.startswith(want) if isinstance(want, str) else fits(json.loads(line), want)
        except ValueError:
            right = False
        if not right:
            return f"{line}\nis not {want}"
    return None


def must(*words, folder=WORK):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))} ended with {done.returncode}\n{done.stdout}{done.stderr}")


def prepare():
    """Copies the examples, compiles what has to be compiled, makes the institutions known."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(EXAMPLES, WORK, ignore=shutil.ignore_patterns("out", "node_modules"))
    java = [file.name for file in (WORK / "java").glob("*.java")]
    lint = ["-Xlint:all", "-Werror", "--release", "17"]
    must("javac", "-encoding", "UTF-8", *lint, "-d", "out", *java, folder=WORK / "java")
    modules = Path(os.environ["JIAOYI_TOOLS"]) / "node_modules"
    (WORK / "typescript/node_modules").symlink_to(modules)
    must("node", "node_modules/typescript/bin/tsc", folder=WORK / "typescript")
    for language, (_, kind, channel) in LANGUAGES.items():
        key, public = f"{language}.pem", f"{language}.pub.pem"
        must("openssl", "genpkey", *kind, "-out", key)
        must("openssl", "pkey", "-in", key, "-pubout", "-out", public)
        program = [os.environ["JIAOYI_BIN"], "institution", "--config", DATA / "jiaoyi.toml"]
        inst = f"BANK-{language}"
        must(*program, "add", inst, "--name", inst, "--front-ends", channel)
        must(*program, "key", "add", inst, "k1", public)


def run(language, name, person, url=PORTAL):
    """Runs one example for the person; its exit code, what it printed, and of what it complained."""
    words, _, channel = LANGUAGES[language]
    told = {
        "BILLER_URL": url,
        "BILLER_INST": f"BANK-{language}",
        "BILLER_KEY": str(WORK / f"{language}.pem"),
        "BILLER_KEY_ID": "k1",
        "BILLER_CHANNEL": channel,
        "BILLER_ID_NO": person["id_number"],
        "BILLER_NAME": person["name"],
        "BILLER_REGION": person["region"],
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        words(name), cwd=WORK, env=os.environ | told, capture_output=True, text=True, timeout=RUN_LIMIT_S
    )
    return done.returncode, done.stdout, done.stderr


def until_known(language, person):
    """A running portal takes in a new institution within two seconds; until then it knows no key."""
    for _ in range(20):
        code, _, complaint = run(language, "echo_signature", person)
        if code == 0:
            return
    sys.exit(f"no echo for BANK-{language}, exit {code}: {complaint}")


class Liar(BaseHTTPRequestHandler):
    """Hands everything on to the portal; in the answers another amount stands."""

    def do_GET(self):
        self.hand_on(None)

    def do_POST(self):
        self.hand_on(self.rfile.read(int(self.headers["Content-Length"])))

    def hand_on(self, body):
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        request = urllib.request.Request(PORTAL + self.path, data=body, headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            told = answer.read().replace(b'"amount_fen":40000', b'"amount_fen":40001')
        self.send_response(answer.status)
        for name in answer.headers:
            if name.startswith("biller-") or name == "content-type":
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *arguments):
        pass


def main():
    prepare()
    people = json.loads(os.environ["JIAOYI_DEMO"])["samples"]
    # The liar changes the amount that an ordinary resident owes.
    people = [person for person in people if person["region"] == "990101"]
    spare = people.pop()
    liar = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    Thread(target=liar.serve_forever, daemon=True).start()
    lying = f"http://127.0.0.1:{liar.server_address[1]}"

    # Everybody has one bill: those who are left unpaid come up again, last of all.
    for language in LANGUAGES:
        until_known(language, spare)
        alone = CURL_ALONE if language.startswith("curl") else {}
        for name, wanted in (EXPECTED | alone).items():
            person = people.pop(0)
            code, output, complaint = run(language, name, person)
            problem = f"exit {code}\n{output}{complaint}" if code else problem_of(output, wanted)
            report(f"{language} {name}", problem)
            if name in FREE:
                people.append(person)
        code, output, complaint = run(language, "query", spare, lying)
        believed = code == 0 or output or "the signature of the answer is wrong" not in complaint
        report(f"{language} believes no liar", believed and f"exit {code}\n{output}{complaint}")

    # A run that does not do what it must is noticed: this bill is paid when `pay` comes again.
    code, output, _ = run("python", "pay", spare)
    report("a payment is as expected", code or problem_of(output, EXPECTED["pay"]))
    code, output, _ = run("python", "pay", spare)
    noticed = code != 0 or problem_of(output, EXPECTED["pay"])
    report("a refusal is noticed", None if noticed else output)
    report("a missing line is noticed", None if problem_of("", [PAID]) else "it is not")

    print(f"{count[True]} passed, {count[False]} failed")
    sys.exit(1 if count[False] else 0)


main()
