"""Seeds 002 to 004 and GPT-2: larger texts, byte pairs, the course's sizes."""

from dataclasses import replace

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.model.families import classic
from bardling.presets.own import GPT2_TOKENS, SHAKESPEARE_CHARACTERS
from bardling.presets.preset import Preset
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW

STORY_WIDTHS = {"small": 128, "medium": 256, "large": 384}
"""Seed 002's; that its sizes come from these is our inference from three counts of parameters."""
STORY_WARMUP_STEPS = 500
COURSE_SIZES = {"tiny": (2, 128, 128, 32, 3000), "small": (4, 256, 256, 64, 5000),
                "medium": (6, 384, 256, 64, 5000)}  # fmt: skip
"""Day 33's: layers (and heads), width, context, batch, steps."""
DAY_37_SIZES = {"small": (6, 384, 256), "medium": (8, 512, 512), "large": (12, 768, 1024)}
"""Day 37's: layers (and heads), width, context."""
COURSE_TRAINING = TrainingConfig(
    budget="5000steps",
    batch_size=64,
    schedule="cosine",
    warmup_fraction=100 / 5000,
    min_lr_fraction=0.1,
)
COURSE_ADAMW = AdamW(lr=3e-4)
GPT2_SIZES = {"gpt2": (12, 12, 768), "gpt2-medium": (24, 16, 1024)}


def seed_002(size: str) -> Preset:
    """Return a size of seed 002: five blocks, sinusoidal positions, 3,000 byte pairs, stories."""
    return Preset(
        about=f"seed 002, {size}: stories by 3,000 byte pairs, 5 layers, {STORY_WIDTHS[size]} wide",
        config=RunConfig(
            data=DataConfig(
                corpus="tinystories",
                tokenizer="bpe:3000",
                val_fraction=0.005,
                max_tokens=104_000_000,
            ),
            model=classic(
                vocab_size=3000,
                block_size=256,
                n_layer=5,
                n_head=8,
                n_embd=STORY_WIDTHS[size],
                d_ff=2 * STORY_WIDTHS[size],
                feedforward="gelu",
                position="sinusoidal_scaled",
            ),
            optimizer=AdamW(lr=1e-3, beta2=0.999),
            training=TrainingConfig(
                budget="104Mtokens",
                batch_size=32,
                schedule="cosine",
                warmup_fraction=STORY_WARMUP_STEPS / (104_000_000 / (32 * 256)),
            ),
        ),
        assumptions=(
            "TinyStories; the seed says short stories with a simple grammar",
            "the width, from the count of parameters",
            "one pass over 104M tokens, batches of 32: the tokens seen are open",
            "highest rate 1e-3, cosine to zero, no dropout, GPT-2's initial weights",
            "embeddings times sqrt(width) before the waves are added, as in the waves' own paper",
        ),
    )


def seed_003_tinylm() -> Preset:
    """Return day 7's TinyLM: feed-forward blocks alone, so no token sees another."""
    return Preset(
        about="seed 003, day 7: feed-forward blocks only, which cannot pass the bigram",
        config=RunConfig(
            model=classic(
                vocab_size=SHAKESPEARE_CHARACTERS,
                block_size=64,
                n_layer=4,
                n_head=1,
                n_embd=128,
                attention="none",
                feedforward="gelu",
                tie_embeddings=False,
                init="plain",
            ),
            optimizer=AdamW(lr=3e-4, beta2=0.999, decay_vectors=True),
            training=TrainingConfig(
                budget="3000steps", batch_size=32, schedule="constant", warmup_fraction=0.0
            ),
        ),
        assumptions=("learned places begin as torch's embeddings do, N(0, 1)",),
    )


def seed_003(size: str) -> Preset:
    """Return a size of day 33 on Tiny Shakespeare."""
    n_layer, width, context, batch, steps = COURSE_SIZES[size]
    return Preset(
        about=f"seed 003, day 33, {size}: {n_layer} layers, {width} wide, {steps} steps",
        config=RunConfig(
            model=classic(
                vocab_size=SHAKESPEARE_CHARACTERS,
                block_size=context,
                n_layer=n_layer,
                n_head=n_layer,
                n_embd=width,
                feedforward="gelu",
                qkv_bias=False,
                tie_embeddings=False,
                dropout=0.1,
            ),
            optimizer=COURSE_ADAMW,
            training=replace(
                COURSE_TRAINING,
                budget=f"{steps}steps",
                batch_size=batch,
                warmup_fraction=100 / steps,
            ),
        ),
        assumptions=(
            "a block with biases but in query, key and value; untied, as in day 29's skeleton",
            "dropout 0.1, GPT-2's initial weights",
            "rate 3e-4 after 100 steps, a tenth of it at the end (day 34), clipping at 1",
        ),
    )


def seed_003_bpe(size: str) -> Preset:
    """Return a size of day 37, on GPT-2's byte pairs."""
    n_layer, width, context = DAY_37_SIZES[size]
    return Preset(
        about=f"seed 003, day 37, {size}: {n_layer} layers, {width} wide, GPT-2's byte pairs",
        config=RunConfig(
            data=DataConfig(corpus="shakespeare", tokenizer="gpt2"),
            model=classic(
                vocab_size=GPT2_TOKENS,
                block_size=context,
                n_layer=n_layer,
                n_head=n_layer,
                n_embd=width,
                qkv_bias=False,
                bias=False,
                dropout=0.1,
            ),
            optimizer=COURSE_ADAMW,
            training=replace(COURSE_TRAINING, batch_size=16),
        ),
        assumptions=(
            "Tiny Shakespeare, where the course wants a text of one's own",
            "tied, without biases, dropout 0.1, batches of 16",
            "day 34's schedule, 5000 steps",
        ),
    )


def seed_004() -> Preset:
    """Return seed 004: 12 layers without output projection and final norm, on web texts."""
    return Preset(
        about="seed 004: 12 layers, 512 wide, FineWeb-edu; its tokenizer differs",
        config=RunConfig(
            data=DataConfig(
                corpus="fineweb-edu", tokenizer="bpe:9157", max_tokens=99_000_000, val_fraction=0.01
            ),
            model=classic(
                vocab_size=9157,
                block_size=1024,
                n_layer=12,
                n_head=8,
                n_embd=512,
                feedforward="relu",
                position="sinusoidal",
                attention_output=False,
                final_norm=False,
                output_bias=True,
                tie_embeddings=False,
                init="plain",
            ),
            optimizer=AdamW(lr=3e-4, beta2=0.999, decay_vectors=True),
            training=TrainingConfig(
                budget="10000steps",
                batch_size=32,
                accumulate=8,
                schedule="cosine",
                warmup_fraction=0.0,
            ),
        ),
        assumptions=(
            "tokenizer differs: byte-level, where the seed's works on distinct words",
            "no output projection and no final norm, which the seed's count of parameters says",
            "no dropout, torch's own initial weights",
        ),
    )


def gpt2(name: str) -> Preset:
    """Return GPT-2 at one of its sizes, to be trained on web texts on a GPU."""
    n_layer, n_head, width = GPT2_SIZES[name]
    return Preset(
        about=f"GPT-2 with {n_layer} layers, {width} wide, on web texts; for a GPU",
        config=RunConfig(
            data=DataConfig(corpus="fineweb-edu", tokenizer="gpt2", val_fraction=0.001),
            model=classic(
                vocab_size=GPT2_TOKENS,
                block_size=1024,
                n_layer=n_layer,
                n_head=n_head,
                n_embd=width,
            ),
            optimizer=AdamW(lr=6e-4),
            training=TrainingConfig(
                budget="10Gtokens",
                batch_size=480,
                accumulate=40,
                schedule="cosine",
                warmup_fraction=0.03,
                min_lr_fraction=0.1,
            ),
        ),
        assumptions=(
            "FineWeb-edu, since WebText was never published",
            "half a million tokens a step, rate 6e-4 with warm-up and cosine, as GPT-3's paper has",
        ),
    )
