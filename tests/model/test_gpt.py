"""The whole model: what goes in, what comes out, and that every combination of switches works."""

import pytest
import torch

from bardling.errors import ConfigError, GenerationError
from bardling.model.cache import KVCache
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from covers import pairwise

SMALL = {"vocab_size": 11, "n_layer": 2, "n_head": 2, "n_embd": 12, "block_size": 8}


def _model(**switches) -> GPT:
    return GPT(ModelConfig(**SMALL | {"init": "plain"} | switches))


def _ids(batch: int = 2, time: int = 8) -> torch.Tensor:
    return torch.randint(11, (batch, time), generator=torch.Generator().manual_seed(5))


def test_logits_for_every_position() -> None:
    model, ids = _model(), _ids()
    logits = model(ids)
    assert logits.shape == (2, 8, 11)
    assert torch.equal(logits, model.output(model.hidden(ids)))


def test_the_mode_of_the_module_changes_nothing() -> None:
    model, ids = _model(dropout=0.5), _ids()
    assert torch.equal(model.train()(ids), model.eval()(ids))


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("residual", [True, False])
def test_autocast_is_close_and_raises_no_warning(norm, residual) -> None:
    model, ids = _model(norm=norm, residual=residual, tie_embeddings=False), _ids()
    with torch.autocast("cpu", torch.bfloat16):
        half = model(ids)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), model(ids), atol=0.1, rtol=0)


def test_an_open_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match="vocab_size is 0"):
        GPT(ModelConfig())


@pytest.mark.parametrize("block_size", [1, 8])
@pytest.mark.parametrize(
    "position", ["none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"]
)
@pytest.mark.parametrize("attention", ["none", "uniform", "causal"])
def test_a_text_longer_than_the_context_is_refused(attention, position, block_size) -> None:
    model = _model(attention=attention, position=position, block_size=block_size)
    assert model(_ids(time=block_size)).isfinite().all()
    with pytest.raises(GenerationError) as refusal:
        model(_ids(time=block_size + 1))
    for part in (f"holds {block_size} tokens", f"{block_size + 1} were asked", "shorten"):
        assert part in str(refusal.value)


@pytest.mark.parametrize("attention", ["none", "uniform", "causal"])
def test_a_full_cache_is_refused(attention) -> None:
    model = _model(attention=attention)
    cache = KVCache(model.config, 2, like=model.embedding.weight)
    with torch.no_grad():
        model(_ids(time=7), cache=cache)
        with pytest.raises(GenerationError, match="holds 8 tokens, and 9 were asked"):
            model(_ids(time=2), cache=cache)
        assert cache.length == 7
        model(_ids(time=1), cache=cache)


def test_tied_means_one_matrix() -> None:
    tied, untied = _model(tie_embeddings=True), _model(tie_embeddings=False)
    assert tied.output.weight is tied.embedding.weight
    assert untied.output.weight is not untied.embedding.weight
    tied(_ids())[0, 0, 0].backward()
    assert tied.embedding.weight.grad[0].any()  # as the output layer's row, whatever the ids


def test_without_blocks_it_is_a_bigram_table() -> None:
    model, ids = _model(n_layer=0, position="none", final_norm=False), _ids()
    table = model.embedding.weight @ model.output.weight.T
    torch.testing.assert_close(model(ids), table[ids])


def test_only_parameters_are_saved() -> None:
    model = _model(position="rotary", tie_embeddings=False)
    assert list(model.state_dict()) == [name for name, _ in model.named_parameters()]
    other = GPT(model.config, seed=1)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(_ids()), model(_ids()))


def test_a_row_does_not_see_the_others() -> None:
    model, ids = _model().double(), _ids(batch=3)
    alone = torch.cat([model(row[None]) for row in ids])
    torch.testing.assert_close(model(ids), alone, atol=1e-12, rtol=0)


def test_every_pair_of_switches_runs_and_learns() -> None:
    switches = {
        "n_kv_head": (None, 1),
        "head_dim": (None, 8),
        "position": ("none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"),
        "norm": ("none", "layernorm", "rmsnorm"),
        "norm_place": ("before", "after"),
        "final_norm": (True, False),
        "residual": (True, False),
        "attention": ("none", "uniform", "window", "causal", "unmasked"),
        "attention_output": (True, False),
        "attention_scale": (True, False),
        "qk_norm": (True, False),
        "feedforward": ("none", "relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swiglu"),
        "qkv_bias": (True, False),
        "bias": (True, False),
        "output_bias": (True, False),
        "tie_embeddings": (True, False),
    }
    for choice in pairwise(switches, _valid):
        model = _model(**choice)
        logits = model(_ids())
        logits.logsumexp(-1).sum().backward()
        assert logits.isfinite().all(), choice
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, (name, choice)
            assert parameter.grad.isfinite().all(), (name, choice)


def _valid(choice) -> bool:
    try:
        ModelConfig(**SMALL | choice)
    except ConfigError:
        return False
    return True
