"""The exercises of the seeds that vary one thing: what varies, on what, and what is stated.

As their source has them most take hours on two cores. The quick form keeps what varies and makes
the rest small; it says so, and its losses are not those of the source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from bardling.config import RunConfig
from bardling.experiments.cases import Case
from bardling.experiments.sweep import cases_at
from bardling.presets.table import config_for

QUICK: dict[str, Any] = {
    "n_layer": 4, "n_head": 4, "n_embd": 128, "batch_size": 16, "budget": "1500steps", "lr": 1e-3,
}  # fmt: skip
"""0.8M parameters; less than a minute for each run of 64 to 128 tokens of context. A run so short
needs the higher rate: at 3e-4 it ends before attention has paid."""
DAY_34 = (2.81, 2.54, 2.31, 2.28)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What varies, and on what."""

    about: str
    preset: str
    points: Sequence[Mapping[str, Any]]
    stated: Sequence[float | None] = ()
    """What the source expects of each point at full size."""
    quick: Mapping[str, Any] = field(default_factory=lambda: QUICK)
    """Settings of the quick form."""
    full: Mapping[str, Any] | None = None
    """Settings of the source where they are not those of the preset."""
    remarks: tuple[str, ...] = ()

    def config(self, *, full: bool) -> RunConfig:
        """Return the settings that its points change."""
        return config_for(self.preset).with_overrides(**((self.full or {}) if full else self.quick))


def _each(name: str, *values: Any) -> list[Mapping[str, Any]]:
    return [{name: value} for value in values]


_RATES = [
    {"lr": lr, "warmup_fraction": steps / 2000}
    for lr, steps in ((1e-4, 50), (3e-4, 100), (1e-3, 200))
]

NAMED: dict[str, Exercise] = {
    "context": Exercise(
        about="how far back the model sees (day 34)",
        preset="seed-003-small",
        points=_each("block_size", 64, 128, 256, 512),
        stated=DAY_34,
        full={"budget": "3000steps"},
        remarks=(
            f"Seed 003 expects about {', '.join(map(str, DAY_34))} of these after 3,000 steps of "
            "its SMALL.",
            "Equal steps: a longer context has also seen more tokens.",
        ),
    ),
    "windows": Exercise(
        about="how long the windows are that the text is cut into (day 2)",
        preset="seed-003-small",
        points=_each("block_size", 16, 64, 256, 1024),
        quick=QUICK | {"batch_size": 8, "budget": "1epochs", "order": "shuffled"},
        full={"batch_size": 8, "budget": "1epochs", "order": "shuffled", "lr": 1e-3},
        remarks=(
            "One pass over the text each, 8 windows a step: windows four times as long are a "
            "quarter as many, and so are the steps.",
            "Day 2 counts windows and trains nothing: model and rate are ours.",
            "Each is validated by windows of its own length: a longer one leaves fewer characters "
            "without a past.",
        ),
    ),
    "rate": Exercise(
        about="the highest rate and its warm-up (day 34)",
        preset="seed-003-small",
        points=_RATES,
        full={"budget": "2000steps"},
    ),
    "context-rate": Exercise(
        about="context and rate together (day 34)",
        preset="seed-003-small",
        points=[{"block_size": size, "lr": lr} for size, lr in product((128, 256), (1e-4, 3e-4))],
        full={"budget": "3000steps"},
    ),
    "heads": Exercise(
        about="one wide head or many narrow ones",
        preset="seed-001",
        points=_each("n_head", 1, 6, 12, 24),
        quick=QUICK | {"n_embd": 192, "block_size": 64},
    ),
    "expansion": Exercise(
        about="how wide a feed-forward layer is inside: 2, 4, 8 times",
        preset="seed-003-small",
        points=_each("d_ff", 512, 1024, 2048),
        quick=QUICK | {"n_embd": 256, "block_size": 64},
    ),
    "clip": Exercise(
        about="the longest gradient, 0 for any",
        preset="seed-003-small",
        points=_each("clip_norm", 0.5, 1.0, 5.0, 0.0),
        quick=QUICK | {"block_size": 64},
    ),
    "dropout": Exercise(
        about="the share that is dropped",
        preset="seed-003-small",
        points=_each("dropout", 0.0, 0.1, 0.2, 0.3),
        quick=QUICK | {"block_size": 64},
        remarks=("Dropout pays where a text is read many times; a short run reads it once or so.",),
    ),
    "wave-base": Exercise(
        about="the base of sinusoidal positions (day 3)",
        preset="seed-003-small",
        points=_each("rope_base", 500.0, 10_000.0, 50_000.0),
        quick=QUICK | {"block_size": 64, "position": "sinusoidal_scaled"},
        full={"position": "sinusoidal_scaled"},
    ),
}


def crossed(points: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the values of each setting where the points are all combinations of them, else {}."""
    axes = {name: list(dict.fromkeys(point[name] for point in points)) for name in points[0]}
    whole = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return axes if whole == list(points) else {}


def named_cases(
    exercise: Exercise, config: RunConfig, *, n_seeds: int = 1, full: bool = False
) -> list[Case]:
    """Return the cases of an exercise on a config, with what is stated of them at full size."""
    cases = cases_at(config, exercise.points, n_seeds=n_seeds)
    stated = exercise.stated if full and exercise.stated else [None] * len(cases)
    return [replace(case, stated=loss) for case, loss in zip(cases, stated, strict=True)]
