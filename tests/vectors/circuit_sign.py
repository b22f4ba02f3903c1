#!/usr/bin/env python3
"""Known answers for circuit/sign. Needs scipy for the search; writes beside itself:
circuit_sign_nexus.txt    x, f(f(g(g(x)))) in exact fractions, f = f_4 and g = g_4 of [CKK20]
circuit_sign_levels.txt   gap, target, the fewest levels in which any sequence of odd polynomials of degree up to 31
                          reaches it. The nearest polynomials by linear programming on 400 points, not by exchange,
                          and all sequences of the highest degrees of their levels (3, 7, 15, 31), tried one by one.
"""
import functools
import itertools
import pathlib
from fractions import Fraction

import numpy as np
from scipy.optimize import linprog

HERE = pathlib.Path(__file__).parent

F = [Fraction(n, 128) for n in (315, -420, 378, -180, 35)]
G = [Fraction(n, 1024) for n in (5850, -34974, 97015, -113492, 46623)]


def odd(c, x):
    return sum(ck * x ** (2 * k + 1) for k, ck in enumerate(c))


with open(HERE / "circuit_sign_nexus.txt", "w") as out:
    for x in [Fraction(1, 65536), Fraction(1, 1000), Fraction(1, 128), Fraction(1, 80), Fraction(1, 64), Fraction(1, 32),
              Fraction(1, 7), Fraction(1, 2), Fraction(9, 10), Fraction(1)]:
        y = odd(F, odd(F, odd(G, odd(G, x))))
        scaled = y.numerator * 10 ** 30 // y.denominator
        out.write(f"{float(x).hex()} {float(Fraction(scaled, 10 ** 30)):.17g} {float(1 - y):.17g}\n")


@functools.lru_cache(maxsize=None)
def left(e, degree):
    """The error of the odd polynomial nearest to 1 on [e, 1]."""
    n = (degree + 1) // 2
    theta = np.linspace(0, np.pi, 400)
    t = np.sqrt(e * e + (1 - e * e) * (1 - np.cos(theta)) / 2)
    basis = np.cos(np.outer(np.arccos(np.clip(t, -1, 1)), 2 * np.arange(n) + 1))
    ones = np.ones((len(t), 1))
    rows = np.vstack([np.hstack([basis, -ones]), np.hstack([-basis, -ones])])
    right = np.concatenate([np.ones(len(t)), -np.ones(len(t))])
    cost = np.zeros(n + 1)
    cost[n] = 1
    found = linprog(cost, A_ub=rows, b_ub=right, bounds=[(None, None)] * (n + 1), method="highs")
    assert found.status == 0
    return found.x[n]


def reaches(gap, target, degrees):
    e = gap
    for degree in degrees[:-1]:
        error = left(e, degree)
        e = (1 - error) / (1 + error)
    return left(e, degrees[-1]) <= target


def sequences(levels):
    """Highest degrees of 2 to 5 levels each, that add up."""
    if levels == 0:
        yield ()
    for own in range(2, min(levels, 5) + 1):
        for rest in sequences(levels - own):
            yield (2 ** own - 1,) + rest


with open(HERE / "circuit_sign_levels.txt", "w") as out:
    for log_gap, target in itertools.product([1, 2, 3, 4, 5, 6, 8], [0.25, 1e-2, 1e-4]):
        for levels in range(2, 30):
            if any(reaches(2.0 ** -log_gap, target, s) for s in sequences(levels)):
                out.write(f"{2.0 ** -log_gap} {target} {levels}\n")
                break
