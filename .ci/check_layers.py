#!/usr/bin/env python3
"""Each layer may include only itself and the layers before it. Reads the #include lines of a source tree.

    check_layers.py [ROOT]      prints file:line: what, exits 1 on a violation
"""
import os
import pathlib
import re
import sys

ORDER = ["include", "host/base", "host/math", "host/backend", "host/ckks", "host/circuit", "host/nn", "models",
         "host/runtime", "host/cli"]
MAY = {layer: set(ORDER[:i + 1]) for i, layer in enumerate(ORDER)}
for device in ("host/cpu", "cuda"):  # these fill the table of backend.h and see nothing above it
    MAY[device] = {"include", "host/base", "host/math", "host/backend", device}
MAY["bench"] = {*MAY, "bench"} - {"host/cli"}
MAY["host/cli"].add("bench")  # the command runs the suites; nothing else includes bench, and nothing includes tests
PUBLIC_SYSTEM = {"stddef.h", "stdint.h", "stdbool.h"}
CUDA_HEADER = re.compile(r"(^|/)(cuda|cublas|nvtx|nvToolsExt|thrust|cub/|cooperative_groups|device_launch)")
INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
SUFFIXES = {".c", ".h", ".cc", ".cu", ".cuh"}


def layer_of(path):
    """The layer that holds a path relative to the root, or None."""
    known = [name for name in [*MAY, "tests"] if path == name or path.startswith(name + "/")]
    return max(known, key=len, default=None)


def included_layer(root, here, name):
    """The layer that #include "name" in the file `here` reaches, or None where it is no file of ours."""
    if name.startswith("mzv/"):
        return "include"
    for base in (os.path.dirname(here), "host", "", "include"):
        target = os.path.normpath(os.path.join(base, name))
        if (root / target).is_file():
            return layer_of(target)
    return None


def faults(root, here, mine, quoted, system):
    """What is wrong with one include of the file `here`."""
    name = quoted or system
    if mine != "cuda" and CUDA_HEADER.search(name):
        yield f"{mine} may not include the CUDA header {name}"
    theirs = included_layer(root, here, name) if quoted or name.startswith("mzv/") else None
    if quoted and theirs is None:
        yield f"{name} is no file of this tree"
    if theirs is not None and theirs not in MAY[mine]:
        yield f"{mine} may not include {theirs} ({name})"
    if mine == "include" and system and name not in PUBLIC_SYSTEM:
        yield f"a public header may not include <{name}>"


def check(root):
    """All violations below root, as lines of text, and the number of files read."""
    found, n_files = [], 0
    for path in sorted(root.rglob("*")):
        here = path.relative_to(root).as_posix()
        mine = layer_of(here)
        if path.suffix not in SUFFIXES or mine is None or mine == "tests":
            continue
        n_files += 1
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                found += [f"{here}:{n}: {fault}" for fault in faults(root, here, mine, *match.groups())]
    return found, n_files


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found, n_files = check(root)
    print("\n".join(found) or f"layers: {n_files} files, every include in order")
    return 1 if found or n_files == 0 else 0


if __name__ == "__main__":
    raise SystemExit(main())
