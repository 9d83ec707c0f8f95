"""Where a model of the stories loses more than it has to: in repeating, in choosing, or elsewhere.

    python benchmarks/excess.py RUN [N=300]

Takes N validation stories apart into words that are chosen, words that repeat what was chosen
before, pronouns, and the fixed text between them, and sums for each the model's nats and those of
the language. A token counts where its first letter stands.
"""

import json
import re
import sys
from collections import defaultdict

import torch
from measured_on import describe_machine
from torch.nn import functional as F

import bardling
from bardling.data.stories.grammar import grammar
from bardling.data.stories.telling import Story, nats_of, tell
from bardling.data.stories.walk import walk

PRONOUNS = {"he", "she", "him", "her", "his", "hers", "himself", "herself"}


def parts_of(story: Story) -> list[tuple[str, str, float]]:
    """Return the story in stretches: text, kind, and the nats of the choices made there."""
    left = iter(story.choices)
    known: set[str] = set()
    parts: list[tuple[str, str, float]] = []
    due, is_word = 0.0, False

    def pick(site, form, memory):
        nonlocal due, is_word
        option = next(left)
        due += nats_of([option])
        is_word = bool(option.forms)
        known.update(option.forms or ())
        return option

    def say(text):
        nonlocal due, is_word
        if is_word:
            pieces = [(text, "chosen words")]
        else:
            words = "|".join(map(re.escape, sorted(known - {""}, key=len, reverse=True)))
            cut = re.split(rf"(?<!\w)({words})(?!\w)", text) if words else [text]
            pieces = [(piece, _kind(piece, number)) for number, piece in enumerate(cut)]
        for piece, kind in pieces:
            if piece:
                parts.append((piece, kind, due))
                due = 0.0
        is_word = False

    walk(grammar(), pick, say)
    return parts


def _kind(piece: str, number: int) -> str:
    if number % 2 == 0:
        return "fixed text and sentences"
    return "pronouns" if piece.lower() in PRONOUNS else "words that are repeated"


def main() -> None:
    """Measure and print a table."""
    run = bardling.load(sys.argv[1])
    n_stories = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    end = run.tokenizer.end_token
    sums = defaultdict(lambda: [0, 0.0, 0.0])
    for number in range(n_stories):
        story = tell(0, number, split="val")
        parts = parts_of(story)
        ids = run.tokenizer.encode(story.text)
        with torch.no_grad():
            logits = run.model(torch.tensor([[end, *ids]]))[0]
        nats = F.cross_entropy(logits, torch.tensor([*ids, end]), reduction="none").tolist()
        owner = [place for place, (text, _, _) in enumerate(parts) for _ in text]
        for _, kind, due in parts:
            sums[kind][0] += 1
            sums[kind][2] += due
        start = 0
        for token, lost in zip(ids, nats, strict=False):
            text = run.tokenizer.decode([token])
            first = start + len(text) - len(text.lstrip(" "))
            sums[parts[owner[min(first, start + len(text) - 1)]][1]][1] += lost
            start += len(text)
    print(json.dumps(describe_machine()))
    print(f"{sys.argv[1]}, {n_stories} validation stories; of a story, on average:")
    for kind, (count, lost, due) in sorted(sums.items(), key=lambda item: item[1][2] - item[1][1]):
        print(
            f"  {kind:<26} {count / n_stories:5.1f}  model {lost / n_stories:7.2f} nats, language "
            f"{due / n_stories:7.2f}, more than needed {(lost - due) / n_stories:6.2f}"
        )


if __name__ == "__main__":
    main()
