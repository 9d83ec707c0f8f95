"""What the checks are tried on: a small text, its tokens, and models of both families."""

from dataclasses import replace
from functools import cache

import numpy as np

from bardling.data.batches import Batch, Windows
from bardling.data.sums import sums
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.text.characters import CharacterTokenizer

TEXT = sums(3, n_lines=300)
TOKENIZER = CharacterTokenizer.train([TEXT])
TOKENS = TOKENIZER.encode_array(TEXT)
FAMILIES = {"classic": classic, "modern": modern}


@cache
def config_of(family: str, **switches) -> ModelConfig:
    sizes = {"vocab_size": TOKENIZER.vocab_size, "block_size": 16, "n_layer": 2}
    return replace(FAMILIES[family](**sizes, n_head=2, n_embd=16), **switches)


def model_of(family: str = "modern", **switches) -> GPT:
    return GPT(config_of(family, **switches))


def windows_of(block_size: int = 16, batch_size: int = 8, tokens=TOKENS) -> Windows:
    return Windows(tokens=tokens, block_size=block_size, batch_size=batch_size)


def batch_of(block_size: int = 16, batch_size: int = 8) -> Batch:
    return windows_of(block_size, batch_size).batch(0)


def random_tokens(vocab_size: int, count: int = 5000) -> np.ndarray:
    return np.random.default_rng(0).integers(0, vocab_size, count).astype(np.uint32)
