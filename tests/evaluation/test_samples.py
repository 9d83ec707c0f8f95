"""Samples at each validation: from nothing, always the same draws, laid out to be read."""

import pytest
import torch

from bardling.evaluation.samples import sample_text, samples_page
from bardling.generation.sampling import Sample
from bardling.generation.text import generate_texts, read_prompt
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.text.characters import CharacterTokenizer

TOKENIZER = CharacterTokenizer(characters="\n abc")
CONFIG = ModelConfig(vocab_size=5, block_size=8, n_layer=1, n_head=1, n_embd=8)


@pytest.fixture
def model() -> GPT:
    return GPT(CONFIG, seed=1)


def test_a_sample_is_what_generation_gives_from_nothing(model):
    [expected] = generate_texts(
        model, TOKENIZER, read_prompt("", TOKENIZER, 8), Sample(temperature=0.8),
        max_new_tokens=12, seed=3,
    )  # fmt: skip
    first, again, other = (sample_text(model, TOKENIZER, n_tokens=12, seed=s) for s in (3, 3, 4))
    assert first == again == expected and len(first) == 12
    assert other != first
    assert sample_text(model, TOKENIZER, n_tokens=0, seed=3) == ""


def test_a_model_that_cannot_write_says_why(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    sample = sample_text(model, TOKENIZER, n_tokens=3, seed=0)
    assert sample.startswith("(no sample: ") and sample.endswith(")")


def test_the_page():
    records = [
        {"step": 0, "val_loss": 3.21987, "sample": "a\n\nb # c"},
        {"step": 5, "loss": 2.0},
        {"step": 10, "val_loss": None, "sample": ""},
        {"step": 20, "val_loss": 1.0, "sample": "[red]*x*[/]"},
    ]
    assert samples_page("demo", records) == (
        "# Samples of demo\n\n"
        "## Step 0, validation loss 3.2199\n\n"
        "    a\n    \n    b # c\n\n"
        "## Step 10, validation loss not finite\n\n\n"
        "## Step 20, validation loss 1.0000\n\n"
        "    [red]*x*[/]\n"
    )
    assert samples_page("demo", []) == "# Samples of demo\n"
