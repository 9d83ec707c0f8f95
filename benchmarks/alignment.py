"""What alignment gains and what it costs, on pairs whose truth the parser of the stories knows.

    bardling train stories --budget 20m --name tales
    python benchmarks/alignment.py tales [--pairs 8000] [--seed 0] [--runs-dir FOLDER] [OPTIONS]

Pairs of endings are made, what lengths and words alone tell of them is measured, and the run is
aligned to them twice: whole, and by adapters. Further options are those of `bardling align`.
A line of JSON for each: on held-out pairs, the share told right and the share whose chosen ending
is the likelier one, before (on a part of them) and after; on the validation text of the run, the
loss before and after.
"""

import json
import re
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

import numpy as np
from measured_on import describe_machine

from bardling.cli import main as bardling
from bardling.data.stories.preferences import Endings, endings
from bardling.run_folder import RunFolder, runs_folder

ADAPTERS = ("whole", "lora")
PASSES, RATE = 20, 0.5


def words_of(text: str) -> Counter[str]:
    """Return how often each word and each mark stands in a text."""
    return Counter(re.findall(r"[\w'-]+|[^\w\s]", text))


def told_by_words(pairs: list[Endings], *, seen: bool) -> float:
    """Return the share of the last fifth of pairs that a logistic regression on words tells right.

    It learns from the others by the difference of both endings' counts of words. With `seen`, it
    also counts the words of an ending that its beginning has.
    """
    table: dict[str, int] = {}
    rows = []
    for pair in pairs:
        known = words_of(pair.prompt)
        row: Counter[int] = Counter()
        for text, sign in ((pair.chosen, 1), (pair.rejected, -1)):
            for word, count in words_of(text).items():
                row[table.setdefault(word, len(table) + 1)] += sign * count
                row[0] += sign * (seen and word in known)
        rows.append({place: value for place, value in row.items() if value})
    border = len(rows) * 4 // 5
    weights = np.zeros(len(table) + 1)
    random = np.random.default_rng(0)
    for _ in range(PASSES):
        for number in random.permutation(border):
            row = rows[number]
            score = sum(weights[place] * value for place, value in row.items())
            step = RATE / (1.0 + np.exp(min(score, 30.0)))
            for place, value in row.items():
                weights[place] += step * value / max(1, len(row))
    scores = [sum(weights[p] * v for p, v in row.items()) for row in rows[border:]]
    return float(np.mean([0.5 if s == 0 else float(s > 0) for s in scores]))


def told_by_length(pairs: list[Endings]) -> float:
    """Return the share told right by taking the shorter or the longer one, whichever does better.

    Which it is, is chosen on the very same pairs.
    """
    signs = [np.sign(len(pair.chosen) - len(pair.rejected)) for pair in pairs]
    right = float(np.mean([0.5 + 0.5 * sign for sign in signs]))
    return max(right, 1 - right)


def main() -> int:
    """Make pairs, look at what gives them away, align, and print what became of it."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--pairs", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs-dir", type=Path)
    arguments, options = parser.parse_known_args()
    folder = runs_folder(arguments.runs_dir)
    print(json.dumps(describe_machine()), flush=True)
    pairs = list(endings(arguments.seed, arguments.pairs))
    rules = Counter(pair.rule.partition("[")[0] for pair in pairs)
    given_away = {
        "pairs": len(pairs),
        "told_by_length": round(told_by_length(pairs), 4),
        "told_by_words": round(told_by_words(pairs, seen=False), 4),
        "told_by_words_of_the_beginning": round(told_by_words(pairs, seen=True), 4),
        "rules": dict(rules.most_common()),
    }
    print(json.dumps(given_away), flush=True)
    base = Path(arguments.run).name
    path = folder / f"{base}-pairs-{arguments.pairs}-{arguments.seed}.jsonl"
    words = ["--pairs", str(arguments.pairs), "--seed", str(arguments.seed)]
    bardling(["data", "preferences", str(path), *words])
    for adapter in ADAPTERS:
        name = f"{base}-{adapter}-aligned"
        places = ["--name", name, "--runs-dir", str(folder), "--adapter", adapter]
        if code := bardling(["align", arguments.run, str(path), *places, *options]):
            return code
        print(json.dumps(outcome(RunFolder(folder / name), adapter)), flush=True)
    return 0


def outcome(run: RunFolder, adapter: str) -> dict[str, object]:
    """Return what the log and the result of a run say."""
    first = next(record for record in run.metrics() if "val_accuracy" in record)
    result = run.result() or {}
    last, forgetting = result["last"], result["forgetting"]
    return {
        "adapter": adapter,
        "steps": last["step"],
        "accuracy": [first["val_accuracy"], last["val_accuracy"]],
        "preferred": [first["val_preferred"], last["val_preferred"]],
        "margin": last["val_margin"],
        "loss": last["val_loss"],
        "text_loss": [forgetting["before"], forgetting["after"]],
        "text_lost": forgetting["after"] - forgetting["before"],
    }


if __name__ == "__main__":
    sys.exit(main())
