"""Guessing ahead: several tokens drafted by what was written before, checked in one reading.

A large model waits for memory: reading its weights for eight tokens takes hardly longer than for
one. So the words that followed the last time that the newest few tokens stood here are taken for a
draft, and the model reads them all at once. What it would have chosen after each is compared with
the draft; up to the first difference the draft is kept.

The text is the one that would have been written anyway, token for token, not only in distribution:
a choice depends on the logits before it and on the number drawn for its place, and both are what
they would be, the logits but for the order in which several rows are summed (Leviathan et al. 2023
have the general case; drafting by lookup: Saxena 2023).
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from bardling.generation.decode import cache_room, context_start, finite, read_on
from bardling.generation.sampling import Greedy, Sample
from bardling.kernels.decoder import Decoder
from bardling.machine.randomness import stream
from bardling.model.cache import KVCache
from bardling.model.gpt import GPT

LONGEST_MATCH, SHORTEST_MATCH = 6, 2


def draft(written: Sequence[int], most: int) -> list[int]:
    """Return what followed the last tokens the time before, at most so many; longer matches win."""
    found, longest = 0, SHORTEST_MATCH - 1
    for end in range(len(written) - 1, SHORTEST_MATCH - 1, -1):  # of equal matches the newest wins
        length, most_here = 0, min(end, LONGEST_MATCH)
        while length < most_here and written[end - 1 - length] == written[-1 - length]:
            length += 1
        if length > longest:
            found, longest = end, length
        if length == LONGEST_MATCH:
            break
    return list(written[found : found + most]) if found else []


@torch.no_grad()
def decode_ahead(
    model: GPT,
    decoder: Decoder,
    ids: Int64[Tensor, "1 time"],
    strategy: Greedy | Sample,
    *,
    max_new_tokens: int,
    seed: int,
    n_draft: int,
) -> Iterator[Int64[Tensor, " 1"]]:
    """Yield what `decode` yields for one sequence, reading up to `n_draft` guesses at once."""
    random, written = stream(seed, "sampling"), ids[0].tolist()
    room = cache_room(model, ids, max_new_tokens)
    cache = KVCache(model.config, 1, like=model.embedding.weight, room=room)
    block, start, left = model.config.block_size, 0, max_new_tokens
    while left:
        if (begin := context_start(len(written), block)) != start:
            cache.clear()
            start = begin
        unread = torch.tensor([written[start + cache.length :]])
        most = min(n_draft, left - 1, block - (len(written) - start))
        if unread.shape[1] == 1 and most > 0 and (guesses := draft(written[start:], most)):
            logits = decoder.read(torch.tensor([[written[-1], *guesses]]), cache)[0]
        else:
            guesses, logits = [], read_on(model, decoder, cache, unread)
        for row, guess in zip(logits, [*guesses, None], strict=True):
            draw = torch.tensor([random.random()], dtype=torch.float64)
            token = strategy.pick(finite(row[None]), draw)
            written.append(int(token))
            left -= 1
            yield token
            if guess != written[-1]:
                break
        cache.length = len(written) - 1 - start  # what was guessed wrong is written over
