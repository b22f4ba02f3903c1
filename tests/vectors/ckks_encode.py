"""Known answers of the canonical embedding, by its definition in 60-digit arithmetic (mpmath).

python3 ckks_encode.py > ckks_encode.txt

One block a ring: "ring LOG_N SCALE", then N/2 lines "RE IM" (slots, doubles in hexadecimal), then N lines with
the coefficients times the scale, unrounded, as decimals of 30 digits.
"""
import random
from mpmath import mp, mpf, mpc, nstr

mp.dps = 60


def embed_inverse(slots, n):
    """Coefficients m_k = (2/N) sum_j Re(z_j conj(zeta^(5^j k))), zeta = exp(i pi / N)."""
    zeta = [mp.expjpi(mpf(k) / n) for k in range(2 * n)]
    power = [pow(5, j, 2 * n) for j in range(n // 2)]
    return [
        2 * sum((z * zeta[-p * k % (2 * n)]).real for z, p in zip(slots, power)) / n
        for k in range(n)
    ]


def main():
    rng = random.Random(20240117)
    for log_n, scale in ((2, 2.0**30), (5, 2.0**40), (8, 2.0**45 * 1.0009765625)):
        n = 1 << log_n
        slots = [complex(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(n // 2)]
        print("ring", log_n, scale.hex())
        for z in slots:
            print(z.real.hex(), z.imag.hex())
        for m in embed_inverse([mpc(z) for z in slots], n):
            print(nstr(m * mpf(scale), 30))


if __name__ == "__main__":
    main()
