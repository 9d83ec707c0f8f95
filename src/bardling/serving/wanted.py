"""What a request of either kind wants, in the engine's words, and back."""

import secrets

from bardling.generation.sampling import Greedy, Sample
from bardling.generation.text import Prompt
from bardling.serving.asking import Ask, End
from bardling.serving.schemas import Wishes


def seed_of(wishes: Wishes) -> int:
    """Return what the first text of each prompt is drawn by; the next ones count on from it."""
    return secrets.randbits(64) if wishes.seed is None else wishes.seed


def strategy_of(wishes: Wishes) -> Greedy | Sample:
    """Return how tokens are chosen; OpenAI's temperature is 1 where none is said."""
    temperature = 1.0 if wishes.temperature is None else wishes.temperature
    if temperature == 0.0:
        return Greedy()
    top_p = 1.0 if wishes.top_p is None else wishes.top_p
    return Sample(temperature=float(temperature), top_k=wishes.top_k or 0, top_p=float(top_p))


def asks_for(
    prompt: Prompt,
    wishes: Wishes,
    *,
    count: int,
    seed: int,
    most: int,
    n_top: int | None,
    of_prompt: bool = False,
) -> list[Ask]:
    """Return what to ask for `count` texts of up to `most` tokens after a prompt; see `Ask`."""
    strategy = strategy_of(wishes)
    return [
        Ask(
            ids=tuple(prompt.ids),
            strategy=strategy,
            max_new_tokens=most,
            seed=(seed + number) % 2**64,
            stop=wishes.stop,
            ends=prompt.ends,
            n_top=n_top,
            of_prompt=of_prompt,
        )
        for number in range(count)
    ]


def finish_reason(end: End | None) -> str | None:
    """Return why a text ended, in OpenAI's words; None while it has not."""
    return None if end is None else end.reason
