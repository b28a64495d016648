"""What the Python witnesses share: identities, the sandbox's control interface, a notice receiver.

Environment: SANDBOX_URL (such as http://127.0.0.1:9090) and IDENTITY_DIR (made by
write_demo_identities). Each finished step prints `ok <step>`; any failure ends with status 1.
"""

import json
import os
import queue
import sys
import threading
import time
import tomllib
import urllib.request
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SANDBOX = os.environ["SANDBOX_URL"].rstrip("/")
IDENTITIES = Path(os.environ["IDENTITY_DIR"])
MERCHANT = tomllib.loads((IDENTITIES / "channels.toml").read_text(encoding="utf-8"))


def pem(section, key):
    """The text of the PEM file that the merchant's configuration names."""
    return (IDENTITIES / MERCHANT[section][key]).read_text(encoding="utf-8")


def ok(step):
    print("ok", step, flush=True)


def need(condition, what):
    """Ends the run when a step did not do what it must."""
    if not condition:
        print("failed", what, file=sys.stderr, flush=True)
        sys.exit(1)


def control(path, body=None):
    """Calls the sandbox's control interface."""
    request = urllib.request.Request(
        SANDBOX + "/_sandbox/" + path, data=json.dumps(body or {}).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


class Receiver:
    """A merchant's door on a free port of this machine. `check(headers, body)` says whether the
    library believes the notice; what it returned (None for no) waits in `seen`."""

    def __init__(self, check, yes, no):
        receiver = self
        self.check, self.seen = check, queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                try:
                    told = receiver.check(self.headers, body)
                except Exception as error:  # the library's own way to say no
                    print("refused:", repr(error)[:200], file=sys.stderr)
                    told = None
                status, text = yes if told else no
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                receiver.seen.put(told)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/notice" % self.server.server_address[1]

    def next(self, what):
        try:
            return self.seen.get(timeout=20)
        except queue.Empty:
            need(False, what + ": no notice came")


def number(prefix):
    """An order number that was not used before."""
    return "%s%d" % (prefix, time.time_ns())


def beijing_day():
    """Today as bills are asked for."""
    return datetime.now(timezone(timedelta(hours=8))).strftime("%Y-%m-%d")
