#!/usr/bin/env python3
"""Known answers for tests/math and tests/backend, from Python's big integers.

Everything is computed by definition: values of a polynomial by Horner at each root, products by the schoolbook
rule X^N = -1, changes of basis by reconstructing digits one by one. Run: math.py > math_vectors.h
"""
import random

random.seed(20240117)


def is_prime(n):
    """Trial division by small primes, then Miller-Rabin with 40 random bases."""
    for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47):
        if n % p == 0:
            return n == p
    if n < 2:
        return False
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for _ in range(40):
        x = pow(random.randrange(2, n - 1), d, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime_below(limit, two_n):
    p = (limit - 2) // two_n * two_n + 1
    while not is_prime(p):
        p -= two_n
    return p


def prime_above(limit, two_n):
    p = (limit - 1) // two_n * two_n + 1 + two_n
    while not is_prime(p):
        p += two_n
    return p


def prime_near(target, two_n, taken):
    candidates = [p for p in range((target - 1) // two_n * two_n + 1 - 400 * two_n,
                                   (target - 1) // two_n * two_n + 1 + 400 * two_n, two_n)
                  if p > 2 and p not in taken and is_prime(p)]
    return min(candidates, key=lambda p: (abs(p - target), p))


def root(p, two_n):
    """The rule of primes.h."""
    g = 2
    while pow(pow(g, (p - 1) // two_n, p), two_n // 2, p) != p - 1:
        g += 1
    return pow(g, (p - 1) // two_n, p)


def rev(x, bits):
    return int(format(x, "0%db" % bits)[::-1], 2) if bits else 0


def values(a, p, log_n):
    n = 1 << log_n
    psi = root(p, 2 * n)
    out = []
    for k in range(n):
        x, v = pow(psi, 2 * rev(k, log_n) + 1, p), 0
        for c in reversed(a):
            v = (v * x + c) % p
        out.append(v)
    return out


def product(a, b, p):
    n = len(a)
    r = [0] * n
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            k = (i + j) % n
            r[k] = (r[k] + (x * y if i + j < n else -x * y)) % p
    return r


def substitute(a, g, p):
    n = len(a)
    r = [0] * n
    for i, x in enumerate(a):
        e = i * g % (2 * n)
        r[e % n] = x if e < n else -x % p
    return r


def centred(x, p):
    x %= p
    return x - p if x > p // 2 else x


def convert(digits, source, target):
    """sum_f [a (F/f)^-1]_f (F/f) mod t, digits centred."""
    whole = 1
    for f in source:
        whole *= f
    r = []
    for words in zip(*digits):
        total = sum(centred(w * pow(whole // f, -1, f), f) * (whole // f) for w, f in zip(words, source))
        r.append([total % t for t in target])
    return [list(row) for row in zip(*r)]


def mod_down(rows, dropped, kept):
    """rows: {prime: coefficients}."""
    whole = 1
    for d in dropped:
        whole *= d
    conv = convert([rows[d] for d in dropped], dropped, kept)
    return [[(x - y) * pow(whole, -1, t) % t for x, y in zip(rows[t], c)] for t, c in zip(kept, conv)]


def emit(name, data):
    flat = [data] if isinstance(data, int) else data
    if isinstance(flat[0], list):
        flat = [x for row in flat for x in row]
    print("static const uint64_t %s[] = {" % name)
    for i in range(0, len(flat), 4):
        print("    " + ", ".join("UINT64_C(%d)" % x for x in flat[i:i + 4]) + ",")
    print("};")


def main():
    print("// Made by tests/vectors/math.py; do not edit.")
    print("#include <cstdint>")
    edges = [0, 1, 2, 3, 4, 9, 25, 341, 561, 1105, 2047, 3215031751, 3825123056546413051, 4294967291, 4294967297,
             (1 << 61) - 1, (1 << 61) + 1, 18446744073709551557, 18446744073709551556, 18446744073709551615,
             1000000007 * 998244353, 318665857834031151167461 % (1 << 64)]
    edges += [random.getrandbits(random.randrange(8, 64)) | 1 for _ in range(60)]
    emit("kPrimeCandidates", edges)
    emit("kPrimeAnswers", [int(is_prime(n)) for n in edges])
    # limit, 2N, largest prime below, smallest prime above
    emit("kPrimeBounds", [[limit, two_n, prime_below(limit, two_n), prime_above(limit, two_n)]
                          for limit, two_n in ((1 << 40, 2048), (1 << 48, 1 << 17), ((1 << 48) + 1, 1 << 17),
                                               (1 << 60, 1 << 18), (12290, 2048), (18433, 2048), (1000, 2))])
    taken = []
    near = []
    for target in (1 << 40, 1 << 40, 1 << 40, (1 << 40) + 12345, 40961, 40961, 30000):
        p = prime_near(target, 8192, taken)
        taken.append(p)
        near.append([target, p])
    emit("kPrimesNear", near)
    emit("kRoots", [[p, two_n, root(p, two_n)] for p, two_n in
                    ((12289, 2048), (prime_below(1 << 48, 1 << 17), 1 << 17), (prime_below(1 << 61, 32), 32))])
    mods = [3, 5, 12289, prime_below(1 << 32, 32), prime_below(1 << 48, 32), prime_below(1 << 61, 32)]
    rows = []
    for p in mods:
        for a in (0, 1, p // 2, p - 2 if p > 3 else 1, p - 1, random.randrange(p)):
            for b in (0, 1, p // 2 + 1, p - 1, random.randrange(p)):
                rows.append([p, a, b, (a + b) % p, (a - b) % p, a * b % p, pow(a, b, p)])
    emit("kModular", rows)
    for log_n in (3, 5):
        n = 1 << log_n
        chain = [prime_below(1 << 61, 2 * n), prime_below(1 << 48, 2 * n), prime_above(1 << 20, 2 * n),
                 prime_below(1 << 60, 2 * n), prime_below(1 << 47, 2 * n), prime_below(1 << 33, 2 * n)]
        a = {p: [random.randrange(p) for _ in range(n - 2)] + [p - 1, p // 2] for p in chain}
        b = {p: [random.randrange(p) for _ in range(n)] for p in chain}
        tag = "%d" % n
        emit("kChain" + tag, chain)
        emit("kA" + tag, [a[p] for p in chain])
        emit("kB" + tag, [b[p] for p in chain])
        emit("kValues" + tag, [values(a[p], p, log_n) for p in chain])
        emit("kProduct" + tag, [product(a[p], b[p], p) for p in chain])
        emit("kSubstituted" + tag, [substitute(a[p], 5, p) for p in chain])
        # p: the first two primes; q: the other four. mod_up from q1, q2 to all, coefficients of all rows.
        source = chain[3:5]
        conv = dict(zip([t for t in chain if t not in source],
                        convert([a[f] for f in source], source, [t for t in chain if t not in source])))
        emit("kModUp" + tag, [a[t] if t in source else conv[t] for t in chain])
        emit("kModDown" + tag, mod_down(a, chain[:2], chain[2:]))
        emit("kRescaled" + tag, mod_down(a, chain[:2] + chain[5:], chain[2:5]))
        signed = [random.getrandbits(62) - (1 << 61) for _ in range(n - 3)] + [(1 << 62) - 1, 1 - (1 << 62), -1]
        emit("kSigned" + tag, [x % (1 << 64) for x in signed])
        emit("kLifted" + tag, [[x % p for x in signed] for p in chain])


main()
