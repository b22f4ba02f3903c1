#!/usr/bin/env python3
"""Every [Key] that a comment of the source cites is in docs/bibliography.yml.

    check_bibliography.py [ROOT]    exits 1 where a key is missing; lists entries that no comment cites

A key is letters, a two-digit year (RFC and FIPS: a number) and perhaps a letter: [HK20], [BCC+24, table 5.2], [RFC8439].
"""
import pathlib
import re
import sys

KEY = re.compile(r"\[([A-Z][A-Za-z+]{1,10}\d{2,4}[a-z]?)(?:,[^\]\n]*)?\]")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
ENTRY = re.compile(r"^([A-Za-z0-9+]+):\s*$", re.M)
FOLDERS = ("include", "host", "cuda", "models", "bench", "tests")
SUFFIXES = {".c", ".h", ".cc", ".cu", ".cuh"}


def citations(root):
    """(file, line, key) of every key cited in a comment."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SUFFIXES:
                continue
            text = path.read_text(encoding="utf-8")
            for comment in COMMENT.finditer(text):
                for match in KEY.finditer(comment.group()):
                    line = text.count("\n", 0, comment.start() + match.start()) + 1
                    yield path.relative_to(root).as_posix(), line, match.group(1)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    entries = set(ENTRY.findall((root / "docs/bibliography.yml").read_text(encoding="utf-8")))
    cited = list(citations(root))
    missing = [c for c in cited if c[2] not in entries]
    for path, line, key in missing:
        print(f"{path}:{line}: [{key}] is not in docs/bibliography.yml")
    print(f"bibliography: {len(cited)} citations of {len({key for *_, key in cited})} keys, {len(missing)} unknown")
    unused = sorted(entries - {key for *_, key in cited})
    if unused:
        print("  entries that no comment cites:", ", ".join(unused))
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
