"""What scaling compares, as values: sizes times budgets of tokens, and seed 002's three sizes.

Every run has its own schedule to its own end, because the middle of a longer run is not the end of
a shorter one. No torch here.
"""

from collections.abc import Sequence
from itertools import product

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.experiments.cases import Case, without_doubles
from bardling.model.families import modern
from bardling.presets.seeds import STORY_WARMUP_STEPS, STORY_WIDTHS, seed_002
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import Muon

SIZES = ((2, 32), (2, 64), (3, 96), (4, 128))
"""Layers and widths, by heads of 32 channels: 43 thousand to 0.9 million weights at 512 tokens."""
BUDGETS = ("1Mtokens", "2Mtokens", "4Mtokens", "8Mtokens")
TOKENIZER, CONTEXT = "bpe:512", 448
"""So that embeddings weigh little, and the longest story fits."""
STORIES = "stories:60000"
STORY_BUDGET = "5Mtokens"
"""Of each of seed 002's sizes on two cores: a twentieth of its text."""


def base(corpus: str = STORIES) -> RunConfig:
    """Return what all runs of a law share."""
    stories = corpus.partition(":")[0] == "stories"
    return RunConfig(
        data=DataConfig(
            corpus=corpus,
            tokenizer=TOKENIZER if stories else "char",
            val_fraction=0.005 if stories else 0.1,
            order="documents" if stories else "random",
        ),
        model=modern(vocab_size=512, block_size=CONTEXT if stories else 128),
        optimizer=Muon(),
        training=TrainingConfig(batch_size=8 if stories else 16, keep_last=1),
    )


def size_grid(
    corpus: str = STORIES,
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    budgets: Sequence[str] = BUDGETS,
) -> list[Case]:
    """Return a case for each size and budget."""
    start = base(corpus)
    return without_doubles(
        [
            Case(
                name=f"{n_layer}x{width}-{budget.removesuffix('tokens')}",
                about=f"{n_layer} layers, {width} wide, {budget}",
                config=start.with_overrides(
                    n_layer=n_layer, n_embd=width, n_head=width // 32, budget=budget
                ),
            )
            for (n_layer, width), budget in product(sizes, budgets)
        ]
    )


def story_sizes(budget: str, corpus: str = STORIES) -> list[Case]:
    """Return seed 002's three sizes on equal data, its recipe on fewer tokens."""
    cases = []
    for size in STORY_WIDTHS:
        config = seed_002(size).config.with_overrides(
            corpus=corpus, max_tokens=0, batch_size=8, budget=budget, keep_last=1
        )
        cases.append(
            Case(
                name=f"seed-002-{size}",
                about=f"5 layers, {STORY_WIDTHS[size]} wide",
                config=config.with_overrides(
                    warmup_fraction=min(0.1, STORY_WARMUP_STEPS / config.budget_steps())
                ),
            )
        )
    return cases
