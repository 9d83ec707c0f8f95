"""Named runs: what each differs in from the defaults, where it comes from, and what we assumed.

A preset is a function that returns a `Preset`. To add one, write the function and put it into
`PRESETS`; the command line, the tables and the tests find it there.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.data.corpora import CORPORA, is_corpus
from bardling.data.hub import hub_set
from bardling.errors import UsageError, nearest
from bardling.model.families import classic, modern
from bardling.storage import exists
from bardling.training.config import TrainingConfig, seconds_of_budget
from bardling.training.optimizer_config import AdamW, Muon

SHAKESPEARE_CHARACTERS = 65
STORY_TOKENS = 4000
STORY_CONTEXT = 288
"""Tokens of that vocabulary that hold every story: 147 on average, 202 at most of 40,000."""


# What seeds 000 and 001 share: the GPT of a well-known lecture, which is GPT-2's block but for
# what stands below the sizes. The sizes are those of seed 001.
LECTURE_GPT = classic(
    vocab_size=SHAKESPEARE_CHARACTERS,
    block_size=128,
    n_layer=4,
    n_head=6,
    n_embd=192,
    feedforward="relu",
    qkv_bias=False,
    output_bias=True,
    tie_embeddings=False,
    dropout=0.2,
    init="plain",
)
LECTURE_ASSUMPTIONS = (
    "dropout on the embeddings, on the attention weights and after each sublayer",
    "bias in the output layer, torch's own initial weights",
    "betas 0.9 and 0.999, weight decay 0.01 (torch's defaults), on matrices only",
)
SHAKESPEARE_MINUTE = {
    "block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128, "batch_size": 32,
}  # fmt: skip
SHAKESPEARE_TEN_MINUTES = {
    "block_size": 256, "n_layer": 6, "n_head": 4, "n_embd": 256, "dropout": 0.1, "batch_size": 8,
}  # fmt: skip
SHAKESPEARE_LONGER = SHAKESPEARE_TEN_MINUTES | {"dropout": 0.2}
HUB_TEXT = {"tokenizer": f"bpe:{STORY_TOKENS}", "val_fraction": 0.005, "max_tokens": 50_000_000}
"""For a dataset of the hub: far more than two cores read in an hour, prepared in half a minute."""
STORIES_LONGER = {"corpus": "stories:50000", "n_layer": 4, "n_head": 4, "n_embd": 256}
TORCH_ADAMW = AdamW(lr=1e-3, beta2=0.999, weight_decay=0.01)


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a preset changes for runs of at most so much time."""

    up_to_seconds: float
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A run by name."""

    config: RunConfig
    about: str
    """One line for the table."""
    assumptions: tuple[str, ...] = ()
    """What the source leaves open, and what we took: each is our assumption."""
    sizes: tuple[Size, ...] = ()
    """Other sizes for budgets in time, the shortest first."""

    def for_budget(self, budget: str | None) -> RunConfig:
        """Return the settings for a budget: in time the fitting size's, else the preset's own."""
        seconds = None if budget is None else seconds_of_budget(budget)
        fitting = [s for s in self.sizes if seconds is not None and seconds <= s.up_to_seconds]
        return self.config.with_overrides(**fitting[0].settings) if fitting else self.config


def demo() -> Preset:
    """Return a first look in two minutes, on stories that need no network.

    Whole stories fit into the context, so that the loss has a floor. What a little model learns
    last is to repeat a name or a noun from the beginning; that windows begin with a story and
    heads begin by copying helps it (docs/results.md). Sizes were compared at two minutes on two
    processor cores.
    """
    return Preset(
        about="stories that the package makes itself, and how far from perfect the loss is",
        config=RunConfig(
            data=DataConfig(
                corpus="stories",
                tokenizer=f"bpe:{STORY_TOKENS}",
                val_fraction=0.01,
                order="documents",
            ),
            model=modern(
                vocab_size=STORY_TOKENS,
                block_size=STORY_CONTEXT,
                n_layer=2,
                n_head=4,
                n_embd=192,
                init="copying",
            ),
            optimizer=Muon(lr=0.016, muon_lr=0.014),
            training=TrainingConfig(budget="2m", batch_size=8),
        ),
        sizes=(
            Size(up_to_seconds=240.0, settings={}),
            Size(up_to_seconds=math.inf, settings=STORIES_LONGER),
        ),
    )


def shakespeare() -> Preset:
    """Return the modern family at the size of seed 001, on the text that everyone knows.

    The sizes for short and long budgets were chosen on two processor cores by the last tenth of
    the training text; docs/results.md has the figures.
    """
    return Preset(
        about="Tiny Shakespeare by characters: rotary, RMSNorm, SwiGLU, QK-norm, Muon",
        config=RunConfig(
            model=modern(
                vocab_size=SHAKESPEARE_CHARACTERS, block_size=128, n_layer=4, n_head=6, n_embd=192
            ),
            optimizer=Muon(),
            training=TrainingConfig(budget="3000steps", batch_size=16),
        ),
        sizes=(
            Size(up_to_seconds=120.0, settings=SHAKESPEARE_MINUTE),
            Size(up_to_seconds=480.0, settings={}),
            Size(up_to_seconds=900.0, settings=SHAKESPEARE_TEN_MINUTES),
            Size(up_to_seconds=math.inf, settings=SHAKESPEARE_LONGER),
        ),
    )


def seed_000() -> Preset:
    """Return seed 000: six blocks, 384 wide, a context of 64, a nearly flat learning rate."""
    return Preset(
        about="seed 000 to the letter: 6 layers, 384 wide, 5000 steps of 1024 sequences",
        config=RunConfig(
            model=replace(LECTURE_GPT, block_size=64, n_layer=6, n_head=8, n_embd=384),
            optimizer=replace(TORCH_ADAMW, lr=1e-4),
            training=TrainingConfig(
                budget="5000steps",
                batch_size=1024,
                schedule="exponential",
                warmup_fraction=0.0,
                min_lr_fraction=0.99995**5000,
                clip_norm=0.0,
            ),
        ),
        assumptions=(
            *LECTURE_ASSUMPTIONS,
            "no bias in query, key and value; bias in every other layer",
            "untied output layer",
            "no gradient clipping",
        ),
    )


def seed_001() -> Preset:
    """Return seed 001's last rung: four layers, 192 wide, a context of 128."""
    return Preset(
        about="seed 001's scaled model, 1.83M parameters; optimizer and steps are ours",
        config=RunConfig(
            model=LECTURE_GPT,
            optimizer=TORCH_ADAMW,
            training=TrainingConfig(
                budget="5000steps",
                batch_size=64,
                schedule="constant",
                warmup_fraction=0.0,
                clip_norm=0.0,
            ),
        ),
        assumptions=(
            *LECTURE_ASSUMPTIONS,
            "learned positions",
            "AdamW at a constant 1e-3, no clipping",
            "5000 steps",
        ),
    )


PRESETS: dict[str, Callable[[], Preset]] = {
    "demo": demo,
    "shakespeare": shakespeare,
    "seed-000": seed_000,
    "seed-001": seed_001,
}


def find_preset(name: str) -> Preset:
    """Return the preset of that name."""
    if name not in PRESETS:
        raise UsageError(
            f"there is no preset '{name}'{nearest(name, PRESETS)}; there are {', '.join(PRESETS)}"
        )
    return PRESETS[name]()


def config_for(target: str, budget: str | None = None) -> RunConfig:
    """Return the settings that a word after `bardling train` stands for, at a budget.

    A preset's name gives the preset; a corpus by name, a file or a folder gives the settings of
    the shakespeare preset (stories those of the demo), all but the text itself; of a dataset of
    the hub, a beginning by byte pairs. Raises `UsageError` for any other word.
    """
    if target in PRESETS:
        return PRESETS[target]().for_budget(budget)
    if is_corpus(target) or exists(Path(target)):
        alike = demo() if target.partition(":")[0] == "stories" else shakespeare()
        config = alike.for_budget(budget).with_overrides(corpus=target)
        return config if hub_set(target) is None else config.with_overrides(**HUB_TEXT)
    known = [*PRESETS, *CORPORA]
    raise UsageError(
        f"'{target}' is no preset, no corpus and no file{nearest(target, known)}; "
        f"there are {', '.join(dict.fromkeys(known))}, or give a text file or a folder"
    )
