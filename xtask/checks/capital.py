"""Capital amounts: 100,000 random ones against cn2an, an independent library.

The program under test is the domain's example `capital`: amounts in fen come in, one a line, and
capital forms go out, one a line.
"""

import os
import random
import subprocess
import sys

import cn2an

AMOUNTS = 100_000
SEED = 20261122


def amounts():
    """Amounts of every length up to 99,999,999,999.99 yuan, and those with many zeros."""
    draw = random.Random(SEED)
    for number in range(AMOUNTS):
        digits = draw.randint(1, 13)
        fen = draw.randrange(10**digits)
        if number % 3 == 0:
            # Zeros inside an amount are where capital forms go wrong.
            text = "".join(c if draw.random() < 0.4 else "0" for c in str(fen))
            fen = int(text)
        yield fen


def main():
    numbers = list(amounts())
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "run", "--quiet", "--package", "jiaoyi-domain", "--example", "capital"]
    text = "".join(f"{fen}\n" for fen in numbers)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr)
        return 1
    ours = done.stdout.splitlines()
    if len(ours) != len(numbers):
        print(f"{len(numbers)} amounts gave {len(ours)} lines")
        return 1
    wrong = 0
    for fen, capital in zip(numbers, ours):
        theirs = cn2an.an2cn(f"{fen // 100}.{fen % 100:02}", "rmb")
        if capital != theirs:
            wrong += 1
            if wrong <= 20:
                print(f"{fen} fen: {capital}, cn2an says {theirs}")
    print(f"{len(numbers)} amounts compared, {wrong} differ")
    return 1 if wrong else 0


sys.exit(main())
