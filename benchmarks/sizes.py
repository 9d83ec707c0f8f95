"""How tokens per second fall with a model's size and context, beside what counting says.

    python benchmarks/sizes.py
    python benchmarks/sizes.py --plot results/sizes.txt docs/sizes.svg

One row for each size and context; the plot of such rows shows what of a large product's rate is
reached, which would be a level line if time followed counted FLOPs.
"""

import argparse
import json
from pathlib import Path

from matplotlib import pyplot as plt
from measured_on import describe_machine

from bardling.benchmarking.training import TrainingSpeed, measure_training
from bardling.config import RunConfig
from bardling.model.families import modern
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW

SIZES = {"0.8M": (4, 128, 65), "7M": (6, 320, 65), "25M": (8, 512, 65), "124M": (12, 768, 50_257)}
CONTEXTS = (64, 256, 1024)
ROW_TOKENS = 2048  # of a batch


def measure(shape: tuple[int, int, int], block_size: int) -> TrainingSpeed:
    """Measure training steps of the modern block with AdamW."""
    n_layer, n_embd, vocab_size = shape
    model = modern(
        vocab_size=vocab_size, block_size=block_size, n_layer=n_layer, n_head=n_embd // 64,
        n_embd=n_embd,
    )  # fmt: skip
    training = TrainingConfig(batch_size=ROW_TOKENS // block_size)
    config = RunConfig(model=model, optimizer=AdamW(), training=training)
    return measure_training(config, seconds=0.5, rounds=3)


def row_of(name: str, block_size: int, found: TrainingSpeed) -> dict[str, object]:
    """Return what is told of one size and context."""
    return {
        "what": f"training, {name}, context {block_size}",
        "parameters": found.parameters,
        "tokens_per_second": round(found.tokens_per_second.median),
        "gigaflops_per_token": round(found.flops_per_token / 1e9, 4),
        "gigaflops_per_second": round(found.flops_per_second / 1e9),
        "of_large_products": round(found.utilisation, 2),
    }


def plot(rows: list[dict[str, object]], file: str) -> None:
    """Draw each size's share of a large product's rate over the contexts."""
    shares = {row["what"]: 100 * row["of_large_products"] for row in rows}
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name in SIZES:
        heights = [shares[f"training, {name}, context {context}"] for context in CONTEXTS]
        axes.plot(CONTEXTS, heights, marker="o", label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(CONTEXTS, [str(context) for context in CONTEXTS])
    axes.set_ylim(0, 100)
    axes.set(xlabel="context, tokens", ylabel="% of a large product's rate")
    axes.legend(title="parameters", frameon=False, ncols=2, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Measure all and print as known, or draw what was printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", nargs=2, metavar=("ROWS", "FILE"))
    wanted = parser.parse_args()
    if wanted.plot:
        lines = Path(wanted.plot[0]).read_text().splitlines()
        plot([json.loads(line) for line in lines[1:]], wanted.plot[1])
        return
    print(json.dumps({"what": "machine", **describe_machine()}), flush=True)
    for name, shape in SIZES.items():
        for block_size in CONTEXTS:
            print(json.dumps(row_of(name, block_size, measure(shape, block_size))), flush=True)


if __name__ == "__main__":
    main()
