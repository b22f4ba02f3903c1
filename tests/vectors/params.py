#!/usr/bin/env python3
"""Known answers for host/ckks/params.c and security.c, from their definitions, without any library. Scales are
IEEE doubles by definition (square rounded, then quotient rounded); all else is exact. params.txt, lines
    set NAME log_n L log_q0 log_scale K log_special toy n_mod log_mod n_low log_low n_cts log_cts log_bridge id log2_qp
    prime P            (p_0 .. p_{K-1}, q_0 .. q_L)
    scale X            (level 0 .. L, shortest decimal that reads back)
    boot log_n h K log2_probability
Run: python3 params.py > params.txt"""
import hashlib
import struct
from decimal import Decimal, getcontext
from fractions import Fraction
from math import comb, factorial, sqrt

getcontext().prec = 60


def is_prime(n):
    """Miller-Rabin with the first 13 primes as bases: proven for n < 3.3e24."""
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
    if n < 2:
        return False
    for p in bases:
        if n % p == 0:
            return n == p
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for a in bases:
        x = pow(a, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def below(bits, m, taken):
    p = 2**bits + 1
    while True:
        p -= m
        if p < 2**bits and is_prime(p) and p not in taken:
            return p


def near(target, m, taken):
    """Of all p = 1 mod m, by distance from the integer target, the smaller first."""
    low = (target - 1) // m * m + 1
    high = low + m
    while True:
        if target - low <= high - target:
            candidate, low = low, low - m
        else:
            candidate, high = high, high + m
        if is_prime(candidate) and candidate not in taken:
            return candidate


def log2(x):
    return Decimal(x).ln() / Decimal(2).ln()


def multiplying(q, scale, m, taken, target, first, n):
    scale[first + n - 1] = target[n]
    for level in range(first + n - 1, first - 1, -1):
        square, nominal = scale[level] * scale[level], target[level - first]
        q[level] = near(round(square / nominal), m, taken)
        taken.append(q[level])
        scale[level - 1] = square / float(q[level])
        # What products rely on: the exact quotient, to a few units in the last place.
        assert abs(Fraction(scale[level])**2 / q[level] / Fraction(scale[level - 1]) - 1) <= Fraction(3, 2**53)


def chain(literal, boot):
    log_n, levels, log_q0, log_scale, n_special, log_special = literal
    n_mod, log_mod, n_low, log_low, n_cts, log_cts, log_bridge = boot
    m = 2**(log_n + 1)
    taken = []
    for _ in range(n_special):
        taken.append(below(log_special, m, taken))
    q, scale = [0] * (levels + 1), [0.0] * (levels + 1)

    def free(level, bits):
        q[level] = below(bits, m, taken)
        taken.append(q[level])
    free(0, log_q0)
    message = levels
    if n_mod:
        message = levels - n_mod - n_cts - 1
        for level in range(levels, levels - n_cts, -1):
            scale[level] = 2.0**log_mod
            free(level, log_cts)
        high = 2.0**log_mod
        target = []
        for i in range(n_mod + 1):
            low = 2.0**log_low if n_low else high
            target.append(low if i <= n_low else min(high, sqrt(1.25 * high * target[-1])))
        multiplying(q, scale, m, taken, target, message + 2, n_mod)
        free(message + 1, log_bridge)
    scale[message] = 2.0**log_scale
    multiplying(q, scale, m, taken, [2.0**log_scale] * (message + 1), 1, message)
    return taken[:n_special] + q, scale


NONE = (0, 0, 0, 0, 0, 0, 0)
SETS = [
    ("n13-leveled", (13, 3, 48, 38, 1, 48), 0, NONE),
    ("n14-leveled", (14, 7, 48, 40, 2, 48), 0, NONE),
    ("n15-leveled", (15, 14, 48, 40, 5, 48), 0, NONE),
    ("n16-leveled", (16, 29, 48, 40, 10, 48), 0, NONE),
    ("toy-leveled", (11, 14, 48, 40, 5, 48), 1, NONE),
    ("wide", (12, 40, 61, 60, 8, 61), 1, NONE),
    ("hot", (16, 25, 48, 47, 9, 48), 0, NONE),
    ("equal", (10, 5, 31, 30, 2, 31), 1, NONE),
    ("flat", (13, 0, 50, 40, 1, 50), 0, NONE),
    ("n16-boot", (16, 29, 48, 39, 10, 47), 0, (10, 48, 4, 44, 3, 45, 40)),
    ("n16-fine", (16, 27, 48, 44, 10, 48), 0, (10, 48, 4, 44, 3, 45, 40)),
    ("toy-boot", (11, 29, 48, 39, 10, 47), 1, (10, 48, 4, 44, 3, 45, 40)),
    ("small-boot", (12, 8, 40, 34, 5, 42), 1, (4, 40, 0, 0, 2, 38, 33)),
    ("narrow", (10, 8, 25, 24, 3, 25), 1, NONE),
]
for name, literal, toy, boot_part in SETS:
    primes, scale = chain(literal, boot_part)
    log_n, levels, log_q0, log_scale, n_special, log_special = literal
    text = b"mzv params 1\0\0\0\0" + struct.pack("<5I", log_n, n_special, levels, log_scale, toy)
    if boot_part[0]:
        text += struct.pack("<5I", *boot_part[:5])
    text += b"".join(struct.pack("<Q", p) for p in primes)
    identity = hashlib.sha256(text).hexdigest()[:32]
    print("set", name, *literal, toy, *boot_part, identity, f"{sum(map(log2, primes)):.12f}")
    for p in primes:
        print("prime", p)
    for s in scale:
        print("scale", repr(s))


def boot(log_n, h, k):
    """Irwin-Hall in exact rationals: both tails, union bound over N coefficients."""
    n = h + 1
    x = Fraction(n, 2) - k
    if x <= 0:
        return "-inf"
    tail = sum((-1)**j * comb(n, j) * (x - j)**n for j in range(int(x) + 1)) / factorial(n)
    both = 2 * tail
    return f"{min(Decimal(0), Decimal(both.numerator).ln() / Decimal(2).ln() - log2(both.denominator) + log_n):.9f}"


for log_n, h, k in [(16, 32, 16), (16, 32, 12), (15, 32, 16), (16, 192, 25), (17, 192, 40), (16, 32, 17), (16, 64, 1),
                    (16, 64, 20), (15, 33, 10), (16, 1024, 60)]:
    print("boot", log_n, h, k, boot(log_n, h, k))
