"""The runs that are ours: a first look, everyone's text, and modern models by size."""

import math

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.model.families import modern
from bardling.presets.preset import Preset, Size
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import Muon

SHAKESPEARE_CHARACTERS = 65
STORY_TOKENS = 4000
STORY_CONTEXT = 288
"""Tokens of that vocabulary that hold every story: 147 on average, 202 at most of 40,000."""
GPT2_TOKENS = 50_257

SHAKESPEARE_MINUTE = {
    "block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128, "batch_size": 32,
}  # fmt: skip
SHAKESPEARE_TEN_MINUTES = {
    "block_size": 256, "n_layer": 6, "n_head": 4, "n_embd": 256, "dropout": 0.1, "batch_size": 8,
}  # fmt: skip
SHAKESPEARE_LONGER = SHAKESPEARE_TEN_MINUTES | {"dropout": 0.2}
STORIES_LONGER = {"corpus": "stories:50000", "n_layer": 4, "n_head": 4, "n_embd": 256}

MODERN_SIZES = {"1m": (3, 2, 128), "3m": (5, 4, 192), "10m": (7, 5, 320), "30m": (9, 8, 512)}
"""Layers, heads and width of the modern models below GPT-2's size, with 4,000 byte pairs."""


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


def modern_of(size: str) -> Preset:
    """Return a modern model of about so many parameters, on 20 tokens for each of them.

    That ratio is Hoffmann et al.'s (2022), "Training compute-optimal large language models".
    """
    n_layer, n_head, n_embd = MODERN_SIZES[size]
    return Preset(
        about=f"a modern model of about {size.upper()} parameters, 20 tokens for each",
        config=RunConfig(
            data=DataConfig(corpus="tinystories", tokenizer=f"bpe:{STORY_TOKENS}"),
            model=modern(
                vocab_size=STORY_TOKENS,
                block_size=256,
                n_layer=n_layer,
                n_head=n_head,
                n_embd=n_embd,
            ),
            optimizer=Muon(),
            training=TrainingConfig(budget=f"{20 * int(size[:-1])}Mtokens", batch_size=32),
        ),
    )


def modern_124m() -> Preset:
    """Return a modern model as deep and wide as GPT-2, for a GPU."""
    return Preset(
        about="a modern model of GPT-2's size on web texts, 20 tokens a parameter; for a GPU",
        config=RunConfig(
            data=DataConfig(corpus="fineweb-edu", tokenizer="gpt2", max_tokens=2_500_000_000),
            model=modern(
                vocab_size=GPT2_TOKENS, block_size=1024, n_layer=12, n_head=12, n_embd=768
            ),
            optimizer=Muon(),
            training=TrainingConfig(budget="2500Mtokens", batch_size=256, accumulate=8),
        ),
    )
