#!/usr/bin/env python3
"""Prints the ids of tests/runtime/sample_test.cc, OneSeedOneText: SplitMix64 in Python's integers, weights in decimal."""
from decimal import Decimal, getcontext

getcontext().prec = 50
MASK = (1 << 64) - 1


def splitmix64(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def main():
    logits, temperature, top_k, state = [0, 1, 2, 3], Decimal("1.5"), 3, 2024
    kept = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:top_k]
    weights = [(Decimal(logits[i] - max(logits)) / temperature).exp() for i in kept]
    ids = []
    for _ in range(16):
        state, x = splitmix64(state)
        target, total = Decimal(x >> 11) / (1 << 53) * sum(weights), Decimal(0)
        for i, w in zip(kept, weights):
            total += w
            if total > target:
                ids.append(i)
                break
    print(", ".join(map(str, ids)))


main()
