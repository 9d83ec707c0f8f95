"""What a server writes with its caches is what reading everything anew for each token writes."""

import pytest
import torch
from promises import Protection

from bardling.generation.decode import context_start
from servers import random_run, serving

CONTEXT = 32
LENGTHS = (1, CONTEXT - 1, CONTEXT, CONTEXT + 20)
LARGEST = 1e-4
"""Difference of ln p; those of logits are in test_row_12_cache.py."""

PROTECTIONS = (
    Protection(
        file="serving/writing.py",
        line="self._start, self._n_read = start, 0",
        broken="self._start = start",
        test="test_a_served_text_is_that_of_reading_anew[llama-8]",
    ),
)


@torch.no_grad()
@pytest.mark.parametrize("n_tokens", [8, pytest.param(256, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_served_text_is_that_of_reading_anew(tmp_path, name, n_tokens, record_property):
    run = random_run(tmp_path, name=name, tokenizer="endless", block_size=CONTEXT)
    generator = torch.Generator().manual_seed(1)
    prompts = [
        torch.randint(run.tokenizer.vocab_size, (length,), generator=generator).tolist()
        for length in LENGTHS
        for _ in range(5)
    ]
    n_here = max(n_tokens, CONTEXT + 4)
    with serving(run, runs_dir=tmp_path, slots=5, queue=100) as place:
        wishes = {"max_tokens": n_here, "temperature": 0, "logprobs": 0}
        choices = place.complete(prompt=prompts, **wishes).json["choices"]
    largest = 0.0
    for prompt, choice in zip(prompts, choices, strict=True):
        told, ids = choice["logprobs"], prompt[-CONTEXT:]
        for number, nats in zip(told["token_ids"], told["token_logprobs"], strict=True):
            start = context_start(len(ids), CONTEXT)
            expected = run.model(torch.tensor([ids[start:]]))[0, -1].double().log_softmax(-1)
            assert int(expected.argmax()) == number
            largest = max(largest, abs(float(expected[number]) - nats))
            ids.append(number)
    assert largest <= LARGEST
    record_property(
        "measured", f"served, {name}: 20 of 20 texts of {n_here} tokens equal, ln p {largest:.0e}"
    )
