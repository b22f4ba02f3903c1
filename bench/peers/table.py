#!/usr/bin/env python3
"""A Markdown table of libmzv against a peer, from the JSON lines of both (Python 3.8 or later, nothing else).

table.py FILE...    Lines without "name" (conditions of a run) are passed over.

Several lines of one case are rounds: the table has the median of their medians. A peer's case "X, in place"
is set against libmzv's X; a case that only one side has is left out.
"""
import json
import statistics
import sys

IN_PLACE = ", in place"


def read(paths):
    """Ours and the peer's, in order of appearance: {(log_n, n_limbs, threads, name): [median_s, ...]}."""
    ours, theirs = {}, {}
    for path in paths:
        with open(path) as lines:
            for row in map(json.loads, lines):
                if "name" not in row:
                    continue
                side = theirs if row["backend"].startswith("openfhe") else ours
                key = (row["log_n"], row["n_limbs"], row["threads"], row["name"])
                side.setdefault(key, []).append(row["median_s"])
    return ours, theirs


def milliseconds(seconds):
    ms = seconds * 1e3
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"


def main():
    ours, theirs = read(sys.argv[1:])
    print("| operation | N | limbs | threads | mzv, ms | OpenFHE, ms | OpenFHE / mzv |")
    print("|---|---|---:|---:|---:|---:|---:|")
    n_rows = 0
    for (log_n, n_limbs, threads, name), rounds in theirs.items():
        base = name[:-len(IN_PLACE)] if name.endswith(IN_PLACE) else name
        own = ours.get((log_n, n_limbs, threads, base))
        if own is None:
            continue
        a, b = statistics.median(own), statistics.median(rounds)
        cells = (name, f"2^{log_n}", n_limbs, threads, milliseconds(a), milliseconds(b), f"{b / a:.2f}")
        print("|", " | ".join(map(str, cells)), "|")
        n_rows += 1
    if n_rows == 0:
        sys.exit("table: no case that both sides measured")


if __name__ == "__main__":
    main()
