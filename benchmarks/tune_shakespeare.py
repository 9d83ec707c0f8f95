"""Choose settings of the shakespeare preset without ever looking at its validation text.

    python benchmarks/tune_shakespeare.py [lr=2e-3 tie_embeddings=false ...] [-- next candidate ...]

The corpus is the training part alone (the first 90 % of Tiny Shakespeare, from BARDLING_DATA or
the cache), split once more: the last tenth of it is what candidates are compared on. Candidates
are separated by `--`; each prints its loss on that tenth after 500 steps, or after its own
`budget="60s"`.
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
            settings = {"budget": f"{STEPS}steps", "sample_tokens": 0, **candidate}
            run = bardling.train(corpus, runs_dir=folder, **settings)
            last = run.folder.result()["last"]
            tokens = run.folder.result()["tokens"]
            print(
                json.dumps(
                    {**candidate, **last, "val_loss": round(last["val_loss"], 4), "tokens": tokens}
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
