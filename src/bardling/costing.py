"""What steps, validations, samples and saves cost on this machine, measured without a trace."""

import math
import time

from bardling.data.batches import BatchSource
from bardling.evaluation.loss import evaluate
from bardling.evaluation.samples import sample_text
from bardling.evaluation.validation import Validation
from bardling.machine.machine import Machine
from bardling.model.gpt import GPT
from bardling.pacing import Costs
from bardling.text.tokenizer import Tokenizer
from bardling.training.config import TrainingConfig
from bardling.training.learner import Learner
from bardling.training.rehearsal import step_seconds

REHEARSED_BATCHES = (1, 1, 4, 4)  # evaluated, one after the other, to learn what a token costs
REHEARSED_SAMPLE = 24  # tokens written to learn what a sample costs
SAVED_BYTES_PER_SECOND = 1.5e8  # hashed, written, synced and read back
SAVE_SECONDS = 0.05


def measured_costs(
    learner: Learner,
    model: GPT,
    settings: TrainingConfig,
    batches: BatchSource,
    validation: Validation,
    tokenizer: Tokenizer,
    limit: float,
) -> Costs:
    """Return the seconds that things take; all of a team measure together.

    `model` is the learner's with all its weights.

    Where steps or evaluations are slow, each is measured for about `limit` seconds only.
    """
    n_bytes = 12 * sum(p.numel() for p in learner.parameters)
    padding = validation.padding
    during = _token_seconds(model, validation, learner.machine, limit / 2)
    whole = _token_seconds(model, validation, None, limit / 2)
    return Costs(
        step=step_seconds(learner, batches, settings, limit),
        validated_token=during * padding,
        whole=whole * padding * len(validation.val),
        sample=_sample_seconds(model, tokenizer, settings),
        save=SAVE_SECONDS + n_bytes / SAVED_BYTES_PER_SECOND,
    )


def _token_seconds(
    model: GPT, validation: Validation, machine: Machine | None, limit: float
) -> float:
    """Return the seconds of an evaluation for each of its tokens, by the fastest of some.

    A larger one, or another, is left out where it would pass `limit`.
    """
    val, size, team = validation.val, validation.batch_size, validation.team
    lowest, spent = math.inf, 0.0
    for batches in REHEARSED_BATCHES:
        tokens = min(len(val) - 1, batches * size * team.size * model.config.block_size)
        if team.most(lowest < math.inf and spent + lowest * tokens > limit):
            break
        began = time.perf_counter()
        evaluate(model, val[: tokens + 1], batch_size=size, machine=machine, team=team)
        seconds = time.perf_counter() - began
        spent, lowest = spent + seconds, min(lowest, seconds / tokens)
    return lowest


def _sample_seconds(model: GPT, tokenizer: Tokenizer, settings: TrainingConfig) -> float:
    wanted = settings.sample_tokens
    few = min(wanted, REHEARSED_SAMPLE)
    if few == 0:
        return 0.0
    sample_text(model, tokenizer, n_tokens=2, seed=0)  # what decodes may be compiled
    began = time.perf_counter()
    sample_text(model, tokenizer, n_tokens=few, seed=settings.seed)
    return (time.perf_counter() - began) * wanted / few
