"""Adapters beside peft's and beside the training of all weights: time, memory, what is trained.

    python benchmarks/adapters.py [--quick] [--sizes 10M 124M] [--precision fp32]

Three sides fine-tune a GPT-2 of the same shape on batches of the same size: ours with all its
weights, ours with LoRA on the attention's layers, and `peft` with the same adapters on
transformers' model, by torch's AdamW, in float32. Each measurement is a process of its own, which
takes some steps that do not count and then steps for some seconds; the sides follow each other in
rounds, and ratios are those within a round. The most memory of a process counts what its imports
take, so that stands beside it.
"""

import argparse
import json
from collections.abc import Mapping

from measured_on import describe_machine
from turns import Contestant, imports_alone

from bardling.benchmarking.timing import Spread, ratio
from bardling.model.families import classic
from bardling.model.size import count_parameters

SIZES = {
    "10M": ({"block_size": 256, "n_layer": 6, "n_head": 6, "n_embd": 384, "vocab_size": 65}, 8),
    "124M": (
        {"block_size": 256, "n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257},
        4,
    ),
}
"""Shape, and sequences in a batch."""
RANK = 8
WHOLE_RATE, LORA_RATE = 2e-4, 2e-3
WHOLE, LORA, PEFT = "ours, all weights", "ours, LoRA", "peft, LoRA"
WARM_STEPS = 2
ROUNDS, SECONDS = 5, 20.0
IMPORTED = {
    "ours": ("bardling.benchmarking.training",),
    "peft": ("peft", "transformers.models.gpt2.modeling_gpt2"),
}
Figures = tuple[float, float, int]
"""Seconds of a step, most MiB, numbers trained."""


def measure(how: tuple[object, ...], seconds: float) -> Figures:
    """Measure one side in a new process."""
    with Contestant(*how) as contestant:
        for _ in range(WARM_STEPS):
            contestant.rate(0.0)
        rate = contestant.rate(seconds)
        return 1 / rate, contestant.most_mebibytes(), contestant.parameters


def sides(size: str, precision: str) -> dict[str, tuple[object, ...]]:
    """Return each side by its module and arguments."""
    shape, batch_size = SIZES[size]
    return {
        WHOLE: ("ours_tuning", shape, batch_size, 0, WHOLE_RATE, precision),
        LORA: ("ours_tuning", shape, batch_size, RANK, LORA_RATE, precision),
        PEFT: ("peft_tuning", shape, batch_size, RANK, LORA_RATE),
    }


def compare(size: str, precision: str, *, rounds: int, seconds: float) -> dict[str, object]:
    """Measure all sides of one size in rounds; return what is told of them."""
    found: dict[str, list[Figures]] = {name: [] for name in sides(size, precision)}
    for _ in range(rounds):
        for name, how in sides(size, precision).items():
            found[name].append(measure(how, seconds))
    trained = {name: figures[0][2] for name, figures in found.items()}
    if trained[LORA] != trained[PEFT]:
        raise SystemExit(f"other numbers are trained by ours than by peft: {trained}")
    shape, batch_size = SIZES[size]
    whole = count_parameters(classic(**shape)).total
    return {
        "what": f"fine-tuning, {size}, {batch_size} x {shape['block_size']} tokens, rank {RANK}",
        "precision": {"ours": precision, "peft": "fp32"},
        "trained": trained,
        "trained_share": {name: round(count / whole, 5) for name, count in trained.items()},
        "seconds_per_step": {name: told(column(figures, 0), 4) for name, figures in found.items()},
        "most_mebibytes": {name: told(column(figures, 1), 0) for name, figures in found.items()},
        "time": ratios(found, 0),
        "memory": ratios(found, 1),
    }


def column(figures: list[Figures], which: int) -> list[float]:
    """Return one figure of each round."""
    return [figure[which] for figure in figures]


def told(figures: list[float], digits: int) -> list[float]:
    """Return median, lowest and highest, rounded."""
    spread = Spread.of(figures)
    return [round(x, digits) for x in (spread.median, spread.lowest, spread.highest)]


def ratios(found: Mapping[str, list[Figures]], which: int) -> dict[str, list[float]]:
    """Return what our adapters take for what the others do, round by round."""
    ours = column(found[LORA], which)
    figures = {other: ratio(ours, column(found[other], which)) for other in (WHOLE, PEFT)}
    return {
        f"{LORA} / {other}": [round(x, 2) for x in (one.median, one.lowest, one.highest)]
        for other, one in figures.items()
    }


def main() -> None:
    """Measure and print each size as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of one step each")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of ours")
    wanted = parser.parse_args()
    rounds, seconds = (1, 0.0) if wanted.quick else (ROUNDS, SECONDS)
    alone = {name: round(imports_alone(*modules)) for name, modules in IMPORTED.items()}
    machine = describe_machine()
    print(json.dumps({"what": "machine", **machine, "imports_alone_mebibytes": alone}), flush=True)
    for size in wanted.sizes:
        row = compare(size, wanted.precision, rounds=rounds, seconds=seconds)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
