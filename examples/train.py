"""Train a small model on stories that the package makes itself, and say how good it is."""

from pathlib import Path

import bardling


def main(
    budget: str = "300steps", runs_dir: Path = Path("runs"), corpus: str = "stories:4000"
) -> bardling.Run:
    """Train, measure on text that was kept back, and return the run."""
    run = bardling.train(
        corpus, budget=budget, runs_dir=runs_dir, n_layer=2, n_embd=96, sample_tokens=0
    )
    found = run.validation_loss()
    print(f"{run.folder.path}, step {run.step}: {found.loss:.3f} nats per token")
    if found.floor is not None:
        print(f"nobody can expect less than {found.floor:.3f}: the language leaves that to chance")
    return run


if __name__ == "__main__":
    main()
