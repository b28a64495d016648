"""Lets schemathesis make up requests from docs/biller-api/openapi.json and send them, signed, to a demo
of this script's own: no server error, no answer that the document does not describe, none unsigned.

API_CASES says how many at least; `cargo xtask soak api` makes it many.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[2] / "docs/biller-api/openapi.json"
WORK = Path(os.environ["JIAOYI_TMP"])
CASES = int(os.environ.get("API_CASES", "500"))
VERBS = 8
# Of one seed: the search for bodies that were not tried yet takes longer with each.
CASES_OF_SEED_MAX = 1_000
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "answer_is_signed",
]


def start_demo():
    """A demo without budgets, which would refuse most of the calls; its portal."""
    words = ["demo", "--port", "0", "--json", "--no-budgets", "--data", WORK / "api-data"]
    subprocess.run(["rm", "-rf", WORK / "api-data"], check=True)
    demo = subprocess.Popen([os.environ["JIAOYI_BIN"], *words], stdout=subprocess.PIPE, text=True)
    return demo, json.loads(demo.stdout.readline())["portal"]


def json_alone():
    """The document without the requests in XML: what schemathesis makes of them is not well formed
    half of the time, and the same types are read behind them."""
    text = json.loads(DOCUMENT.read_text())
    for path in text["paths"].values():
        path["post"]["requestBody"]["content"].pop("application/xml", None)
    return text


def written(name, text):
    file = WORK / name
    file.write_text(json.dumps(text))
    return file


def run(portal, seed, cases, document=None):
    """Runs schemathesis once; whether all was well, the number of calls, and what it said."""
    count = WORK / "api-count"
    told = {
        "API_PORTAL": portal,
        "API_INST": "SIM-A7",
        "API_KEY": str(WORK / "api-data/channels/front_a7_key.pem"),
        "API_COUNT": str(count),
        "API_PEOPLE": str(WORK / "api-data/people.json"),
        "PYTHONPATH": str(HERE),
        "SCHEMATHESIS_HOOKS": "_schemathesis_hooks",
    }
    document = written("api.json", document or json_alone())
    words = [Path(sys.executable).with_name("schemathesis"), "run", document, "--url", portal]
    # The cases that cover the document's limits are always the same.
    phases = "coverage,fuzzing" if seed == 1 else "fuzzing"
    words += ["--phases", phases, "--suppress-health-check", "all"]
    words += ["--max-examples", str(cases // VERBS + 1), "--checks", ",".join(CHECKS), "--no-color"]
    words += ["--seed", str(seed), "--continue-on-failure", "--no-shrink", "--warnings", "off"]
    done = subprocess.run(words, cwd=WORK, env=os.environ | told, capture_output=True, text=True)
    calls = int(count.read_text()) if count.exists() else 0
    return done.returncode == 0, calls, done.stdout + done.stderr


def lying_document():
    """The document, saying of an answer of `echo-signature` what is not so."""
    text = json_alone()
    text["components"]["schemas"]["Echo"]["properties"]["key_known"] = {"type": "integer"}
    return text


def main():
    demo, portal = start_demo()
    failed = 0
    try:
        calls, seed = 0, 1
        while calls < CASES and not failed:
            well, more, said = run(portal, seed, min(CASES - calls, CASES_OF_SEED_MAX))
            if not well or more == 0:
                print(f"FAILED with seed {seed}\n{said}")
                failed += 1
            calls, seed = calls + more, seed + 1
        print(f"{calls} calls, {seed - 1} seeds")
        well, _, said = run(portal, 1, VERBS, lying_document())
        if well or "key_known" not in said:
            print(f"FAILED: a wrong document is not noticed\n{said}")
            failed += 1
    finally:
        demo.terminate()
        demo.wait()
    print(f"{2 - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
