#!/usr/bin/env python3
"""Every header compiles alone and twice: the public ones as strict C17 and C++17, those of host/ and models/ as the
library and the tests compile them."""
import argparse
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]
compilers = {}


def compile_alone(header, language, standard):
    """What the compiler says about a file that includes only `header`, twice; empty if it compiles."""
    command = [compilers[language], "-x", language, f"-std={standard}", "-fsyntax-only", *WARNINGS,
               f"-I{ROOT}/include", f"-I{ROOT}/host", f"-I{ROOT}", "-"]
    text = f'#include "{header}"\n#include "{header}"\nextern int not_empty;\n'
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stderr


class Headers(unittest.TestCase):
    def alone(self, paths, *modes):
        self.assertTrue(paths)
        for path in paths:
            for language, standard in modes:
                with self.subTest(header=path.name, standard=standard):
                    self.assertEqual(compile_alone(path.relative_to(ROOT).as_posix(), language, standard), "")

    def test_public(self):
        self.alone(sorted((ROOT / "include/mzv").glob("*.h")), ("c", "c17"), ("c", "gnu17"), ("c++", "c++17"))

    def test_host(self):
        paths = [p for folder in ("host", "models") for p in sorted((ROOT / folder).rglob("*.h"))
                 if not p.stem.startswith(("cpu_simd", "vec_"))]  # those need one instruction set and a prefix
        self.alone(paths, ("c", "gnu17"))

    def test_a_header_that_does_not_is_seen(self):
        self.assertIn("error", compile_alone("host/no_such_header.h", "c", "c17"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    args = parser.parse_args()
    compilers.update({"c": args.cc, "c++": args.cxx})
    unittest.main(argv=sys.argv[:1])


if __name__ == "__main__":
    main()
