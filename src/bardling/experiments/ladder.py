"""The ladder: from counting pairs to a modern GPT, one part at a time (seed 001's path, continued).

Rungs are values (`presets/lecture.py`), each an edit of the one before. Batches are a pure function
of seed and step, so all rungs of one context and batch size see the same ones.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bardling.errors import UsageError, nearest
from bardling.experiments.cases import Case
from bardling.presets.lecture import FIRST_STEPS, Rung, climb, seed_001
from bardling.reporting.console import count

QUICK: dict[str, Any] = {"batch_size": 16, "budget": "1500steps"}
"""What the scaled rungs take for a ladder of half an hour: a quarter of the seed's batch."""
QUICK_SMALL: Mapping[str, Any] = {"budget": "3000steps"}
QUICK_LONGER = QUICK | {"budget": "8000steps"}
"""What one of them takes beside the others, so that the seed's last bar has its equal."""
FULL: Mapping[str, Any] = {"budget": "5000steps"}
SEEDS, SCALED_SEEDS = 3, 1
LONGER = "longer"

SCALED = (
    Rung(
        name="scaled",
        about="four layers, 192 wide, a context of 128, dropout",
        stated=1.59,
        edit={"n_layer": 4, "n_head": 6, "n_embd": 192, "block_size": 128, "batch_size": 64,
              "dropout": 0.2},
    ),
    Rung(
        name=LONGER,
        about="the same, trained five times as long; the next rungs are not",
        stated=1.59,
        edit={},
        kept=False,
    ),
    Rung(
        name="tied",
        about="the output layer shares the embedding's matrix, which begins too large for it",
        edit={"tie_embeddings": True, "output_bias": False},
    ),
    Rung(
        name="gpt2-init",
        about="GPT-2's first weights, smaller where they write into the stream",
        edit={"init": "gpt2"},
    ),
    Rung(
        name="recipe",
        about="warm-up and cosine, which bear three times the rate; decay on matrices, clipping",
        edit={"schedule": "cosine", "warmup_fraction": 0.05, "min_lr_fraction": 0.1, "lr": 3e-3,
              "weight_decay": 0.1, "decay_vectors": False, "beta2": 0.95, "clip_norm": 1.0},
    ),
    Rung(
        name="byte-pairs",
        about="512 byte pairs instead of characters; the next rungs go without",
        edit={"tokenizer": "bpe:512"},
        kept=False,
    ),
    Rung(name="rotary", about="rotary positions", edit={"position": "rotary"}),
    Rung(name="rmsnorm", about="RMSNorm, no biases", edit={"norm": "rmsnorm", "bias": False}),
    Rung(name="swiglu", about="SwiGLU instead of ReLU", edit={"feedforward": "swiglu"}),
    Rung(name="qk-norm", about="queries and keys normalised", edit={"qk_norm": True}),
    Rung(
        name="muon",
        about="Muon for the matrices, a linear fall to zero, sublayers that begin silent",
        edit={"optimizer": "muon", "lr": 8e-3, "schedule": "linear", "min_lr_fraction": 0.0,
              "init": "modern"},
    ),
)  # fmt: skip
"""Seed 001's last rung, what it says is missing of GPT-2, and what came after GPT-2."""


def rungs(corpus: str = "shakespeare", *, full: bool = False, longer: bool = True) -> list[Case]:
    """Return all rungs on a corpus, for half an hour or, `full`, with 5,000 whole batches.

    The half hour takes three seeds for the small rungs and one for the others. Where every rung has
    the seed's steps, none is `longer`.
    """
    first = seed_001().config.with_overrides(corpus=corpus, keep_last=1)
    path, longer = climb((*FIRST_STEPS, *SCALED), first), longer and not full
    return [
        Case(
            name=rung.name,
            about=rung.about,
            config=config.with_overrides(**(FULL if full else _quick(rung))),
            n_seeds=SEEDS if rung in FIRST_STEPS or full else SCALED_SEEDS,
            stated=_stated(rung, longer=longer) if corpus == "shakespeare" else None,
        )
        for rung, config in path
        if longer or rung.name != LONGER
    ]


def _quick(rung: Rung) -> Mapping[str, Any]:
    if rung in FIRST_STEPS:
        return QUICK_SMALL
    return QUICK_LONGER if rung.name == LONGER else QUICK


def _stated(rung: Rung, *, longer: bool) -> float | None:
    """Return what the seed states of a rung; of its last one where it is trained longest."""
    return None if rung.name == SCALED[0].name and longer else rung.stated


def tokens_of(case: Case) -> int:
    """Return the tokens that a rung is trained on."""
    return case.config.budget_steps() * case.config.batch_tokens


def quick_remarks(cases: Sequence[Case]) -> list[str]:
    """Say of the quick ladder's large rungs, where they are among some, what they compare with."""
    full = {case.name: tokens_of(case) for case in rungs(full=True)}
    beside = any(case.name == LONGER and case.stated for case in cases)
    return [
        f"From '{case.name}' on {count(tokens_of(case))} tokens are too few for a model of that "
        "size: compare these rungs with each other"
        + (f", and '{LONGER}' with what the seed states" if beside else "")
        + f"; --full gives each {count(full[case.name])}."
        for case in cases
        if case.name == SCALED[0].name
    ]


def chosen(cases: Sequence[Case], names: Collection[str]) -> list[Case]:
    """Return the cases of those names, or all where none is named."""
    known = [case.name for case in cases]
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no '{name}' to compare{nearest(name, known)}; "
                f"there are {', '.join(known)}"
            )
    return [case for case in cases if not names or case.name in names]
