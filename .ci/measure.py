#!/usr/bin/env python3
"""Measures the source against the numbers of docs/conventions.md and prints a table.

    measure.py [ROOT]      exits 1 if a function is longer than 100 lines or a file longer than 1000
    measure.py --list N    also names the N longest functions and files
"""
import argparse
import math
import pathlib
import re
import statistics

SOURCE = ("include", "host", "cuda", "models", "bench")
SUFFIXES = {".c", ".h", ".cc", ".cu", ".cuh"}
FUNCTION_CEILING, FILE_CEILING = 100, 1000
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
LITERAL = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'')
# A definition as clang-format leaves it: it starts in the first column and its head ends with ") {".
HEAD = re.compile(r"^(?![#}\s])(?:[^\n;={}]|\n(?=\s))*?\b(\w+)\(((?:[^;{}])*?)\)[^;={}()]*\{", re.M)
NOT_FUNCTIONS = {"if", "for", "while", "switch", "do", "__attribute__"}


def blank(match):
    """The same lines with nothing on them, so that offsets and line numbers hold."""
    return re.sub(r"[^\n]", " ", match.group())


def strip(text):
    """Source without comments and literals. Literals first would take quotes inside comments, so both at once."""
    both = re.compile(COMMENT.pattern + "|" + LITERAL.pattern, re.S)
    return both.sub(blank, text)


def n_parameters(arguments):
    if arguments.strip() in ("", "void"):
        return 0
    depth = commas = 0
    for c in arguments:
        depth += (c in "(<[") - (c in ")>]")
        commas += c == "," and depth == 0
    return commas + 1


def functions(text):
    """(name, lines, parameters) of each function defined in a source text."""
    code, end = strip(text), 0
    for head in HEAD.finditer(code):
        if head.start() < end or head.group(1) in NOT_FUNCTIONS:
            continue
        depth, at = 1, head.end()
        while depth and at < len(code):
            depth += (code[at] == "{") - (code[at] == "}")
            at += 1
        end = at
        yield head.group(1), code.count("\n", head.start(), at) + 1, n_parameters(head.group(2))


def files(root, folders):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def n_comment_lines(text):
    both = re.compile(f"(?P<comment>{COMMENT.pattern})|{LITERAL.pattern}", re.S)
    return sum(m.group().count("\n") + 1 for m in both.finditer(text) if m.group("comment"))


def p95(values):
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent)
    parser.add_argument("--list", type=int, default=0, metavar="N")
    args = parser.parse_args()

    source, tests = list(files(args.root, SOURCE)), list(files(args.root, ("tests",)))
    all_functions = [(lines, f"{path}: {name}", n) for path, text in source for name, lines, n in functions(text)]
    all_files = [(text.count("\n"), path) for path, text in source + tests]
    source_lines = [text.count("\n") for _, text in source]
    lines = [f[0] for f in all_functions]
    written = sum(1 for _, text in source for line in text.splitlines() if line.strip())
    comments = sum(n_comment_lines(text) for _, text in source)
    rows = [
        ("functions", len(lines), ""),
        ("function, median", statistics.median(lines), "<= 15"),
        ("function, p95", p95(lines), "<= 60"),
        ("function, longest", max(lines), f"<= {FUNCTION_CEILING}, enforced"),
        ("parameters, p95", p95([f[2] for f in all_functions]), "<= 6"),
        ("parameters, most", max(f[2] for f in all_functions), "8: make a struct"),
        ("functions above 6 parameters", sum(f[2] > 6 for f in all_functions), "0"),
        ("source files", len(source), ""),
        ("source lines", sum(source_lines), ""),
        ("file, p95", p95(source_lines), "<= 600"),
        ("file, longest (tests too)", max(all_files)[0], f"<= {FILE_CEILING}, enforced"),
        ("comment share", f"{100 * comments / written:.0f} %", "20 to 30 %"),
        ("tests : source", f"{sum(t.count(chr(10)) for _, t in tests) / sum(source_lines):.2f}", ">= 0.7"),
    ]
    for name, value, aim in rows:
        print(f"{name:<32}{value!s:>9}   {aim}")
    for kind, values in (("functions", [f[:2] for f in all_functions]), ("files", all_files)):
        for length, name in sorted(values, reverse=True)[:args.list]:
            print(f"  {kind[:-1]} of {length:4} lines  {name}")

    long = [f"{name}: {n} lines, at most {FUNCTION_CEILING}" for n, name, _ in all_functions if n > FUNCTION_CEILING]
    long += [f"{name}: {n} lines, at most {FILE_CEILING}" for n, name in all_files if n > FILE_CEILING]
    print("\n".join(long))
    return 1 if long else 0


if __name__ == "__main__":
    raise SystemExit(main())
