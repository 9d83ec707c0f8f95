"""A learner small enough for tests, in any precision and with any optimizer."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bardling.data.batches import Windows
from bardling.machine.machine import plain_machine
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.training.config import TrainingConfig
from bardling.training.learner import Learner, build_learner
from bardling.training.objective import Objective, pretraining_loss
from bardling.training.optimizer_config import AdamW, OptimizerConfig

VOCAB, BLOCK, ROWS = 11, 8, 7
TOKENS = np.random.default_rng(0).integers(0, VOCAB, 400).astype(np.uint16)
WINDOWS = Windows(tokens=TOKENS, block_size=BLOCK, batch_size=ROWS, seed=3)
MODEL = ModelConfig(
    vocab_size=VOCAB, block_size=BLOCK, n_layer=1, n_head=2, n_embd=8, dropout=0.2, init="plain"
)


def learner_of(
    optimizer: OptimizerConfig | None = None,
    *,
    precision: str = "fp32",
    objective: Objective = pretraining_loss,
    seed: int = 1,
) -> Learner:
    """Return a learner on the processor, at its first step."""
    machine = replace(plain_machine(), precision=precision)
    model = GPT(MODEL, seed=seed)
    return build_learner(model, optimizer or AdamW(lr=0.01), machine, objective)


def training_config(**settings: Any) -> TrainingConfig:
    """Return the settings of training on `WINDOWS`."""
    return TrainingConfig(**({"batch_size": ROWS, "warmup_fraction": 0.0} | settings))


def weights(model: GPT) -> torch.Tensor:
    """Return a copy of all weights in one row."""
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def gradient(model: GPT) -> torch.Tensor:
    """Return a copy of the whole gradient in one row."""
    return torch.cat([p.grad.flatten() for p in model.parameters()]).clone()
