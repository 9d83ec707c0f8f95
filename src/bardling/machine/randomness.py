"""Randomness without state: every draw is a pure function of what it is for.

A training run asks for batch 1200 of seed 7 and gets the same numbers whether it ran through
the 1199 before it, was resumed in a new process, or only wanted to look. Nothing here keeps a
position, so nothing has to be saved, and evaluation cannot disturb training.

Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns a key and
a counter into numbers. The index goes into the *high* word of the counter: the generator
counts upward from the low word as it is read, so neighbouring indices in the low word would
hand out mostly the same numbers.
"""

from hashlib import blake2b

import numpy as np
from jaxtyping import Int32, Int64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, splitmix64's increment


def word(*parts: int | str) -> int:
    """Hash names and numbers to one unsigned 64-bit word."""
    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def stream(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """Return the generator that belongs to (`seed`, `purpose`, `index`), always at its start."""
    # a list of such numbers would become float64 and lose their low bits
    key = np.array([seed % 2**64, word(purpose)], dtype=np.uint64)
    counter = np.array([0, 0, 0, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def row_keys(
    seed: int, step: int, rows: Int64[np.ndarray, " batch"]
) -> Int32[np.ndarray, " batch"]:
    """Return one key for each row of the global batch of a step, from which dropout masks grow.

    `rows` are global row numbers, so that a batch split over ranks or over accumulated parts
    gets the keys it would have had in one piece.
    """
    base = np.uint64(word("dropout", seed, step))
    with np.errstate(over="ignore"):
        x = base + (rows.astype(np.uint64) + np.uint64(1)) * _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)  # splitmix64's finisher
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x >> np.uint64(32)).astype(np.uint32).view(np.int32)
