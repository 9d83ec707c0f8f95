"""The settings that a run begins with where it begins with another. No torch here."""

from dataclasses import replace

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.model.lora_config import Whole
from bardling.training.optimizer_config import AdamW
from bardling.training.plan import Plan

BUDGET = "300steps"
WHOLE_LR, LORA_LR = 2e-4, 2e-3
"""Highest rates: adapters begin at nothing, and take ten times that of all weights."""
ALIGNED_WHOLE_LR, ALIGNED_LORA_LR = 5e-5, 5e-4
"""The same where answers are preferred: lower, since nothing but beta keeps a model near."""


def tuned_config(before: RunConfig, start: str, corpus: str, adapter: str = "whole") -> RunConfig:
    """Return the settings that fine-tuning a run on a text begins with; `start` is its path.

    The model is that of the run, and so are the tokens; the optimizer is AdamW, at a low rate. Of
    an adapter that the run had nothing is taken over: it is in the weights by now.
    """
    training = replace(
        before.training, budget=BUDGET, keep_at=(), patience=0, schedule="linear",
        warmup_fraction=0.1, min_lr_fraction=0.0, accumulate=1,
    )  # fmt: skip
    config = replace(
        before,
        data=DataConfig(corpus=corpus, tokenizer=start),
        optimizer=AdamW(lr=LORA_LR if adapter == "lora" else WHOLE_LR, weight_decay=0.0),
        training=training,
        start=start,
        teacher="",
    )
    config = replace(config.with_plan(Plan(total_steps=0)), adapter=Whole())
    return config.with_overrides(adapter=adapter, task="pretraining")


def aligned_config(before: RunConfig, start: str, pairs: str, adapter: str = "whole") -> RunConfig:
    """Return the settings that preferring answers begins with: those of fine-tuning, and fewer.

    A batch has half as many pairs as the run had sequences, each pair comes once an epoch, and
    nothing is dropped, so that the model begins as its reference.
    """
    rate = ALIGNED_LORA_LR if adapter == "lora" else ALIGNED_WHOLE_LR
    return tuned_config(before, start, pairs, adapter).with_overrides(
        task="preference",
        order="shuffled",
        batch_size=max(1, before.training.batch_size // 2),
        dropout=0.0,
        lr=rate,
    )
