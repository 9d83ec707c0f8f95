"""What adapters gain of what all weights gain, when a model of Shakespeare moves to other texts.

    python benchmarks/adapter_gain.py [STEPS] > results/adapter-gain.txt

A byte-level BPE model is trained on Tiny Shakespeare, then fine-tuned on WikiText-2 and on stories:
all of its weights, and adapters of rank 8 on the projections of attention, each at several rates
for the same steps. The gain is what the validation loss falls; the best rate of each side is
compared. What was forgotten of Shakespeare stands beside it.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import bardling
from bardling.machine.device import cpu_model

WHOLE_RATES = (5e-4, 1e-3, 2e-3)
LORA_RATES = (5e-3, 1e-2, 2e-2)
BASE: dict[str, Any] = {"tokenizer": "bpe:2000", "n_layer": 4, "n_head": 6, "n_embd": 192,
                        "block_size": 128, "batch_size": 16}  # fmt: skip


def texts() -> dict[str, str]:
    """Return the texts to move to: a file of WikiText-2, and stories."""
    found = {"stories": "stories:2000"}
    wiki = Path(os.environ.get("BARDLING_DATA", ".")) / "wikitext2-valid.txt"
    return {"WikiText-2": str(wiki), **found} if wiki.exists() else found


def first_loss(run: bardling.Run) -> float:
    """Return the loss before the first step."""
    return next(r["val_loss"] for r in run.metrics() if "val_loss" in r)


def main() -> None:
    """Train, fine-tune, print."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(f"{cpu_model()}, torch {torch.__version__}, {steps} steps each")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        base = bardling.train(
            "shakespeare", budget="1000steps", name="base", runs_dir=folder, **BASE
        )
        print(f"base: {base.folder.result()['best']['val_loss']:.4f} on Shakespeare")
        for text, corpus in texts().items():
            best: dict[str, float] = {}
            for adapter, rates in (("whole", WHOLE_RATES), ("lora", LORA_RATES)):
                for rate in rates:
                    more = {"rank": 8, "alpha": 16.0} if adapter == "lora" else {}
                    run, lost = bardling.finetune(
                        folder / "base", corpus, adapter=adapter, budget=f"{steps}steps", lr=rate,
                        name=f"{text}-{adapter}-{rate:g}", runs_dir=folder, unknown="skip", **more,
                    )  # fmt: skip
                    start, end = first_loss(run), run.folder.result()["best"]["val_loss"]
                    best[adapter] = max(best.get(adapter, 0.0), start - end)
                    seconds = run.folder.result()["seconds"]
                    forgot = f"{lost.before:.4f} to {lost.after:.4f}" if lost else "unknown"
                    print(
                        f"  {text:<11} {adapter:<6} lr {rate:<6g} {start:.4f} to {end:.4f}, "
                        f"Shakespeare {forgot}, {seconds:.0f} s of steps",
                        flush=True,
                    )
            share = best["lora"] / best["whole"]
            print(
                f"{text}: adapters gain {best['lora']:.4f} nats of {best['whole']:.4f}: {share:.1%}"
            )


if __name__ == "__main__":
    main()
