"""What adapters gain of what all weights gain, when a model of Shakespeare moves to other texts.

    python benchmarks/adapter_gain.py                                  # rank 8 beside attention
    python benchmarks/adapter_gain.py --targets all --steps 1000       # beside every layer, longer

A byte-level BPE model is trained on Tiny Shakespeare, then fine-tuned on WikiText-2 and on stories:
all of its weights, and adapters of rank 8, each at several rates for the same steps. The gain is
what the validation loss falls; the best rate of each side is compared. What was forgotten of
Shakespeare stands beside it.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from measured_on import describe_machine

import bardling

BASE: dict[str, Any] = {"tokenizer": "bpe:2000", "n_layer": 4, "n_head": 6, "n_embd": 192,
                        "block_size": 128, "batch_size": 16}  # fmt: skip
ATTENTION = ("query", "key", "value", "output")
TARGETS = {"attention": ATTENTION, "all": (*ATTENTION, "gate", "up", "down")}
WIKI = Path(os.environ.get("BARDLING_DATA", ".")) / "wikitext2-valid.txt"
TEXTS = {**({"WikiText-2": str(WIKI)} if WIKI.exists() else {}), "stories": "stories:2000"}


def moved(base: Path, text: str, name: str, **settings: Any) -> float:
    """Fine-tune a model on a text, say what came of it, and return what its loss fell."""
    run, lost = bardling.finetune(
        base, TEXTS[text], name=name, runs_dir=base.parent, unknown="skip", **settings
    )
    start = next(record["val_loss"] for record in run.metrics() if "val_loss" in record)
    result = run.folder.result()
    end = result["best"]["val_loss"]
    forgot = f"{lost.before:.4f} to {lost.after:.4f}" if lost else "unknown"
    print(
        f"  {text:<11} {settings['adapter']:<6} lr {settings['lr']:<6g} {start:.4f} to {end:.4f}, "
        f"Shakespeare {forgot}, {result['seconds']:.0f} s of steps",
        flush=True,
    )
    return start - end


def main() -> None:
    """Train, fine-tune, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--targets", choices=TARGETS, default="attention")
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument("--whole-rates", nargs="+", type=float, default=[5e-4, 1e-3, 2e-3])
    parser.add_argument("--lora-rates", nargs="+", type=float, default=[5e-3, 1e-2, 2e-2])
    options = parser.parse_args()
    print(json.dumps(describe_machine() | {"options": vars(options)}), flush=True)
    lora = {"rank": 8, "alpha": 16.0, "targets": TARGETS[options.targets]}
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        base = bardling.train(
            "shakespeare", budget="1000steps", name="base", runs_dir=folder, **BASE
        )
        print(f"base: {base.folder.result()['best']['val_loss']:.4f} on Shakespeare", flush=True)
        for text in options.texts:
            gains: dict[str, list[float]] = {}
            sides = {"whole": (options.whole_rates, {}), "lora": (options.lora_rates, lora)}
            for adapter, (rates, more) in sides.items():
                gains[adapter] = [
                    moved(
                        folder / "base", text, f"{text}-{adapter}-{rate:g}",
                        adapter=adapter, lr=rate, budget=f"{options.steps}steps", **more,
                    )
                    for rate in rates
                ]  # fmt: skip
            whole, some = max(gains["whole"]), max(gains["lora"])
            print(
                f"{text}: adapters gain {some:.4f} nats of {whole:.4f}: {some / whole:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
