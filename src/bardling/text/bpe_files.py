"""Byte-level BPEs in the files of others: GPT-2's pair of files, and tiktoken's ranks.

GPT-2's `vocab.json` has the ids and `merges.txt` the merges (Radford et al. 2019, published with
the model). A ranks file has a token in base64 and its rank on each line; the split and the special
tokens are not in it. The merges are found again by encoding each token with those before it, which
has to leave two parts (as in tiktoken's own `simple_bpe_train` read backwards).
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import pairwise

from bardling.errors import StorageError, TokenizerError
from bardling.fields import show
from bardling.storage import parse_json
from bardling.text.bpe import BPETokenizer
from bardling.text.byte_order import BYTES, invisible
from bardling.text.pretokenize import SplitName


def read_gpt2_files(vocab: bytes, merges: bytes) -> BPETokenizer:
    """Return the tokenizer of a `vocab.json` and a `merges.txt`."""
    try:
        names = parse_json(vocab, "vocab.json")
    except StorageError as error:
        raise TokenizerError(str(error)) from error
    if not isinstance(names, dict) or not all(type(n) is int for n in names.values()):
        raise TokenizerError("vocab.json has to be an object of tokens and their ids")
    pairs = [_read_line(n, line) for n, line in enumerate(_lines(merges), start=1) if line]
    made = {bytes([byte]) for byte in BYTES} | {first + second for first, second in pairs}
    ids: dict[bytes, int] = {}
    special: dict[str, int] = {}
    for name, number in sorted(names.items(), key=lambda item: item[1]):
        token = invisible(name)
        if token in made:
            ids[token] = number
        elif name.startswith("<") and name.endswith(">"):
            special[name] = number
        else:
            raise TokenizerError(f"no merge makes {name[:40]!r} of vocab.json")
    return BPETokenizer.numbered(pairs, "gpt2", ids, special)


def _lines(data: bytes) -> list[str]:
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise TokenizerError(f"merges.txt is not UTF-8: byte {error.start:,}") from error
    return ["" if line.startswith("#version") else line.rstrip("\r") for line in lines]


def _read_line(number: int, line: str) -> tuple[bytes, bytes]:
    first, _, second = line.partition(" ")
    parts = invisible(first), invisible(second)
    if not parts[0] or not parts[1]:
        raise TokenizerError(f"line {number:,} of merges.txt is {line[:60]!r}: two tokens expected")
    return parts[0], parts[1]


def write_ranks(tokenizer: BPETokenizer) -> bytes:
    """Return tiktoken's ranks file of a tokenizer: the tokens in base64 in the order of making."""
    lines = (
        b"%s %d\n" % (b64encode(token), number)
        for number, token in enumerate(tokenizer.token_bytes)
    )
    return b"".join(lines)


def read_ranks(
    data: bytes, *, split: SplitName = "gpt2", special: Mapping[str, int] | None = None
) -> BPETokenizer:
    """Return the tokenizer of a ranks file; what the file does not say has to be given."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        token, rank = _read_rank(number, line)
        if token in ranks or rank != len(ranks):
            raise TokenizerError(
                f"line {number:,} of the ranks has rank {rank}: each token once, in order, was "
                "expected"
            )
        ranks[token] = rank
    if missing := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise TokenizerError(f"the ranks have no token for the byte 0x{missing[0]:02x}")
    merges = [_parts(token, ranks) for token in ranks if len(token) > 1]
    return BPETokenizer.numbered(merges, split, ranks, special or {})


def _read_rank(number: int, line: bytes) -> tuple[bytes, int]:
    first, _, second = line.partition(b" ")
    try:
        token = b64decode(first, validate=True)
    except NotBase64:
        token = b""
    if not token or not second.isdigit() or len(second) > 9:
        raise TokenizerError(
            f"line {number:,} of the ranks is {line[:60]!r}: a token in base64 and its rank were "
            "expected"
        )
    return token, int(second)


def _parts(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    """Return the two tokens that are merged into this one: what those before it make of it.

    A queue holds the pairs, so that long tokens take time in proportion to their length.
    """
    end, most = len(token), ranks[token]
    parts = [bytes([byte]) for byte in token]  # empty where it was joined to the one before it
    right, left = list(range(1, end + 1)), list(range(-1, end - 1))
    waiting: list[tuple[int, int, int]] = []  # rank, place and length: the earliest token first

    def consider(place: int, after: int) -> None:
        joined = parts[place] + parts[after]
        if (rank := ranks.get(joined, most)) < most:
            heappush(waiting, (rank, place, len(joined)))

    for place, after in pairwise(range(end)):
        consider(place, after)
    n_parts = end
    while n_parts > 2:
        if not waiting:
            raise TokenizerError(f"the tokens before {show(token)} do not make two parts of it")
        _, place, size = heappop(waiting)
        after = right[place]
        if not parts[place] or after == end or len(parts[place]) + len(parts[after]) != size:
            continue  # one of them was joined to another before
        parts[place], parts[after] = parts[place] + parts[after], b""
        right[place] = right[after]
        if right[place] < end:
            left[right[place]] = place
            consider(place, right[place])
        if left[place] >= 0:
            consider(left[place], place)
        n_parts -= 1
    return parts[0], parts[right[0]]
