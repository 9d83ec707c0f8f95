"""Token files of others: what nanoGPT and llm.c have prepared is trained on as it is.

    nanoGPT   train.bin and val.bin: ids of 16 bits and nothing else
    llm.c     *_train_*.bin and *_val_*.bin: a header of 256 int32 (20240520, version 1, count) and
              ids of 16 bits; or (20240801, version 7, count) and ids of 32 bits

None of them says which tokenizer it was made with, so that has to be given; ids that it does not
have are refused.
"""

from collections.abc import Iterable
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from bardling.data.config import Split
from bardling.data.corpora import is_corpus
from bardling.data.token_file import MAGIC
from bardling.data.tokens import Ids, numbered
from bardling.errors import TokenFileError
from bardling.storage import atomic_file, exists, open_file

_HEADER = 256  # int32 values
_KINDS = {(20240520, 1): "<u2", (20240801, 7): "<u4"}
_MOST = 2**31 - 1  # ids that a header of llm.c can count
_CHECKED_AT_ONCE = 2**22


def find_shards(corpus: str) -> dict[Split, list[Path]] | None:
    """Return the token files of a folder by split.

    None where there are not both splits, and for a corpus that is known by its name.
    """
    folder = Path(corpus)
    if is_corpus(corpus) or not folder.is_dir():
        return None
    splits: tuple[Split, ...] = ("train", "val")
    found: dict[Split, list[Path]] = {}
    for split in splits:
        plain = folder / f"{split}.bin"
        shards = [*folder.glob(f"*_{split}.bin"), *folder.glob(f"*_{split}_*.bin")]
        found[split] = [plain] if exists(plain) else sorted(shards)
    return found if all(found.values()) else None


def read_shard(path: Path, *, vocab_size: int) -> Ids:
    """Map the ids of one file, read-only, after checking that each is below `vocab_size`.

    Raises TokenFileError that names the file, what was found and what was expected.
    """
    with open_file(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = np.frombuffer(file.read(4 * _HEADER).ljust(4 * _HEADER, b"\0"), dtype="<i4")
        if head.tobytes().startswith(MAGIC):
            raise TokenFileError(
                f"{path} holds tokens of an older run of ours, without their tokenizer: train on "
                "the text, or give the folder that 'bardling data tokens' made"
            )
        magic, version, count = head[:3].tolist()
        kind = _KINDS.get((magic, version))
        if magic in {magic for magic, _ in _KINDS} and kind is None:
            raise TokenFileError(f"{path} is of version {version}: 1 or 7 were expected")
        if kind is None and vocab_size > 2**16:
            raise TokenFileError(
                f"{path} has no header, so its ids would be of 16 bits, too few for the "
                f"{vocab_size:,} tokens of the tokenizer"
            )
        offset, dtype = (4 * _HEADER, np.dtype(kind)) if kind else (0, np.dtype("<u2"))
        count = count if kind else size // dtype.itemsize
        if count < 1 or size != offset + count * dtype.itemsize:
            raise TokenFileError(
                f"{path} has {size:,} bytes: {offset + max(count, 1) * dtype.itemsize:,} were "
                f"expected for {count:,} ids of {8 * dtype.itemsize} bits; it is cut short, or is "
                "no token file of nanoGPT or llm.c"
            )
        ids = np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=(count,))
    for start in range(0, count, _CHECKED_AT_ONCE):
        highest = int(ids[start : start + _CHECKED_AT_ONCE].max())
        if highest >= vocab_size:
            raise TokenFileError(
                f"{path} has the id {highest:,}, and the tokenizer has {vocab_size:,} tokens: it "
                "was made with another one, which --tokenizer has to name"
            )
    return ids


def write_shards(
    folder: Path,
    split: Split,
    pieces: Iterable[Ids],
    *,
    vocab_size: int,
    end_token: int | None,
    shard_tokens: int,
) -> int:
    """Write a split as llm.c has it, each file whole in memory; return the number of ids.

    Every document begins with the end token there; the first files are those of validation.
    """
    first = [] if end_token is None else [np.array([end_token], dtype=np.uint32)]
    n_tokens = 0
    for number, parts in groupby(numbered(chain(first, pieces), shard_tokens), key=itemgetter(0)):
        ids = np.concatenate([part for _, part in parts])
        name = f"{folder.name}_{split}_{number + (split == 'train'):06d}.bin"
        write_shard(folder / name, ids, vocab_size=vocab_size)
        n_tokens += len(ids)
    return n_tokens


def write_shard(path: Path, ids: Ids, *, vocab_size: int) -> None:
    """Write ids as llm.c reads them, with 16 bits each if the vocabulary allows."""
    if len(ids) > _MOST:
        raise TokenFileError(f"{path} would have {len(ids):,} ids: {_MOST:,} are the most")
    wide = vocab_size > 2**16
    magic, version = next(pair for pair, kind in _KINDS.items() if (kind == "<u4") == wide)
    head = np.zeros(_HEADER, dtype="<i4")
    head[:3] = magic, version, len(ids)
    with atomic_file(path) as file:
        file.write(head.tobytes())
        for start in range(0, len(ids), _CHECKED_AT_ONCE):
            part = ids[start : start + _CHECKED_AT_ONCE]
            if len(part) and not 0 <= int(part.min()) <= int(part.max()) < vocab_size:
                raise TokenFileError(f"{path} would have ids outside of 0 to {vocab_size - 1:,}")
            file.write(part.astype("<u4" if wide else "<u2").tobytes())
