"""What adapters gain of what all weights gain, when a model of Shakespeare moves to other texts.

    python benchmarks/adapter_gain.py                                  # rank 8 beside attention
    python benchmarks/adapter_gain.py --adapters attention:8+embeddings all:192 --steps 1000

A byte-level BPE model is trained on Tiny Shakespeare, then fine-tuned on WikiText-2 and on stories:
all of its weights, and adapters beside attention or all layers, of the rank after the colon, with
or without an embedding that is trained whole, each at several rates for the same steps. The gain is
what the validation loss falls; the best rate of each side is compared. What was forgotten of
Shakespeare stands beside it. Adapters as wide as the model can do to its layers whatever training
them does: what they fail to gain is elsewhere.
"""

import argparse
import json
import os
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from measured_on import describe_machine

import bardling
from bardling.config import RunConfig
from bardling.model.lora_config import LoRA, adapter_parameters
from bardling.model.size import count_parameters

BASE: dict[str, Any] = {"tokenizer": "bpe:2000", "n_head": 6, "block_size": 128, "batch_size": 16}
ATTENTION = ("query", "key", "value", "output")
TARGETS = {"attention": ATTENTION, "all": (*ATTENTION, "gate", "up", "down")}
SCALE = 2.0  # alpha / rank
WIKI = Path(os.environ.get("BARDLING_DATA", ".")) / "wikitext2-valid.txt"
TEXTS = {**({"WikiText-2": str(WIKI)} if WIKI.exists() else {}), "stories": "stories:2000"}


def moved(base: Path, text: str, side: str, **settings: Any) -> float:
    """Fine-tune a model on a text, say what came of it, and return what its loss fell."""
    run, lost = bardling.finetune(
        base, TEXTS[text], name=re.sub("[:+]", "-", f"{text}-{side}-{settings['lr']:g}"),
        runs_dir=base.parent, unknown="skip", **settings,
    )  # fmt: skip
    start = next(record["val_loss"] for record in run.metrics() if "val_loss" in record)
    result = run.folder.result()
    end = result["best"]["val_loss"]
    forgot = f"{lost.before:.4f} to {lost.after:.4f}" if lost else "unknown"
    print(
        f"  {text:<11} {side:<23} {trained_share(run.config):6.1%}, lr {settings['lr']:<6g} "
        f"{start:.4f} to {end:.4f}, Shakespeare {forgot}, {result['seconds']:.0f} s of steps",
        flush=True,
    )
    return start - end


def lora(side: str) -> dict[str, Any]:
    """Return the settings of adapters from layers and a rank, as in attention:8+embeddings."""
    layers, rest = side.split(":")
    rank, _, more = rest.partition("+")
    return {"adapter": "lora", "targets": TARGETS[layers], "rank": int(rank),
            "alpha": SCALE * int(rank), "embeddings": more == "embeddings"}  # fmt: skip


def trained_share(config: RunConfig) -> float:
    """Return which part of a model's numbers is trained, adapters among both."""
    adapter, model = config.adapter, config.model
    if not isinstance(adapter, LoRA):
        return 1.0
    total, beside = count_parameters(model).total, adapter_parameters(model, adapter)
    tables = model.vocab_size * model.n_embd * (1 if model.tie_embeddings else 2)
    return (beside + tables * adapter.embeddings) / (beside + total)


def main() -> None:
    """Train, fine-tune, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--adapters", nargs="+", default=["attention:8"])
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument("--whole-rates", nargs="+", type=float, default=[5e-4, 1e-3, 2e-3])
    parser.add_argument("--lora-rates", nargs="+", type=float, default=[5e-3, 1e-2, 2e-2])
    options = parser.parse_args()
    print(json.dumps(describe_machine() | {"options": vars(options)}), flush=True)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        shape = {**BASE, "n_layer": options.layers, "n_embd": options.width}
        base = bardling.train(
            "shakespeare", budget="1000steps", name="base", runs_dir=folder, **shape
        )
        print(f"base: {base.folder.result()['best']['val_loss']:.4f} on Shakespeare", flush=True)
        move = partial(moved, folder / "base", budget=f"{options.steps}steps")
        for text in options.texts:
            whole = max(move(text, "whole", adapter="whole", lr=lr) for lr in options.whole_rates)
            for side in options.adapters:
                some = max(move(text, side, lr=lr, **lora(side)) for lr in options.lora_rates)
                print(
                    f"{text}: {side} gains {some:.4f} nats of {whole:.4f}: {some / whole:.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
