"""The training of adapters by peft, on transformers' GPT-2. Nothing of ours is beside it."""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

RANDOM_TOKENS = 200_000


def step_of(
    sizes: dict[str, int], batch_size: int, rank: int, rate: float
) -> tuple[int, Callable[[], object]]:
    """Return how many numbers are trained, and a step of torch's AdamW on them, in float32.

    The loss is that of each token after each place, as ours is; its own would copy the logits.
    """
    torch.manual_seed(0)
    base = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=sizes["vocab_size"], n_positions=sizes["block_size"],
            n_layer=sizes["n_layer"], n_head=sizes["n_head"], n_embd=sizes["n_embd"],
            attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    wanted = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=["c_attn", "attn.c_proj"],
        fan_in_fan_out=True, task_type="CAUSAL_LM",
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):  # of one library to the other
        model = get_peft_model(base, wanted).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    tokens = np.random.default_rng(0).integers(0, sizes["vocab_size"], RANDOM_TOKENS)
    block = sizes["block_size"]

    def step() -> None:
        starts = torch.randint(len(tokens) - block, (batch_size,))
        rows = torch.stack([torch.from_numpy(tokens[i : i + block + 1]) for i in starts])
        logits = model(input_ids=rows[:, :-1], use_cache=False).logits
        F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return sum(parameter.numel() for parameter in trained), step
