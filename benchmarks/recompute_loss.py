"""Recompute a run's validation loss from its model and the raw text, in ten lines of its own.

    python benchmarks/recompute_loss.py RUN TEXT

Nothing of bardling's data or evaluation code is used: the text is cut at 90 %, encoded with the
run's tokenizer, and read in windows of the model's context. Prints both losses and their
difference.
"""

import sys
from pathlib import Path

import torch

import bardling


def recompute(run: bardling.Run, text: str) -> float:
    """Return nats per token over the last tenth of `text`, the first token not predicted."""
    held_back = text[int(0.9 * len(text)) :]
    ids = torch.tensor(run.tokenizer.encode(held_back))
    block, total = run.config.model.block_size, 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, block):
            piece = ids[start : start + block + 1]
            log_p = torch.log_softmax(run.model(piece[None, :-1])[0].double(), dim=-1)
            total -= log_p.gather(1, piece[1:, None]).sum().item()
    return total / (len(ids) - 1)


def main() -> None:
    """Compare the two losses of one run."""
    run = bardling.load(sys.argv[1], "best")
    mine = recompute(run, Path(sys.argv[2]).read_bytes().decode())
    theirs = run.folder.result()["best"]["val_loss"]
    print(f"run {run.folder.name}, step {run.step}")
    print(f"  recomputed from the raw text  {mine:.6f}")
    print(f"  result.json                   {theirs:.6f}")
    print(f"  difference                    {abs(mine - theirs):.2e}")


if __name__ == "__main__":
    main()
