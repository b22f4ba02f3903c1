#!/usr/bin/env python3
"""Golden files of the container, written from docs/container.md alone: container.txt, lines "NAME SHA-256".
Run: python3 container.py > container.txt"""
import hashlib
import os
import struct

CHUNK = 4 << 20


def up(n):
    return (n + 63) // 64 * 64


def sha(data):
    return hashlib.sha256(data).digest()


def name16(text):
    return text.encode().ljust(16, b"\0")


def container(kind, flags, ids, fields, sections):
    chunks = [[data[i:i + CHUNK] for i in range(0, len(data), CHUNK)] for _, _, data in sections]
    sums = b"".join(sha(c) for cs in chunks for c in cs)
    header_bytes = up(128 + 64 * (len(fields) + len(sections)) + len(sums) + 32)
    table, body, at, first = b"", b"", header_bytes, 0
    for (name, index, data), cs in zip(sections, chunks):
        body += b"\0" * (up(at) - at)
        at = up(at)
        table += name16(name) + struct.pack("<IIQQQ", index, 0, at, len(data), first) + b"\0" * 16
        body += data
        at += len(data)
        first += len(cs)
    entries = b""
    for name, value in fields:
        code, raw = ((1, struct.pack("<Q", value)) if isinstance(value, int) else
                     (2, struct.pack("<d", value)) if isinstance(value, float) else (3, value))
        entries += name16(name) + struct.pack("<IIII", code, len(raw), 0, 0) + raw.ljust(32, b"\0")
    prefix = b"\x89MZV\r\n\x1a\n" + struct.pack("<HHIQQII", 1, 0, 0x01020304, header_bytes, at, kind, flags)
    prefix += b"".join(ids) + struct.pack("<IIQQ", len(fields), len(sections), first, CHUNK) + b"\0" * 16
    assert len(prefix) == 128
    header = (prefix + entries + table + sums).ljust(header_bytes - 32, b"\0")
    return header + sha(header) + body


def params_file(wanted):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "params.txt")
    primes, found = [], None
    for line in open(path):
        word = line.split()
        if word[0] == "set":
            found = word if word[1] == wanted else None
            literal = list(map(int, word[2:16])) if found else None
            if found:
                keep, identity = literal, bytes.fromhex(word[16])
        elif word[0] == "prime" and found:
            primes.append(int(word[1]))
    log_n, levels, log_q0, log_scale, n_special, log_special, toy, n_mod, log_mod, n_low, log_low, n_cts, log_cts, log_bridge = keep
    fields = [("log_n", log_n), ("n_levels", levels), ("log_q0", log_q0), ("log_scale", log_scale),
              ("n_special", n_special), ("log_special", log_special),
              ("n_eval_mod", n_mod), ("log_eval_mod", log_mod), ("n_mod_low", n_low), ("log_mod_low", log_low), ("n_cts", n_cts), ("log_cts", log_cts),
              ("log_bridge", log_bridge), ("security_bits", 0 if toy else 128)]
    data = b"".join(struct.pack("<Q", p) for p in primes)
    return container(1, toy, [identity, bytes(16), bytes(16)], fields, [("primes", 0, data)])


def large_file():
    """Two rows of more than a chunk and a small one; byte i of row r is (i * 7 + i // 255 + r) mod 256."""
    def row(r, n):
        return bytes((i * 7 + i // 255 + r) & 255 for i in range(n))
    ids = [bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))]
    fields = [("level", 3), ("scale", 2.0**40), ("seed", bytes(range(100, 132)))]
    return container(4, 0, ids, fields, [("row", 0, row(0, CHUNK + 8)), ("row", 1, row(1, CHUNK)), ("tail", 0, row(2, 24))])


for name in ("n13-leveled", "toy-leveled", "n16-boot"):
    print(name, hashlib.sha256(params_file(name)).hexdigest())
print("large", hashlib.sha256(large_file()).hexdigest())
