"""The writing of texts by transformers' GPT-2, with its cache. Nothing of ours is beside it."""

from collections.abc import Callable

import torch
from transformers import GPT2Config, GPT2LMHeadModel


def step_of(
    sizes: dict[str, int], sequences: int, n_tokens: int
) -> tuple[int, Callable[[], object]]:
    """Return the parameters, and what writes so many tokens of each sequence, greedily."""
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=sizes["vocab_size"], n_positions=sizes["block_size"],
            n_layer=sizes["n_layer"], n_head=sizes["n_head"], n_embd=sizes["n_embd"],
            bos_token_id=0, eos_token_id=None, pad_token_id=0,
        )
    ).eval()  # fmt: skip
    start = torch.zeros(sequences, 1, dtype=torch.long)

    @torch.no_grad()
    def write() -> object:
        return model.generate(
            start, attention_mask=torch.ones_like(start), max_new_tokens=n_tokens,
            do_sample=False, use_cache=True,
        )  # fmt: skip

    return sum(parameter.numel() for parameter in model.parameters()), write
