#!/usr/bin/env python3
"""OpenFHE's CKKS operations one by one: the cases and the JSON lines of `mzv bench ckks`.

openfhe_ckks.py [n16|n15|all] [CASE]    needs CPython 3.10 with bench/peers/requirements.txt

CASE is the beginning of a case's name. Each set runs with 1 and with 2 threads, each in a process of its
own: threads and allocator are set in the environment, and memory is given back between them. The result of
every case is decrypted and checked before it is timed.
"""
import argparse
import json
import os
import subprocess
import sys
import time

# As in bench/ckks.c: multiplicative depth, bits of the first prime and of the others, digits of a key.
SETS = {
    "n16": dict(log_n=16, depth=25, first_bits=48, scale_bits=47, n_digits=3),
    "n15": dict(log_n=15, depth=14, first_bits=43, scale_bits=42, n_digits=3),
}
THREADS = (1, 2)
REPETITIONS = 11
N_HOISTED = 8
STEPS = [1 + i % 2 for i in range(N_HOISTED)]
TOLERANCE = 2.0**-16  # on slots up to 2; a wrong operation misses by tenths, noise stays near 2^-20

# OpenFHE's functions return new ciphertexts. One arena that never gives memory back, in huge pages where the
# kernel grants them, spares it page faults in every call; libmzv keeps its buffers as well.
ALLOCATOR = ("glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000000"
             ":glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1")


class Workshop:
    """Everything one set needs: context, keys, ciphertexts a and b, a plaintext."""

    def __init__(self, params):
        import numpy as np
        import openfhe

        self.fhe, self.log_n, self.n_limbs = openfhe, params["log_n"], params["depth"] + 1
        self.version = openfhe.__version__
        self.cc = self.context(params)
        self.keys = self.cc.KeyGen()
        self.cc.EvalMultKeyGen(self.keys.secretKey)
        self.cc.EvalRotateKeyGen(self.keys.secretKey, sorted(set(STEPS)))
        n_slots = 1 << (self.log_n - 1)
        self.x = np.arange(n_slots) % 17 / 17
        self.y = np.arange(n_slots) % 13 / 13
        self.plain = self.cc.MakeCKKSPackedPlaintext(self.y)  # level 0: values for every prime are ready
        self.rows = self.cc.MakeCKKSPackedPlaintext(self.y)  # for the transforms
        self.a = self.cc.Encrypt(self.keys.publicKey, self.cc.MakeCKKSPackedPlaintext(self.x))
        self.b = self.cc.Encrypt(self.keys.publicKey, self.plain)
        self.order = self.cc.GetCyclotomicOrder()

    def context(self, params):
        fhe, p = self.fhe, self.fhe.CCParamsCKKSRNS()
        p.SetSecurityLevel(fhe.HEStd_128_classic)  # refuses the ring if it is too small for the modulus
        p.SetRingDim(1 << params["log_n"])
        p.SetMultiplicativeDepth(params["depth"])
        p.SetFirstModSize(params["first_bits"])
        p.SetScalingModSize(params["scale_bits"])
        p.SetScalingTechnique(fhe.FIXEDMANUAL)  # rescales where it is told to, as libmzv's timed parts do
        p.SetKeySwitchTechnique(fhe.HYBRID)
        p.SetNumLargeDigits(params["n_digits"])
        p.SetSecretKeyDist(fhe.UNIFORM_TERNARY)
        cc = fhe.GenCryptoContext(p)
        for feature in (fhe.PKE, fhe.KEYSWITCH, fhe.LEVELEDSHE, fhe.ADVANCEDSHE):
            cc.Enable(feature)
        return cc

    def slots(self, value):
        """Slots of a ciphertext, or of a plaintext by way of encryption."""
        if isinstance(value, self.fhe.Plaintext):
            value.SetFormat(self.fhe.Format.EVALUATION)
            value = self.cc.Encrypt(self.keys.publicKey, value)
        return self.cc.Decrypt(value, self.keys.secretKey).GetRealPackedValueArray()

    def rescaled(self, product):
        self.cc.RescaleInPlace(product)
        return product

    def transform(self, form):
        """Transforms in place all limbs at once; OpenFHE shares them out among the threads."""
        self.rows.SetFormat(form)
        return self.rows

    def hoisted(self):
        digits = self.cc.EvalFastRotationPrecompute(self.a)
        return [self.cc.EvalFastRotation(self.a, step, self.order, digits) for step in STEPS]

    def in_place(self, method, operand):
        def run(target):
            getattr(self.cc, method)(target, operand)
            return target
        return run

    def in_place_rescaled(self, method, operand):
        product = self.in_place(method, operand)
        return lambda target: self.rescaled(product(target))


def cases(w):
    """Name, what is prepared before the clock starts, what is timed on it, operations in it, expected slots.

    "in place" writes over a copy that was made before the clock started; the others allocate their result.
    """
    import numpy as np
    cc, a, b, x, y = w.cc, w.a, w.b, w.x, w.y
    values, coefficients = w.fhe.Format.EVALUATION, w.fhe.Format.COEFFICIENT
    nothing, copy = (lambda: None), a.Clone
    rotated = [np.roll(x, -step) for step in STEPS]
    return [
        ("ntt", lambda: w.transform(coefficients), lambda _: w.transform(values), w.n_limbs, y),
        ("intt", lambda: w.transform(values), lambda _: w.transform(coefficients), w.n_limbs, y),
        ("add", nothing, lambda _: cc.EvalAdd(a, b), 1, x + y),
        ("add, in place", copy, w.in_place("EvalAddInPlace", b), 1, x + y),
        ("mul_plain product only", nothing, lambda _: cc.EvalMult(a, w.plain), 1, x * y),
        ("mul_plain rows ready, rescale", nothing, lambda _: w.rescaled(cc.EvalMult(a, w.plain)), 1, x * y),
        ("mul_const, rescale", nothing, lambda _: w.rescaled(cc.EvalMult(a, 0.5)), 1, x / 2),
        ("mul_const, rescale, in place", copy, w.in_place_rescaled("EvalMultInPlace", 0.5), 1, x / 2),
        ("mul, relinearise, rescale", nothing, lambda _: w.rescaled(cc.EvalMult(a, b)), 1, x * y),
        ("rotate", nothing, lambda _: cc.EvalRotate(a, 1), 1, rotated[0]),
        ("rotate hoisted 8, each", nothing, lambda _: w.hoisted(), N_HOISTED, rotated),
    ]


def check(w, name, got, expected):
    got, expected = (got, expected) if isinstance(got, list) else ([got], [expected])
    for value, slots in zip(got, expected, strict=True):
        error = abs(w.slots(value) - slots).max()
        if not error < TOLERANCE:
            sys.exit(f"openfhe {name}: off by {error:.3g} in a slot, need less than {TOLERANCE:.3g}")


def seconds(prepare, run):
    """Time of one run. Its result is let go after the clock has stopped."""
    target = prepare()
    start = time.perf_counter()
    result = run(target)
    stop = time.perf_counter()
    del result
    return stop - start


def measure(params, n_threads, only):
    w = Workshop(params)
    for name, prepare, run, count, expected in cases(w):
        if not name.startswith(only):
            continue
        check(w, name, run(prepare()), expected)
        seconds(prepare, run)  # warm-up once more: checking has filled the caches with other data
        times = sorted(seconds(prepare, run) / count for _ in range(REPETITIONS))
        median, least = (float(f"{t:.6g}") for t in (times[REPETITIONS // 2], times[0]))
        row = {"name": name, "log_n": w.log_n, "n_limbs": w.n_limbs, "threads": n_threads, "median_s": median,
               "min_s": least, "repetitions": REPETITIONS, "backend": f"openfhe-{w.version}"}
        print(json.dumps(row), flush=True)


def spawn(name, n_threads, only):
    """One set with one number of threads, in a process whose environment says so before OpenFHE is loaded."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(n_threads), GLIBC_TUNABLES=ALLOCATOR)
    command = [sys.executable, __file__, name, only, "--threads", str(n_threads)]
    code = subprocess.run(command, env=environment).returncode
    if code != 0:
        sys.exit(f"openfhe {name}: exit code {code} with {n_threads} threads")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", nargs="?", default="all", choices=[*SETS, "all"])
    parser.add_argument("case", nargs="?", default="", help="beginning of a case's name")
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)  # the process that measures
    args = parser.parse_args()
    if args.threads is not None:
        measure(SETS[args.set], args.threads, args.case)
        return
    for name in SETS if args.set == "all" else [args.set]:
        for n_threads in THREADS:
            spawn(name, n_threads, args.case)


if __name__ == "__main__":
    main()
