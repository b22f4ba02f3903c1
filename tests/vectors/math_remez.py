#!/usr/bin/env python3
"""Known answers for math/remez, by mpmath at 40 digits: best polynomials from a reference that moves to the
zeros of the error's derivative, found by bisection. Writes math_remez.txt beside itself:
name a b degree error, then the degree + 1 coefficients over T_k on [a, b]; the weight is 1, or 1/f for names
that end in _relative.
"""
import pathlib
from mpmath import mp, mpf, matrix, lu_solve, cos, acos, exp, erf, sqrt, pi, nstr, chebyt

mp.dps = 40
HERE = pathlib.Path(__file__).parent

FUNCTIONS = {
    "exp": exp,
    "gelu": lambda x: x * (1 + erf(x / sqrt(mpf(2)))) / 2,
    "abs": abs,
    "sqrt_relative": sqrt,
}


def best(f, weight, a, b, degree):
    """Coefficients over T_k(t) and the largest error, on t in [-1, 1]."""
    x_of = lambda t: (a + b) / 2 + (b - a) / 2 * t
    n = degree + 2
    reference = [-cos(pi * (mpf(i) + mpf("0.3") * (0 < i < n - 1)) / (n - 1)) for i in range(n)]
    grid = [-cos(pi * mpf(i) / (60 * n)) for i in range(60 * n + 1)]
    for _ in range(60):
        rows = matrix(n, n)
        right = matrix(n, 1)
        for i, t in enumerate(reference):
            for k in range(n - 1):
                rows[i, k] = chebyt(k, t)
            rows[i, n - 1] = (-1) ** i / weight(x_of(t))
            right[i] = f(x_of(t))
        solution = lu_solve(rows, right)
        c = [solution[k] for k in range(n - 1)]
        error = lambda t: weight(x_of(t)) * (f(x_of(t)) - sum(ck * chebyt(k, t) for k, ck in enumerate(c)))
        extremes = alternating(error, grid)
        largest = max(abs(e) for _, e in extremes)
        if largest - abs(solution[n - 1]) < largest * mpf(10) ** -16:
            return c, largest
        while len(extremes) > n:
            extremes.pop(0 if abs(extremes[0][1]) < abs(extremes[-1][1]) else -1)
        reference = [t for t, _ in extremes]
    raise SystemExit("no convergence")


def alternating(error, grid):
    """The largest point of each run of one sign, refined by a search for the maximum between its neighbours."""
    values = [error(t) for t in grid]
    found = []
    for i, e in enumerate(values):
        if not found or (e > 0) != (values[found[-1]] > 0):
            found.append(i)
        elif abs(e) > abs(values[found[-1]]):
            found[-1] = i
    refined = []
    for i in found:
        low, high = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
        for _ in range(90):
            third = (high - low) / 3
            if abs(error(low + third)) < abs(error(high - third)):
                low = low + third
            else:
                high = high - third
        top = max([grid[i], (low + high) / 2], key=lambda t: abs(error(t)))
        refined.append((top, error(top)))
    return refined


with open(HERE / "math_remez.txt", "w") as out:
    for name, a, b, degree in [("exp", -1, 1, 1), ("exp", -1, 1, 4), ("exp", -1, 1, 8), ("exp", -16, 0, 11),
                               ("gelu", -4, 4, 10), ("abs", -1, 1, 4), ("abs", -1, 2, 7),
                               ("sqrt_relative", "0.0625", 1, 6)]:
        f = FUNCTIONS[name]
        weight = (lambda x: 1 / f(x)) if name.endswith("_relative") else (lambda x: mpf(1))
        c, error = best(f, weight, mpf(a), mpf(b), degree)
        out.write(f"{name} {a} {b} {degree} {nstr(error, 20)}\n")
        out.write(" ".join(nstr(x, 25) for x in c) + "\n")
