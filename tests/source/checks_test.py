#!/usr/bin/env python3
"""The checks of .ci/ on small forged trees: a sound tree passes, and each fault is named."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CI = pathlib.Path(__file__).resolve().parents[2] / ".ci"

SOUND = {
    "include/mzv/status.h": "#include <stddef.h>\n/* An answer. */\nint mzv_status(void);\n",
    "include/mzv/eval.h": '#include "mzv/status.h"\n',
    "host/base/try.h": '#include "mzv/status.h"\n',
    "host/math/primes.h": '#include "base/try.h"\n',
    "host/backend/backend.h": '#include "math/primes.h"\n',
    "host/backend/check.c": '#include "check.h"\n',
    "host/backend/check.h": "",
    "host/cpu/ntt.c": '#include <math.h>\n#include "backend/backend.h"\n/* Steps of [HK20, Alg. 3]. */\n',
    "host/ckks/keys.h": '#include "backend/backend.h"\n',
    "host/nn/norm.h": '#include "ckks/keys.h"\n',
    "models/gpt2.h": '#include "nn/norm.h"\n',
    "host/runtime/run.c": '#include "models/gpt2.h"\n',
    "host/cli/main.c": '#include "mzv/eval.h"\n#include "bench/bench.c"\n',
    "bench/bench.c": '#include "ckks/keys.h"\n',
    "cuda/ntt.cu": '#include <cuda_runtime.h>\n#include "backend/backend.h"\n',
    "tests/nn/norm_test.cc": '#include "cpu/none.h"\n',
    "docs/bibliography.yml": "# Keys.\nHK20:\n  title: x\n",
}


def run(check, changes):
    """Status and output of a check on the sound tree with some files replaced."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**SOUND, **changes}.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, str(CI / check), folder], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class Layers(unittest.TestCase):
    def refused(self, path, text, message):
        status, output = run("check_layers.py", {path: text})
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)
        self.assertEqual(len(output.strip().splitlines()), 1, output)

    def test_sound_tree(self):
        status, output = run("check_layers.py", {})
        self.assertEqual(status, 0, output)

    def test_a_layer_to_the_right(self):
        self.refused("host/math/primes.h", '\n#include "ckks/keys.h"\n',
                     "host/math/primes.h:2: host/math may not include host/ckks")

    def test_models_see_no_runtime(self):
        self.refused("models/gpt2.c", '#include "runtime/run.c"\n', "models may not include host/runtime")

    def test_devices_see_no_scheme_and_are_seen_by_none(self):
        self.refused("host/cpu/ntt.c", '#include "ckks/keys.h"\n', "host/cpu may not include host/ckks")
        self.refused("cuda/ntt.cu", '#include "../host/cpu/ntt.c"\n', "cuda may not include host/cpu")
        self.refused("host/backend/check.c", '#include "cpu/ntt.c"\n', "host/backend may not include host/cpu")

    def test_host_sees_no_cuda_header(self):
        self.refused("host/ckks/keys.h", "#  include <cuda_runtime.h>\n", "host/ckks may not include the CUDA header cuda_runtime.h")
        self.refused("models/gpt2.h", "#include <cublas_v2.h>\n", "models may not include the CUDA header cublas_v2.h")

    def test_public_headers(self):
        self.refused("include/mzv/eval.h", "#include <stdio.h>\n", "a public header may not include <stdio.h>")
        self.refused("include/mzv/eval.h", '#include "base/try.h"\n', "include may not include host/base")

    def test_who_includes_tests_or_bench(self):
        self.refused("host/runtime/run.c", '#include "bench/bench.c"\n', "host/runtime may not include bench")
        self.refused("bench/bench.c", '#include "cli/main.c"\n', "bench may not include host/cli")
        self.refused("host/cli/main.c", '#include "tests/nn/norm_test.cc"\n', "host/cli may not include tests")

    def test_a_file_that_is_not_there(self):
        self.refused("host/cli/main.c", '#include "ckks/key.h"\n', "ckks/key.h is no file of this tree")


class Bibliography(unittest.TestCase):
    def test_sound_tree(self):
        status, output = run("check_bibliography.py", {})
        self.assertEqual(status, 0, output)
        self.assertIn("1 citations", output)

    def test_unknown_key(self):
        status, output = run("check_bibliography.py", {"host/nn/norm.h": "int x[N10];\n/* As in\n * [ABC+21, 3]. */\n"})
        self.assertEqual(status, 1, output)
        self.assertIn("host/nn/norm.h:3: [ABC+21]", output)
        self.assertNotIn("N10", output)


class Measure(unittest.TestCase):
    @staticmethod
    def function(n_lines):
        return "static int f(int a,\n             char b) {\n" + "    a++;\n" * (n_lines - 3) + "}\n"

    def test_length_and_parameters(self):
        status, output = run("measure.py", {"host/nn/norm.c": "/* A } and \" in it. */\n" + self.function(100)})
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"functions +1 ")
        self.assertRegex(output, r"function, longest +100 ")
        self.assertRegex(output, r"parameters, most +2 ")

    def test_long_function(self):
        status, output = run("measure.py", {"host/nn/norm.c": self.function(101)})
        self.assertEqual(status, 1, output)
        self.assertIn("host/nn/norm.c: f: 101 lines, at most 100", output)

    def test_long_file(self):
        status, output = run("measure.py", {"host/nn/norm.c": self.function(9), "tests/a_test.cc": "\n" * 1001})
        self.assertEqual(status, 1, output)
        self.assertIn("tests/a_test.cc: 1001 lines, at most 1000", output)

    def test_counts_what_it_should(self):
        text = ("static const int table[F(3)] = { 1 };\nvoid g(void) { puts(\"{\"); }\nstruct s {\n    int (*f)(int);\n};\n"
                "template <int N> __global__ void __launch_bounds__(256) k(int (*f)(int, int), int b) {\n"
                "    if (b) {\n        f(1, 2);\n    }\n}\n")
        status, output = run("measure.py", {"cuda/ntt.cu": text})
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"functions +2 ")
        self.assertRegex(output, r"function, longest +5 ")
        self.assertRegex(output, r"parameters, most +2 ")


class Registers(unittest.TestCase):
    TABLE = "# Registers.\nnvcc 13.0\nkernel sm_80 sm_90\na_kernel 40 41\n"

    @staticmethod
    def entry(name, arch, registers, stores=0):
        return (f"ptxas info    : Compiling entry function '{name}' for '{arch}'\nptxas info    : Function properties for x\n"
                f"    0 bytes stack frame, {stores} bytes spill stores, 0 bytes spill loads\n"
                f"ptxas info    : Used {registers} registers, used 1 barriers\n")

    def check(self, usage, status, message, nvcc="13.0"):
        with tempfile.TemporaryDirectory() as folder:
            table, obj = pathlib.Path(folder, "table"), pathlib.Path(folder, "a.cu.o")
            table.write_text(self.TABLE, encoding="utf-8")
            if usage is not None:
                pathlib.Path(folder, "a.cu.o.usage").write_text(usage, encoding="utf-8")
            done = subprocess.run([sys.executable, str(CI / "check_registers.py"), "--nvcc", nvcc, table, obj, "b.c.o"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assertIn(message, done.stdout + done.stderr)

    def test_within_the_budget(self):
        both = self.entry("a_kernel", "sm_80", 40) + self.entry("a_kernel", "sm_90", 30)
        self.check(both, 0, "2 kernels compared, 0 faults")
        self.check(self.entry("a_kernel", "sm_90", 41), 0, "1 kernels compared, 0 faults")  # built for one architecture

    def test_over_it(self):
        self.check(self.entry("a_kernel", "sm_90", 42), 1, "a_kernel, sm_90: 42 registers, at most 41")

    def test_a_spill(self):
        self.check(self.entry("a_kernel", "sm_90", 40, 8), 1, "a_kernel, sm_90: 8 bytes spilled, need 0")

    def test_kernels_on_one_side_only(self):
        self.check(self.entry("b_kernel", "sm_90", 40), 1, "b_kernel, sm_90: not in the table")
        self.check(self.entry("b_kernel", "sm_90", 40), 1, "a_kernel, sm_90: in the table, not built")

    def test_nothing_to_compare(self):
        self.check(None, 1, "not there")
        self.check(self.entry("a_kernel", "sm_90", 99), 77, "not compared", "12.9")


if __name__ == "__main__":
    unittest.main()
