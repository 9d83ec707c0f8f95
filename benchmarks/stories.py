"""Everything that is claimed of the stories, measured by one command.

    python benchmarks/stories.py            # about four minutes on one core
    python benchmarks/stories.py --quick    # a tenth of everything, to see that it works

Prints each criterion of the design beside what was found. One thread is enough; speed is that of
one core.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it

import random
import re
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from measured_on import describe_machine

from bardling.data.encoding import encode_stream
from bardling.data.stories.corpus import stories
from bardling.data.stories.foretelling import END, next_characters
from bardling.data.stories.grammar import grammar
from bardling.data.stories.listening import listen
from bardling.data.stories.proof import prove
from bardling.data.stories.telling import Story, retell, tell
from bardling.data.stories.truth import analogies, nouns
from bardling.evaluation.analogies import counted_vectors, solved
from bardling.model.baselines import fit_kneser_ney
from bardling.text.characters import CharacterTokenizer

SHARE = 10 if "--quick" in sys.argv else 1
BEGINNINGS = (
    "",
    "Once upon a time",
    "Long ago there was a little",
    "Long ago there was a little kitten called ",
)


def say(what: str, wanted: str, found: str) -> None:
    """Print one line: a criterion, what is wanted, what was found."""
    print(f"{what:44}{wanted:18}{found}", flush=True)


def richness(told: list[Story]) -> None:
    """Floor, lengths, skeletons, word forms, and how far apart things that belong together are."""
    characters = sum(len(story.text) for story in told)
    nats = [story.nats for story in told]
    lengths = np.array([len(story.text) for story in told])
    words = {word for s in told for word in re.findall(r"[a-z][a-z'-]*", s.text.lower())}
    sentences = [len(re.findall(r"[.!?]\"?(?: |$)", story.text)) for story in told]
    say("floor, nats per character", "0.30 to 0.50", f"{sum(nats) / characters:.4f}")
    say(
        "floor, nats per story",
        ">= 80",
        f"mean {np.mean(nats):.1f}, least {min(nats):.1f}, most {max(nats):.1f}",
    )
    say(
        "characters per story",
        "",
        f"mean {lengths.mean():.0f}, {lengths.min()} to {lengths.max()}",
    )
    say("full stops, in speech too, per story", "4 to 12", f"mean {np.mean(sentences):.1f}, "
        f"{min(sentences)} to {max(sentences)}")  # fmt: skip
    say(f"skeletons in {len(told):,} stories", ">= 1,000", f"{len({s.skeleton for s in told}):,}")
    say(f"word forms in {len(told):,} stories", ">= 2,500", f"{len(words):,}")
    plots = len({o.parts[-1].site.split(".")[0] for o in grammar().sites["plot"].options})
    say("plots", ">= 12", str(plots))
    apart = list(filter(None, map(_distance, told)))
    say(
        "characters from a loss to its end",
        "200 to 800",
        f"mean {np.mean(apart):.0f}, 5 % to 95 %: "
        f"{np.percentile(apart, 5):.0f} to {np.percentile(apart, 95):.0f}",
    )


def _distance(story: Story) -> int | None:
    lost = re.search(r" lost (?:her|his) ([^.]+)\.", story.text)
    if lost is None:
        return None
    last = story.text.rfind(lost[1].split()[-1])
    return last - lost.start(1) if last > lost.end() else None


def counting(told: list[Story]) -> None:
    """The gap between n-gram models and the floor."""
    train = [tell(0, number).text for number in range(20_000 // SHARE)]
    tokenizer = CharacterTokenizer.train([*train, *(s.text for s in told)], end_token=True)
    tokens, val = (
        np.concatenate([*encode_stream(texts, tokenizer)])
        for texts in (train, [s.text for s in told])
    )
    floor = sum(story.nats for story in told) / len(val)
    for order in (2, 3, 5, 7, 9):
        model = fit_kneser_ney(
            tokens, order=order, vocab_size=tokenizer.vocab_size, end_token=tokenizer.end_token
        )
        loss = model.nats(val).mean()
        wanted = ">= 0.15 above" if order == 7 else ""
        say(
            f"Kneser-Ney of order {order}",
            wanted,
            f"{loss:.4f} = floor {floor:.4f} + {loss - floor:.4f}",
        )


def parsing() -> None:
    """Every story is read as it was told; changed ones are refused or are other stories."""
    n_stories, n_mutations = 100_000 // SHARE, 10_000 // SHARE
    wrong, short, long = 0, [0.0, 0], [0.0, 0]
    for number in range(n_stories):
        story = tell(1, number)
        began = time.perf_counter()
        reading = listen(story.text)
        spent = time.perf_counter() - began
        bucket = short if len(story.text) < 600 else long
        bucket[0] += spent
        bucket[1] += len(story.text)
        wrong += reading.choices != story.choices
    say(f"{n_stories:,} stories parsed", "choices as told", f"{n_stories - wrong:,} as told")
    say(
        "parsing, ns per character, short and long",
        "linear",
        " and ".join(f"{1e9 * seconds / count:.0f}" for seconds, count in (short, long)),
    )
    rng, refused, other, bad = random.Random(0), 0, 0, 0
    for number in range(n_mutations):
        text = mutated(tell(2, number).text, rng)
        reading = listen(text)
        refused += not reading.is_story
        other += reading.is_story
        bad += reading.is_story and retell(reading.choices) != text
    say(
        f"{n_mutations:,} changed stories",
        "none read wrongly",
        f"{refused:,} refused, {other:,} are other stories, {bad} read wrongly",
    )


def mutated(text: str, rng: random.Random) -> str:
    """Return a text with a character, a word or a half changed."""
    words, at = text.split(" "), rng.randrange(len(text))
    i, j = rng.randrange(len(words)), rng.randrange(len(words))
    stranger = tell(3, rng.randrange(10_000)).text
    match rng.randrange(6):
        case 0:
            return text[:at] + rng.choice("abcdefgh ,.") + text[at + 1 :]
        case 1:
            return text[:at] + text[at + 1 :]
        case 2:
            words[i], words[j] = words[j], words[i]
        case 3:
            del words[i]
        case 4:
            words[i] = rng.choice(stranger.split(" "))
        case _:
            return text[:at] + stranger[at:]
    return " ".join(words)


def speed() -> None:
    """Megabytes of text a second on one core, the best of three."""
    count, best = 10_000 // SHARE, 0.0
    for seed in range(3):
        began = time.perf_counter()
        size = sum(map(len, stories(seed, count)))
        best = max(best, size / 1e6 / (time.perf_counter() - began))
    say("telling, MB/s on one core", ">= 5", f"{best:.1f}")


def truth(told: Callable[[], Iterator[str]]) -> None:
    """Analogies solved by counting which words stand together."""
    began = time.perf_counter()
    vectors = counted_vectors(told(), [noun.text for noun in nouns()])
    right = total = 0
    for respect in ("gender", "age"):
        good, count = solved(vectors, analogies(respect))
        say(f"analogies of {respect}, by factorisation", "", f"{good} of {count}")
        right, total = right + good, total + count
    seconds = time.perf_counter() - began
    say("analogies, by factorisation", ">= 95 %", f"{right / total:.1%} ({seconds:.0f} s)")


def foretold() -> None:
    """The exact probabilities of the next character after a few beginnings."""
    print("\nnext characters, exactly:")
    for beginning in BEGINNINGS:
        found = sorted(next_characters(beginning).items(), key=lambda item: -item[1])[:6]
        shown = ", ".join(f"{'end' if c == END else repr(c)} {p:.4f}" for c, p in found)
        print(f"  {beginning!r:46} {shown}")


def main() -> None:
    """Measure everything."""
    print(f"# python benchmarks/stories.py; {describe_machine()}")
    told = [tell(0, number, split="val") for number in range(10_000 // SHARE)]
    proof = prove(grammar())
    say("sites, pairs of options told apart", "", f"{proof.sites} sites, {proof.pairs:,} pairs")
    say("faults in the proof of unambiguity", "none", f"{len(proof.faults)}")
    richness(told)
    counting(told[: 1000 // SHARE])
    parsing()
    speed()
    truth(lambda: (tell(0, number).text for number in range(40_000 // SHARE)))
    foretold()


if __name__ == "__main__":
    main()
