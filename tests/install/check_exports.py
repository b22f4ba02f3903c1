#!/usr/bin/env python3
"""The shared library exports exactly the functions that the public headers declare, all of them mzv_."""
import argparse
import pathlib
import re
import subprocess


def declared(cc, include):
    """Names of the functions in include/mzv/*.h, after the preprocessor."""
    names = set()
    for header in sorted((include / "mzv").glob("*.h")):
        text = subprocess.run([cc, "-E", "-P", f"-I{include}", "-x", "c", str(header)], check=True,
                              capture_output=True, text=True).stdout
        names |= set(re.findall(r"\b(mzv_[a-z0-9_]+)\s*\((?!\s*\*)", text))
    return names


def exported(nm, library):
    """Names of functions and data in the dynamic symbol table; the version node itself is not one."""
    lines = subprocess.run([nm, "-D", "--defined-only", "--format=posix", str(library)], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return {line.split()[0].split("@")[0] for line in lines if line.split()[1] != "A"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("cc", "nm"):
        parser.add_argument("--" + option, required=True)
    for option in ("include", "library"):
        parser.add_argument("--" + option, required=True, type=pathlib.Path)
    args = parser.parse_args()
    public, found = declared(args.cc, args.include), exported(args.nm, args.library)
    for name in sorted(public - found):
        print(f"{name}: declared in include/mzv but not exported")
    for name in sorted(found - public):
        print(f"{name}: exported but not declared in include/mzv")
    soname = subprocess.run(["objdump", "-p", str(args.library)], check=True, capture_output=True, text=True).stdout
    if not re.search(r"SONAME\s+libmzv\.so\.0$", soname, re.M):
        print("the soname is not libmzv.so.0")
        return 1
    print(f"{len(public)} functions declared, {len(found)} exported")
    return 0 if public and public == found else 1


raise SystemExit(main())
