"""Known answers of centred CRT composition, by Python's integers.

python3 ckks_crt.py > ckks_crt.txt

"set K" and its K primes, then lines "RESIDUE_0 .. RESIDUE_{K-1} VALUE": VALUE is the centred number rounded to
double (hexadecimal), the residues are decimal. The primes need not fit a ring here.
"""
import random


def is_prime(n):
    if any(n % p == 0 for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for a in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(a, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def primes_below(limit, count):
    found, n = [], limit - 1
    while len(found) < count:
        if is_prime(n):
            found.append(n)
        n -= 1
    return found


def main():
    rng = random.Random(7)
    sets = [
        primes_below(1 << 20, 1),
        primes_below(1 << 61, 1),
        primes_below(1 << 48, 1) + primes_below(1 << 38, 3),
        primes_below(1 << 61, 16),
        primes_below(1 << 48, 1) + primes_below(1 << 40, 29),
        primes_below(1 << 25, 64),
    ]
    for primes in sets:
        q = 1
        for p in primes:
            q *= p
        print("set", len(primes), *primes)
        top = min(q // 2 - (q >> 38), 1 << 1000)
        values = [0, 1, -1, 2, -2, top, -top, top // 3, -top // 3, (1 << 53) + 1, -(1 << 64), (1 << 64) - 1]
        values += [rng.randint(-(1 << bits), 1 << bits) for bits in range(4, 1000, 37)]
        for x in values:
            if abs(x) <= top:
                print(*[x % p for p in primes], float(x).hex())


if __name__ == "__main__":
    main()
