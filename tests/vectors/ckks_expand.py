"""The golden hash of seed expansion (tests/ckks/sample_test.cc), from the definitions in random.h and expand.h.

python3 ckks_expand.py
"""
import hashlib
import struct

MASK = 0xFFFFFFFF
CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def rounds(x):
    def quarter(a, b, c, d):
        for into, from_, by, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[into] = (x[into] + x[from_]) & MASK
            x[by] ^= x[into]
            x[by] = ((x[by] << turn) | (x[by] >> (32 - turn))) & MASK

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)


def hchacha(key, block):
    x = list(CONSTANTS + struct.unpack("<8I", key) + struct.unpack("<4I", block))
    rounds(x)
    return struct.pack("<8I", *(x[:4] + x[12:]))


def words(seed, label, index):
    key = hchacha(seed, struct.pack("<QI4s", index, len(label), b"mzv1"))
    for at in range(0, len(label), 16):
        key = hchacha(key, label[at : at + 16].ljust(16, b"\0"))
    counter = 0
    while True:
        start = list(CONSTANTS + struct.unpack("<8I", key)) + [counter & MASK, counter >> 32, 0, 0]
        x = list(start)
        rounds(x)
        block = struct.pack("<16I", *((a + b) & MASK for a, b in zip(x, start)))
        yield from struct.unpack("<8Q", block)
        counter += 1


def expand_row(n, prime, seed, label, index):
    stream = words(seed, label, index)
    row = [next(stream) for _ in range(n)]
    threshold = 2**64 % prime
    for k in range(n):
        while row[k] * prime % 2**64 < threshold:
            row[k] = next(stream)
        row[k] = row[k] * prime >> 64
    return row


row = expand_row(1000, 281474976317441, bytes(range(32)), b"mzv uniform half of a ciphertext", (3 << 32) + 2)
print(hashlib.sha256(struct.pack("<1000Q", *row)).hexdigest())
