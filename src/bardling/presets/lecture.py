"""Seeds 000 and 001, which build the GPT of a well-known lecture, and what stands beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bardling.config import RunConfig
from bardling.model.families import classic
from bardling.presets.own import SHAKESPEARE_CHARACTERS
from bardling.presets.preset import Preset
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW

# GPT-2's block but for what stands below the sizes. The sizes are those of seed 001.
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
    "betas 0.9 and 0.999, weight decay 0.01 on everything (torch's defaults)",
)
TORCH_ADAMW = AdamW(lr=1e-3, beta2=0.999, weight_decay=0.01, decay_vectors=True)
PLAIN_TRAINING = TrainingConfig(
    budget="5000steps", batch_size=64, schedule="constant", warmup_fraction=0.0, clip_norm=0.0
)
OUR_TRAINING = ("AdamW at a constant 1e-3, no clipping", "5000 steps")


def seed_000() -> Preset:
    """Return seed 000: six blocks, 384 wide, a context of 64, a nearly flat learning rate."""
    return Preset(
        about="seed 000 to the letter: 6 layers, 384 wide, 5000 steps of 1024 sequences",
        config=RunConfig(
            model=replace(LECTURE_GPT, block_size=64, n_layer=6, n_head=8, n_embd=384),
            optimizer=replace(TORCH_ADAMW, lr=1e-4),
            training=replace(
                PLAIN_TRAINING,
                batch_size=1024,
                schedule="exponential",
                min_lr_fraction=0.99995**5000,
            ),
        ),
        assumptions=(
            *LECTURE_ASSUMPTIONS,
            "no bias in query, key and value; bias in every other layer",
            "untied output layer",
            "no gradient clipping",
        ),
    )


def seed_000_next() -> Preset:
    """Return what seed 000 plans: the same model with warm-up, cosine and a context of 256."""
    before = seed_000()
    return Preset(
        about="what seed 000 plans next: warm-up and cosine, a context of 256",
        config=before.config.with_overrides(
            block_size=256,
            batch_size=256,
            lr=1e-3,
            schedule="cosine",
            warmup_fraction=0.02,
            min_lr_fraction=0.1,
            clip_norm=1.0,
        ),
        assumptions=(
            *before.assumptions[:-1],
            "the same tokens a step: 256 sequences of 256 instead of 1024 of 64",
            "highest rate 1e-3 after 100 steps, a tenth of it at the end, clipping at 1",
        ),
    )


def seed_000_mlp() -> Preset:
    """Return what seed 000 came from: the embeddings of 64 characters flattened, no attention."""
    return Preset(
        about="seed 000's model before: 64 embeddings flattened, no attention",
        config=RunConfig(
            model=replace(
                LECTURE_GPT,
                block_size=64,
                n_layer=1,
                n_head=1,
                n_embd=128,
                d_ff=512,
                attention="window",
                residual=False,
                position="none",
                norm="none",
                final_norm=False,
                dropout=0.0,
            ),
            optimizer=TORCH_ADAMW,
            training=PLAIN_TRAINING,
        ),
        assumptions=(
            "128 channels a character, mixed into 128, then a hidden layer of 512 with ReLU",
            "where fewer than 64 characters stand before, zeros do",
            "batches of 64 windows",
            *OUR_TRAINING,
        ),
    )


def seed_001() -> Preset:
    """Return seed 001's last rung: four layers, 192 wide, a context of 128."""
    return Preset(
        about="seed 001's scaled model, 1.83M parameters; optimizer and steps are ours",
        config=RunConfig(model=LECTURE_GPT, optimizer=TORCH_ADAMW, training=PLAIN_TRAINING),
        assumptions=(*LECTURE_ASSUMPTIONS, "learned positions", *OUR_TRAINING),
    )


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step of a ladder: what it changes of the rung before."""

    name: str
    about: str
    edit: Mapping[str, Any]
    """Settings by their own names."""
    stated: float | None = None
    """The validation loss that the seed states, in nats a character."""
    kept: bool = True
    """Whether the rungs after it have it too."""


FIRST_STEPS = (
    Rung(
        name="bigram",
        about="a table: each character tells the next",
        stated=2.88,
        edit={"n_layer": 0, "final_norm": False, "position": "none", "dropout": 0.0,
              "block_size": 32, "batch_size": 32, "n_embd": 64, "n_head": 1},
    ),
    Rung(
        name="averaging",
        about="the plain average of what came before",
        edit={"n_layer": 1, "attention": "uniform", "attention_output": False, "norm": "none",
              "residual": False, "feedforward": "none", "position": "learned"},
    ),
    Rung(
        name="head",
        about="one head chooses what to average",
        stated=2.41,
        edit={"attention": "causal"},
    ),
    Rung(
        name="heads",
        about="four heads, and a layer that mixes them",
        stated=2.32,
        edit={"n_head": 4, "attention_output": True},
    ),
    Rung(
        name="feed-forward",
        about="each position thinks about what it gathered",
        stated=2.23,
        edit={"feedforward": "relu"},
    ),
    Rung(
        name="blocks",
        about="three blocks, with residuals and norms",
        stated=2.09,
        edit={"n_layer": 3, "residual": True, "norm": "layernorm", "final_norm": True},
    ),
)  # fmt: skip
"""Seed 001's path; its widths and contexts below the last rung are not stated, these are ours."""

RUNG_ASSUMPTIONS = (
    "64 channels, a context of 32, batches of 32",
    "bias in the output layer, torch's own initial weights",
    "AdamW at a constant 1e-3 with torch's defaults, no clipping",
    "5000 steps",
)


def climb(rungs: tuple[Rung, ...], config: RunConfig) -> list[tuple[Rung, RunConfig]]:
    """Return each rung with its settings, which are those of the one before and its own."""
    path = []
    for rung in rungs:
        edited = config.with_overrides(**rung.edit)
        path.append((rung, edited))
        config = edited if rung.kept else config
    return path


def first_step(name: str) -> Preset:
    """Return a rung of seed 001 before its last one."""
    for rung, config in climb(FIRST_STEPS, seed_001().config):
        if rung.name == name:
            return Preset(
                about=f"seed 001's rung: {rung.about}",
                config=config,
                assumptions=RUNG_ASSUMPTIONS,
            )
    raise KeyError(name)
