#!/usr/bin/env python3
"""Compares the registers of every kernel with the budget of cuda/registers.txt.

    check_registers.py [--write] [--nvcc VERSION] TABLE OBJECT...

OBJECT: the objects of the CUDA layer; what ptxas said of each .cu lies beside it (cmake/ptxas_usage.sh). Fails on any
spill, on more registers than the table has, on a kernel that the table lacks, and on one of the table that is not
built. Exits 77 if the table was made by another nvcc: its registers are not ours. --write makes the table anew.
"""
import argparse
import pathlib
import re
import subprocess
import sys

SKIPPED = 77
ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\S+)' for '(?P<arch>sm_\d+)'.*?"
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers", re.S)


def demangled(names):
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    plain = [re.sub(r"\(anonymous namespace\)::|mzv_cuda::|^void ", "", line) for line in done.stdout.splitlines()]
    return [re.sub(r"\(.*\)$", "", line).replace(" ", "") for line in plain]


def read_usage(objects):
    """{(kernel, architecture): (registers, bytes spilled)}"""
    found = []
    for path in objects:
        if path.endswith(".cu.o"):
            usage = pathlib.Path(path + ".usage")
            if not usage.exists():
                sys.exit(f"{usage}: not there; was the object built with cmake/ptxas_usage.sh?")
            found += [match.groupdict() for match in ENTRY.finditer(usage.read_text(encoding="utf-8"))]
    names = demangled([entry["name"] for entry in found])
    return {(name, entry["arch"]): (int(entry["registers"]), int(entry["stores"]) + int(entry["loads"]))
            for name, entry in zip(names, found)}


def read_table(path):
    """The nvcc of the table, and {(kernel, architecture): registers}."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    nvcc, archs = lines[0][1], lines[1][1:]
    return nvcc, {(line[0], arch): int(n) for line in lines[2:] for arch, n in zip(archs, line[1:])}


def write_table(path, nvcc, usage):
    kernels, archs = sorted({k for k, _ in usage}), sorted({a for _, a in usage}, key=lambda a: int(a[3:]))
    width = max(len(kernel) for kernel in kernels)
    rows = ["# Registers a thread of each kernel may have; written by .ci/check_registers.py --write.", f"nvcc {nvcc}",
            f"{'kernel':{width}} " + " ".join(f"{arch:>6}" for arch in archs)]
    rows += [f"{kernel:{width}} " + " ".join(f"{usage[kernel, arch][0]:6}" for arch in archs) for kernel in kernels]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def faults(usage, budget):
    built = {arch for _, arch in usage}
    for (kernel, arch), (registers, spilled) in sorted(usage.items()):
        if spilled:
            yield f"{kernel}, {arch}: {spilled} bytes spilled, need 0"
        if (kernel, arch) not in budget:
            yield f"{kernel}, {arch}: not in the table"
        elif registers > budget[kernel, arch]:
            yield f"{kernel}, {arch}: {registers} registers, at most {budget[kernel, arch]}"
    for kernel, arch in sorted(budget):
        if arch in built and (kernel, arch) not in usage:
            yield f"{kernel}, {arch}: in the table, not built"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--nvcc", default="unknown")
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("objects", nargs="+")
    args = parser.parse_args()
    usage = read_usage(args.objects)
    if args.write:
        write_table(args.table, args.nvcc, usage)
    nvcc, budget = read_table(args.table)
    if nvcc != args.nvcc:
        print(f"the table is of nvcc {nvcc}, this is {args.nvcc}: not compared")
        return SKIPPED
    found = list(faults(usage, budget))
    print("\n".join(found + [f"{len(usage)} kernels compared, {len(found)} faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
