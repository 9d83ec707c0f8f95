"""nanoGPT's training step, from a checkout of it. Nothing of ours is imported beside it."""

import importlib
import sys
from collections.abc import Callable
from contextlib import redirect_stdout

import numpy as np
import torch

VOCABULARY = 65
RANDOM_TOKENS = 200_000


def step_of(
    folder: str, sizes: dict[str, int], batch_size: int, dropout: float
) -> tuple[int, Callable[[], object]]:
    """Return the parameters and the step of nanoGPT, as its train.py takes it on a CPU."""
    sys.path.insert(0, folder)
    torch.manual_seed(0)
    with redirect_stdout(sys.stderr):  # it tells its sizes
        theirs = importlib.import_module("model")
        shape = theirs.GPTConfig(vocab_size=VOCABULARY, dropout=dropout, bias=False, **sizes)
        model = theirs.GPT(shape)
        optimizer = model.configure_optimizers(1e-1, 1e-3, (0.9, 0.99), "cpu")
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, RANDOM_TOKENS).astype(np.uint16)
    block = sizes["block_size"]
    model.train()

    def step() -> None:
        starts = torch.randint(len(tokens) - block, (batch_size,))
        rows = [torch.from_numpy(tokens[i : i + block + 1].astype(np.int64)) for i in starts]
        x, y = (torch.stack([row[cut] for row in rows]) for cut in (slice(block), slice(1, None)))
        _, loss = model(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return sum(parameter.numel() for parameter in model.parameters()), step
