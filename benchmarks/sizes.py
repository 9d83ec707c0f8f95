"""How tokens per second fall with a model's size and context, beside what counting says.

    python benchmarks/sizes.py [--plot FILE]

One row for each size and context; the plot shows what of a large product's rate is reached, which
would be a level line if time followed counted FLOPs.
"""

import argparse
import json

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


def plot(found: dict[str, list[float]], file: str) -> None:
    """Draw each size's share of a large product's rate over the contexts."""
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name, shares in found.items():
        axes.plot(CONTEXTS, [100 * share for share in shares], marker="o", label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(CONTEXTS, [str(context) for context in CONTEXTS])
    axes.set_ylim(0, 100)
    axes.set(xlabel="context, tokens", ylabel="% of a large product's rate")
    axes.legend(title="parameters", frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file)


def main() -> None:
    """Measure all, print as known, draw at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE")
    wanted = parser.parse_args()
    print(json.dumps({"what": "machine", **describe_machine()}), flush=True)
    shares: dict[str, list[float]] = {}
    for name, shape in SIZES.items():
        for block_size in CONTEXTS:
            found = measure(shape, block_size)
            shares.setdefault(name, []).append(found.utilisation)
            row = {
                "what": f"training, {name}, context {block_size}",
                "parameters": found.parameters,
                "tokens_per_second": round(found.tokens_per_second.median),
                "gigaflops_per_token": round(found.flops_per_token / 1e9, 4),
                "gigaflops_per_second": round(found.flops_per_second / 1e9),
                "of_large_products": round(found.utilisation, 2),
            }
            print(json.dumps(row), flush=True)
    if wanted.plot:
        plot(shares, wanted.plot)


if __name__ == "__main__":
    main()
