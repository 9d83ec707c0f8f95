"""Small models of every family with random weights, and tokenizers for them."""

from functools import partial

import families
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer

CHARACTERS = "\n !,.;?abcdefghijklmnopqrstuvwxyzABCÃ©éèà€₭世界дя😀"
TEXT = "A cab, a bad café!\n\nÇa? 3 €;  世界 да 😀😀 \t(é)è\r\n it's we'll 1984 x_y"
SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 24}


def gpt2(**changes) -> ModelConfig:
    return classic(**(SIZES | {"d_ff": 96} | changes))


def llama(**changes) -> ModelConfig:
    return modern(**(SIZES | {"qk_norm": False, "n_kv_head": 2, "d_ff": 64} | changes))


def qwen3(**changes) -> ModelConfig:
    wide = {"head_dim": 16, "n_kv_head": 2, "rope_base": 500.0, "norm_eps": 1e-4}
    return modern(**(SIZES | wide | changes))


FAMILIES = {"gpt2": gpt2, "llama": llama, "qwen3": qwen3}
randomised = partial(families.randomised, std=0.3)


def characters(*, end_token: bool = False) -> CharacterTokenizer:
    return CharacterTokenizer(characters=CHARACTERS, has_end_token=end_token)


def bpe(split: str = "gpt2", *, end_token: bool = True) -> BPETokenizer:
    return BPETokenizer.train([TEXT * 3], vocab_size=300, end_token=end_token, split=split)
