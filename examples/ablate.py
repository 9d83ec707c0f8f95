"""Take one part at a time out of a model and see what the loss answers.

All runs see the same batches, and what two models share begins with the same weights, so a
difference is the part's own.
"""

from pathlib import Path
from typing import Any

import bardling

REMOVALS: dict[str, dict[str, Any]] = {
    "whole": {},
    "no attention": {"attention": "none"},
    "no feed-forward": {"feedforward": "none"},
    "no positions": {"position": "none"},
    "no residual": {"residual": False},
}


def main(
    budget: str = "150steps",
    runs_dir: Path = Path("runs"),
    corpus: str = "stories:2000",
    names: tuple[str, ...] = tuple(REMOVALS),
) -> dict[str, float]:
    """Train a model for each removal; return the losses by name."""
    losses = {}
    for name in names:
        run = bardling.train(
            corpus,
            budget=budget,
            runs_dir=runs_dir,
            tokenizer="char",
            n_layer=2,
            n_head=2,
            n_embd=48,
            block_size=64,
            sample_tokens=0,
            quick_checks=False,
            **REMOVALS[name],
        )
        losses[name] = run.validation_loss().loss
        print(f"{name:16} {losses[name]:.3f} nats per character")
    return losses


if __name__ == "__main__":
    main()
