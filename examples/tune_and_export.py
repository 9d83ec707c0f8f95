"""Teach a trained model another text with adapters, and write it for transformers.

python examples/tune_and_export.py runs/NAME my-text.txt
"""

import sys
from pathlib import Path

import bardling


def main(start: Path, text: Path, budget: str = "60steps", runs_dir: Path = Path("runs")) -> Path:
    """Fine-tune, say what was forgotten, export; return the folder that transformers opens."""
    run, forgotten = bardling.finetune(
        start, text, adapter="lora", rank=4, budget=budget, runs_dir=runs_dir, sample_tokens=0
    )
    print(f"{run.folder.path}: {run.validation_loss().loss:.3f} nats per token on {text.name}")
    if forgotten is not None:
        print(forgotten.told)
    (exported,) = bardling.export(run, "huggingface")
    for check in exported.checks:
        print(check.told)
    return exported.path


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
