"""One thing changed at a time: parts taken out of a whole model, and what moves the weights.

The whole model is GPT-2's block at the size of nanoGPT's CPU recipe with the usual recipe around
it; each variation is a `Rung` that no other one keeps.
"""

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.experiments.cases import Case
from bardling.model.families import classic
from bardling.presets.lecture import Rung, climb
from bardling.presets.own import SHAKESPEARE_CHARACTERS
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW

WHOLE_SEEDS = 3
WHOLE = Rung(name="whole", about="nothing removed", edit={}, kept=False)


def _without(name: str, about: str, **edit: object) -> Rung:
    return Rung(name=name, about=about, edit=edit, kept=False)


REMOVALS = (
    WHOLE,
    _without("causal-mask", "sees the future: its loss means nothing", attention="unmasked"),
    _without("attention", "no token sees another", attention="none"),
    _without("feed-forward", "attention alone", feedforward="none"),
    _without("residual", "each sublayer replaces its input", residual=False),
    _without("positions", "no token knows its place", position="none"),
    _without("norm", "no normalisation anywhere", norm="none"),
    _without("score-scaling", "scores are not divided by sqrt(d)", attention_scale=False),
    _without("output-projection", "heads are only laid side by side", attention_output=False),
    _without("warm-up", "the highest rate from the first step", warmup_fraction=0.0),
    _without("clipping", "gradients of any length", clip_norm=0.0),
    _without("weight-decay", "nothing pulls towards zero", weight_decay=0.0),
    _without("dropout", "nothing is dropped", dropout=0.0),
    _without("tying", "an output layer of its own", tie_embeddings=False),
    _without("post-norm", "normalised after the sum, as in 2017", norm_place="after"),
    _without("sinusoidal", "fixed waves instead of learned places, larger than first embeddings",
             position="sinusoidal"),
    _without("sinusoidal-scaled", "the same, and embeddings scaled up to them",
             position="sinusoidal_scaled"),
)  # fmt: skip
"""What can be taken out, or put in another place."""

OPTIMIZERS = (
    _without("sgd", "one rate for all", optimizer="sgd", lr=0.3),
    _without("sgd-momentum", "and a memory of the direction", optimizer="sgd", lr=0.1,
             momentum=0.9),
    _without("adam-l2", "a rate for each weight; decay goes through it", optimizer="adam",
             lr=1e-3, weight_decay=0.1),
    _without("adamw-999", "decay beside it, memory of 1,000 steps", beta2=0.999),
    _without("adamw-95", "memory of 20 steps", beta2=0.95),
    _without("adamw-vectors", "and decay on norms and biases too", decay_vectors=True),
    _without("muon", "matrices moved by orthogonal steps", optimizer="muon", lr=8e-3),
)  # fmt: skip
"""What can move the weights; rates were not tuned one by one."""


def whole_model(corpus: str = "shakespeare") -> RunConfig:
    """Return the settings that every variation starts from: 0.8M parameters, 1,000 steps."""
    return RunConfig(
        data=DataConfig(corpus=corpus),
        model=classic(
            vocab_size=SHAKESPEARE_CHARACTERS,
            block_size=64,
            n_layer=4,
            n_head=4,
            n_embd=128,
            dropout=0.1,
        ),
        optimizer=AdamW(lr=1e-3),
        training=TrainingConfig(
            budget="1000steps",
            batch_size=32,
            schedule="cosine",
            min_lr_fraction=0.1,
            keep_last=1,
        ),
    )


def ablations(rungs: tuple[Rung, ...], corpus: str) -> list[Case]:
    """Return the variations of the whole model, which has more seeds: so far does chance reach."""
    whole = whole_model(corpus)
    return [
        Case(
            name=rung.name,
            about=rung.about,
            config=config,
            n_seeds=WHOLE_SEEDS if config == whole else 1,
        )
        for rung, config in climb(rungs, whole)
    ]
