#!/usr/bin/env python3
"""OpenFHE's CKKS bootstrapping of full slots at N = 2^16: JSON lines beside those of `mzv bench circuit`.

openfhe_boot.py [--threads N] [--reps N] [--slots N] [--scale-bits B] [--first-bits B] [--levels L]
needs CPython 3.10 with bench/peers/requirements.txt, and about 14 GiB

128 bits by OpenFHE's own table, sparse-secret encapsulation, three levels for each transform, hybrid key
switching. Levels left start at --levels and go down until OpenFHE accepts the ring.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

ALLOCATOR = ("glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000000"
             ":glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1")


def context(fhe, options, levels):
    p = fhe.CCParamsCKKSRNS()
    p.SetSecurityLevel(fhe.HEStd_128_classic)
    p.SetRingDim(1 << 16)
    p.SetSecretKeyDist(fhe.SPARSE_ENCAPSULATED)
    p.SetKeySwitchTechnique(fhe.HYBRID)
    p.SetNumLargeDigits(3)
    p.SetScalingTechnique(fhe.FLEXIBLEAUTO)
    p.SetScalingModSize(options.scale_bits)
    p.SetFirstModSize(options.first_bits)
    depth = levels + fhe.CryptoContext.GetBootstrapDepth([3, 3], fhe.SPARSE_ENCAPSULATED)
    p.SetMultiplicativeDepth(depth)
    cc = fhe.GenCryptoContext(p)
    for feature in (fhe.PKE, fhe.KEYSWITCH, fhe.LEVELEDSHE, fhe.ADVANCEDSHE, fhe.FHE):
        cc.Enable(feature)
    return cc, depth


def deepest(fhe, options):
    """The context with the most levels left that OpenFHE takes for this ring."""
    for levels in range(options.levels, 0, -1):
        try:
            return (*context(fhe, options, levels), levels)
        except RuntimeError as error:
            print(f"openfhe: {levels} levels left refused: {error}".replace("\n", " ")[:200], file=sys.stderr)
    raise SystemExit("openfhe: no number of levels is accepted")


def bits(errors):
    import numpy as np
    return float(-np.log2(errors.mean())), float(-np.log2(errors.max()))


def run(options):
    import numpy as np
    import openfhe as fhe
    cc, depth, levels = deepest(fhe, options)
    cc.EvalBootstrapSetup([3, 3], [0, 0], options.slots)
    begin = time.perf_counter()
    keys = cc.KeyGen()
    cc.EvalMultKeyGen(keys.secretKey)
    cc.EvalBootstrapKeyGen(keys.secretKey, options.slots)
    keys_s = time.perf_counter() - begin
    draw = np.random.default_rng(1)
    x = draw.uniform(-1, 1, options.slots)  # its default data type is real
    plain = cc.MakeCKKSPackedPlaintext(x.tolist(), 1, depth - 1, None, options.slots)
    ciphertext = cc.Encrypt(keys.publicKey, plain)
    times, result = [], None
    for _ in range(options.reps + 1):  # the first warms up
        begin = time.perf_counter()
        result = cc.EvalBootstrap(ciphertext)
        times.append(time.perf_counter() - begin)
    decrypted = cc.Decrypt(result, keys.secretKey)
    decrypted.SetLength(options.slots)
    mean_bits, worst_bits = bits(np.abs(np.array(decrypted.GetRealPackedValue()) - x))
    left = depth - result.GetLevel() - (result.GetNoiseScaleDeg() - 1)
    print(json.dumps({
        "name": "bootstrap full", "library": f"OpenFHE {fhe.__version__}", "log_n": 16, "n_slots": options.slots,
        "threads": options.threads, "median_s": sorted(times[1:])[options.reps // 2], "min_s": min(times[1:]),
        "repetitions": options.reps, "levels_left": left, "mean_bits": mean_bits, "worst_bits": worst_bits,
        "keys_s": keys_s, "depth": depth, "scale_bits": options.scale_bits, "first_bits": options.first_bits,
        "asked_levels": levels, "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--slots", type=int, default=1 << 15)
    parser.add_argument("--scale-bits", type=int, default=50)
    parser.add_argument("--first-bits", type=int, default=57)
    parser.add_argument("--levels", type=int, default=13)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return run(options)
    env = dict(os.environ, OMP_NUM_THREADS=str(options.threads), GLIBC_TUNABLES=ALLOCATOR)
    return subprocess.run([sys.executable, __file__, "--inside", *sys.argv[1:]], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
