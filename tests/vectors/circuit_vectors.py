#!/usr/bin/env python3
"""Known answers for math/chebyshev and circuit/inverse, by mpmath at 60 digits. Writes beside itself:
circuit_chebyshev.txt   function a b degree max_error, then the degree + 1 coefficients of the interpolant
circuit_inverse.txt     lo hi gain k, then pairs S, gain (1 - T_D(t) / T_D(t0)) / S, by the definition of T_D
"""
import pathlib
from mpmath import mp, mpf, cos, cosh, acosh, acos, exp, erf, sqrt, pi, nstr

mp.dps = 60
HERE = pathlib.Path(__file__).parent


def interpolant(f, a, b, degree):
    n = degree + 1
    nodes = [cos(pi * (i + mpf(1) / 2) / n) for i in range(n)]
    values = [f((a + b) / 2 + (b - a) / 2 * t) for t in nodes]
    coefficients = []
    for k in range(n):
        total = sum(v * cos(k * pi * (i + mpf(1) / 2) / n) for i, v in enumerate(values))
        coefficients.append(total * (1 if k == 0 else 2) / n)
    return coefficients


def series(c, t):
    return sum(ck * cos(k * acos(t)) for k, ck in enumerate(c))


def worst(f, a, b, c):
    n = 40 * len(c)
    points = [cos(pi * mpf(i) / n) for i in range(n + 1)]
    return max(abs(series(c, t) - f((a + b) / 2 + (b - a) / 2 * t)) for t in points)


FUNCTIONS = {
    "exp": exp,
    "erf": erf,
    "inverse": lambda x: 1 / x,
    "gelu": lambda x: x * (1 + erf(x / sqrt(mpf(2)))) / 2,
}

with open(HERE / "circuit_chebyshev.txt", "w") as out:
    for name, a, b, degree in [("exp", -2, 3, 12), ("exp", -16, 0, 15), ("erf", -3, 3, 17), ("inverse", 1, 4, 9),
                               ("inverse", 1, 128, 63), ("gelu", -8, 8, 31), ("gelu", -12, 12, 59)]:
        f = FUNCTIONS[name]
        c = interpolant(f, mpf(a), mpf(b), degree)
        out.write(f"{name} {a} {b} {degree} {nstr(worst(f, mpf(a), mpf(b), c), 8)}\n")
        out.write(" ".join(nstr(x, 25) for x in c) + "\n")


def chebyshev(n, t):
    if abs(t) <= 1:
        return cos(n * acos(t))
    return cosh(n * acosh(abs(t))) * (1 if t > 0 or n % 2 == 0 else -1)


with open(HERE / "circuit_inverse.txt", "w") as out:
    for lo, hi, gain, k in [("1", "2", "1", 3), ("0.5", "64", "0.5", 6), ("1", "1024", "1", 8),
                            ("0.0009765625", "1024", "0.0009765625", 12), ("2", "3", "100", 2), ("1", "16", "4", 1)]:
        low, high, g = mpf(lo), mpf(hi), mpf(gain)
        size = 2 ** k
        t0 = (high + low) / (high - low)
        points = [low / 1000, low / 2, low, low * mpf("1.01"), sqrt(low * high), (low + high) / 2, high * mpf("0.99"),
                  high, high + low / 2]
        out.write(f"{lo} {hi} {gain} {k} {len(points)}\n")
        for s in points:
            t = (high + low - 2 * s) / (high - low)
            out.write(f"{nstr(s, 25)} {nstr(g * (1 - chebyshev(size, t) / chebyshev(size, t0)) / s, 25)}\n")
