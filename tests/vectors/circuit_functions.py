#!/usr/bin/env python3
"""Known answers for circuit/activation, circuit/inverse_root and circuit/norm, by mpmath at 40 digits. Writes beside
itself:
circuit_activation.txt    function a b n, then n pairs x, f(x)
circuit_inverse_root.txt  hi/lo degree error: the least max |sqrt(x) p(x) - 1| on [lo, hi] of that degree, by Remez
circuit_norm.txt          kind channels epsilon tokens, then for each token its x, and its y with gamma = 1, beta = 0
"""
import pathlib
import random
from mpmath import mp, mpf, cos, exp, erf, lu_solve, matrix, nstr, pi, sqrt, tanh

mp.dps = 40
HERE = pathlib.Path(__file__).parent


def gelu_tanh(x):
    return x * (1 + tanh(sqrt(2 / pi) * (x + mpf("0.044715") * x**3))) / 2


FUNCTIONS = {
    "gelu": lambda x: x * (1 + erf(x / sqrt(mpf(2)))) / 2,
    "gelu_tanh": gelu_tanh,
    "tanh": tanh,
    "sigmoid": lambda x: 1 / (1 + exp(-x)),
    "silu": lambda x: x / (1 + exp(-x)),
}

with open(HERE / "circuit_activation.txt", "w") as out:
    for name, f in FUNCTIONS.items():
        for a, b in [(-8, 8), (-3, 11), (-60, 60), (-1000, 1000)]:
            points = [mpf(a) + (mpf(b) - a) * i / 32 for i in range(33)]
            points += [mpf(i) / 8 for i in range(-20, 21)]
            out.write(f"{name} {a} {b} {len(points)}\n")
            for x in points:
                out.write(f"{nstr(x, 20)} {nstr(f(x), 20)}\n")


def least_error(ratio, degree):
    """Remez's exchange for sqrt(x) p(x) = 1 on [1, ratio]; p in powers of t = x mapped to [-1, 1]."""
    n = degree + 2

    def x_of(t):
        return (1 + ratio) / mpf(2) + (ratio - 1) / mpf(2) * t

    reference = [-cos(pi * i / (n - 1)) for i in range(n)]
    grid = [-cos(pi * mpf(i) / (60 * n)) for i in range(60 * n + 1)]
    for _ in range(30):
        a = matrix(n, n)
        for i, t in enumerate(reference):
            for j in range(degree + 1):
                a[i, j] = t**j
            a[i, n - 1] = (-1) ** i / sqrt(x_of(t))
        c = lu_solve(a, matrix([1 / sqrt(x_of(t)) for t in reference]))
        error = [sqrt(x_of(t)) * sum(c[j] * t**j for j in range(degree + 1)) - 1 for t in grid]
        peaks = []
        for t, e in zip(grid, error):
            if peaks and (peaks[-1][1] < 0) == (e < 0):
                if abs(e) > abs(peaks[-1][1]):
                    peaks[-1] = (t, e)
            else:
                peaks.append((t, e))
        assert len(peaks) == n
        reference = [t for t, _ in peaks]
        worst = max(abs(e) for _, e in peaks)
        if worst - abs(c[n - 1]) < worst * mpf("1e-4"):
            return worst
    raise RuntimeError("no convergence")


with open(HERE / "circuit_inverse_root.txt", "w") as out:
    for ratio, degree in [(4, 1), (4, 3), (16, 1), (16, 3), (16, 7), (128, 7), (128, 15), (1024, 15), (1024, 23)]:
        out.write(f"{ratio} {degree} {nstr(least_error(ratio, degree), 6)}\n")

random.seed(7)
with open(HERE / "circuit_norm.txt", "w") as out:
    for kind in ["layer", "rms"]:
        for channels, epsilon in [(1, "1"), (5, "1e-5"), (16, "1e-12"), (48, "0.001")]:
            out.write(f"{kind} {channels} {epsilon} 3\n")
            for token in range(3):
                size, offset = [(0.5, 0.1), (1.0, -0.3), (2.0, 0.0)][token]
                x = [mpf(round(random.gauss(offset, size), 6)) for _ in range(channels)]
                mean = sum(x) / channels if kind == "layer" else mpf(0)
                variance = sum((v - mean) ** 2 for v in x) / channels
                y = [(v - mean) / sqrt(variance + mpf(epsilon)) for v in x]
                out.write(" ".join(nstr(v, 20) for v in x) + "\n" + " ".join(nstr(v, 20) for v in y) + "\n")
