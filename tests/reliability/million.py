"""A child of the tests of row 19: encodes so much of one thing, and says what that took.

python million.py KIND WHAT N
"""

import json
import random
import string
import sys
import time
from pathlib import Path

from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer

LETTERS = "".join(random.Random(0).choices(string.ascii_letters, k=2**20))
WHAT = {"a": "a", "^": "^", "space": " ", "newline": "\n", "letters": LETTERS, "emoji": "😀"}
LEARNED = "a aa aaa ^ ^^ the then thing  \n\n\n    😀😀 " * 9 + LETTERS[:3000]


def coders(kind: str):
    """Return what encodes and decodes."""
    if kind == "char":
        tokenizer = CharacterTokenizer.train([*WHAT.values()])
        return tokenizer.encode_array, tokenizer.decode
    split, _, way = kind.partition(":")
    tokenizer = BPETokenizer.train([LEARNED], vocab_size=600, split=split)
    if way == "readable":
        return tokenizer.reference.encode, tokenizer.decode
    return tokenizer.encode_array, tokenizer.decode


def peak_megabytes() -> float:
    """Return the most memory that this process has held."""
    report = Path("/proc/self/status").read_text()
    return int(report.split("VmHWM:")[1].split()[0]) / 1000


if __name__ == "__main__":
    kind, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    encode, decode = coders(kind)
    text = (WHAT[what] * (n // len(WHAT[what]) + 1))[:n]
    began = time.process_time()
    ids = encode(text)
    encoded = time.process_time()
    same = decode(ids) == text
    seconds = [encoded - began, time.process_time() - encoded]
    print(json.dumps({"same": same, "seconds": seconds, "megabytes": peak_megabytes()}))
