"""Choose settings of the shakespeare preset without ever looking at its validation text.

    python benchmarks/tune_shakespeare.py [lr=2e-3 tie_embeddings=false ...] [-- next candidate ...]

The corpus is the training part alone (the first 90 % of Tiny Shakespeare, from BARDLING_DATA or
the cache), split once more: the last tenth of it is what candidates are compared on. Candidates
are separated by `--`; each prints its loss on that tenth after 500 steps.
"""

import json
import sys
import tempfile
from pathlib import Path

import bardling
from bardling.data.corpora import load_corpus

STEPS = 500


def read(words: list[str]) -> list[dict]:
    """Return the candidates that the command line names."""
    candidates: list[dict] = [{}]
    for word in words:
        if word == "--":
            candidates.append({})
        else:
            name, _, value = word.partition("=")
            candidates[-1][name] = json.loads(value)
    return candidates


def main() -> None:
    """Train every candidate and print its loss."""
    text = load_corpus("shakespeare").documents[0]
    for candidate in read(sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            corpus = Path(folder) / "train-only.txt"
            corpus.write_bytes(text[: int(0.9 * len(text))].encode())
            run = bardling.train(
                corpus, budget=f"{STEPS}steps", runs_dir=folder, sample_tokens=0, **candidate
            )
            loss = run.folder.result()["last"]["val_loss"]
            print(json.dumps({**candidate, "steps": STEPS, "loss": round(loss, 4)}), flush=True)


if __name__ == "__main__":
    main()
