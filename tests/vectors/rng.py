#!/usr/bin/env python3
"""Known answers for host/base/random.c, by libsodium through ctypes: rng.txt, one line per answer,
    seed label index offset bytes
(all but index and offset in hexadecimal; "-" is an empty label). Run: python3 rng.py > rng.txt"""
import ctypes
import ctypes.util
import hashlib

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")


def hchacha20(key, block):
    out = ctypes.create_string_buffer(32)
    assert sodium.crypto_core_hchacha20(out, block, key, None) == 0
    return out.raw


def stream(key, n):
    """ChaCha20 with 64-bit counter and 64-bit nonce, both from zero."""
    out = ctypes.create_string_buffer(n)
    assert sodium.crypto_stream_chacha20(out, ctypes.c_ulonglong(n), b"\0" * 8, key) == 0
    return out.raw


def derive(seed, label, index):
    key = hchacha20(seed, index.to_bytes(8, "little") + len(label).to_bytes(4, "little") + b"mzv1")
    for at in range(0, len(label), 16):
        key = hchacha20(key, label[at:at + 16].ljust(16, b"\0"))
    return key


for number, (label, index) in enumerate([
        (b"", 0), (b"a", 0), (b"a", 1), (b"b", 0), (b"public", 7), (b"sixteen bytes ok", 0),
        (b"seventeen bytes !", 2**64 - 1), (b"a label that takes three blocks of sixteen", 2**32)]):
    seed = hashlib.sha256(b"seed %d" % number).digest()
    out = stream(derive(seed, label, index), 8192)
    for offset in (0, 63, 500, 4100, 8128):
        print(seed.hex(), label.hex() or "-", index, offset, out[offset:offset + 64].hex())
