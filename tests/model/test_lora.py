"""Adapters: the model they begin as, the model they become, and how many numbers they have."""

import math

import pytest
import torch

from bardling.errors import ConfigError
from bardling.kernels.fused import FusedGPT, fusable
from bardling.kernels.library import load_library
from bardling.model.config import ModelConfig
from bardling.model.dropout import Noise
from bardling.model.families import classic
from bardling.model.gpt import GPT
from bardling.model.lora import LoRALinear, count_adapters, unwrap, wrap
from bardling.model.lora_config import TARGETS, LoRA, Whole, adapter_parameters
from families import FAMILIES, family, randomised

IDS = torch.randint(29, (3, 16), generator=torch.Generator().manual_seed(1))


def adapted(config: ModelConfig, adapter: LoRA, seed: int = 3) -> GPT:
    """Return a wrapped model whose adapters say something."""
    model = wrap(randomised(config), adapter, seed=seed)
    random = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(std=0.1, generator=random)
    return model


def test_gpt2_with_rank_8_on_c_attn_trains_294_912_numbers():
    adapter = LoRA(rank=8, alpha=32.0, targets=("c_attn",))
    sizes = {"vocab_size": 50257, "block_size": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768}
    assert adapter_parameters(classic(**sizes), adapter) == 294_912
    with torch.device("meta"):
        model = wrap(GPT(classic(**sizes)), adapter)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == count_adapters(model) == 294_912


@pytest.mark.parametrize("name", FAMILIES)
def test_a_wrapped_model_begins_as_the_one_it_was_and_keeps_its_names(name):
    model = randomised(family(name))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    logits = model(IDS)
    wrap(model, LoRA(rank=4))
    assert torch.equal(model(IDS), logits)
    after = dict(model.named_parameters())
    assert all(torch.equal(after[n], tensor) for n, tensor in before.items())
    frozen = {n for n, p in after.items() if not p.requires_grad}
    assert frozen == before.keys()
    assert {n.rpartition(".")[2] for n in after.keys() - frozen} == {"lora_a", "lora_b"}


@pytest.mark.parametrize("targets", [("query", "key", "value", "output"), ("c_attn", "c_proj"),
                                     ("gate", "up", "down"), ("q_proj", "o_proj")])  # fmt: skip
@pytest.mark.parametrize("name", FAMILIES)
def test_merged_is_wrapped_and_knows_nothing_of_adapters(name, targets):
    if name == "gpt2":
        targets = tuple(target for target in targets if target != "gate")
    adapter = LoRA(rank=3, alpha=5.0, targets=targets)
    model = adapted(family(name), adapter)
    assert count_adapters(model) == adapter_parameters(model.config, adapter)
    wrapped = model(IDS)
    by_hand = {
        f"{name}.weight": layer.weight + 5.0 / 3 * layer.lora_b @ layer.lora_a
        for name, layer in model.named_modules()
        if isinstance(layer, LoRALinear)
    }
    unwrap(model)
    plain = dict(model.named_parameters())
    assert plain.keys() == dict(GPT(model.config).named_parameters()).keys()
    assert all(p.requires_grad for p in plain.values())
    assert by_hand and all(torch.allclose(plain[n], w, atol=1e-7) for n, w in by_hand.items())
    assert not any(block._forward_pre_hooks for block in model.blocks)
    assert (model(IDS) - wrapped).abs().max() <= 1e-5 * wrapped.abs().max()
    assert not torch.allclose(wrapped, randomised(family(name))(IDS), atol=1e-2)


def test_merged_is_wrapped_within_a_millionth_where_weights_are_of_a_trained_size():
    model = GPT(family("qwen3"), seed=1)
    wrap(model, LoRA(rank=4))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(std=0.02)
    wrapped = model(IDS)
    assert (unwrap(model)(IDS) - wrapped).abs().max() <= 1e-6


def test_the_joined_layer_has_one_a():
    model = wrap(randomised(family("gpt2")), LoRA(targets=("c_attn",)))
    attention = model.blocks[0].get_submodule("sublayers.attention.transform")
    layers = [attention.get_submodule(n) for n in ("pattern.query", "pattern.key", "value")]
    assert len({id(layer.get_parameter("lora_a")) for layer in layers}) == 1
    assert len({id(layer.get_parameter("lora_b")) for layer in layers}) == 3


def test_first_numbers_depend_on_seed_and_name_alone():
    one, two, other = (wrap(GPT(family("llama")), LoRA(), seed=s) for s in (1, 1, 2))
    few = wrap(GPT(family("llama")), LoRA(targets=("value",)), seed=1)
    name = "blocks.1.sublayers.attention.transform.value.lora_a"
    assert torch.equal(one.get_parameter(name), two.get_parameter(name))
    assert torch.equal(one.get_parameter(name), few.get_parameter(name))
    assert not torch.equal(one.get_parameter(name), other.get_parameter(name))
    assert one.get_parameter(name).abs().max() <= 1 / math.sqrt(24)


def test_dropout_is_a_function_of_the_rows_and_falls_in_training_only():
    model = adapted(family("llama"), LoRA(lora_dropout=0.5))
    noise = Noise(torch.tensor([4, 5, 6], dtype=torch.int32))
    quiet, first, again = model(IDS), model(IDS, noise=noise), model(IDS, noise=noise)
    assert torch.equal(first, again) and not torch.allclose(first, quiet, atol=1e-3)
    alone = model(IDS[1:2], noise=Noise(torch.tensor([5], dtype=torch.int32)))
    torch.testing.assert_close(alone, first[1:2])
    assert torch.equal(model(IDS), quiet)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_kernels_read_adapters_and_give_them_gradients(name):
    config = family(name)
    assert fusable(config)
    plain, fused = (adapted(config, LoRA(rank=4)) for _ in range(2))
    targets = IDS.roll(-1, dims=1)
    loss = torch.nn.functional.cross_entropy(
        plain(IDS).flatten(0, 1), targets.flatten(), reduction="sum"
    )
    loss.backward()
    reader = FusedGPT(fused, load_library("training"), torch.float32)
    theirs = reader.summed_loss(IDS, targets)
    theirs.backward()
    torch.testing.assert_close(theirs, loss, rtol=1e-5, atol=1e-4)
    for (name, ours), other in zip(plain.named_parameters(), fused.parameters(), strict=True):
        assert (ours.grad is None) == (other.grad is None) == (not ours.requires_grad), name
        if ours.grad is not None:
            torch.testing.assert_close(other.grad, ours.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_embedding_and_output_layer_are_trained_whole_where_that_is_asked_for(name, tied):
    config = family(name, tie_embeddings=tied)
    plain, fused = (adapted(config, LoRA(rank=4, embeddings=True)) for _ in range(2))
    trained = {n for n, p in plain.named_parameters() if p.requires_grad}
    tables = {n for n in trained if not n.endswith(("lora_a", "lora_b"))}
    assert tables == {"embedding.weight"} | (set() if tied else {"output.weight"})
    targets = IDS.roll(-1, dims=1)
    torch.nn.functional.cross_entropy(
        plain(IDS).flatten(0, 1), targets.flatten(), reduction="sum"
    ).backward()
    FusedGPT(fused, load_library("training"), torch.float32).summed_loss(IDS, targets).backward()
    for table in tables:
        expected = plain.get_parameter(table).grad
        assert expected.abs().max() > 0
        torch.testing.assert_close(fused.get_parameter(table).grad, expected, rtol=1e-3, atol=1e-4)


def test_whole_leaves_a_model_alone():
    model = randomised(family("gpt2"))
    assert wrap(model, Whole()) is model
    assert all(p.requires_grad for p in model.parameters())
    assert adapter_parameters(model.config, Whole()) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank of an adapter is 0"),
        ({"alpha": 0.0}, "alpha"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
        ({"targets": ("querry",)}, "did you mean 'query'"),
        ({"targets": ()}, "each once"),
        ({"targets": ("query", "c_attn")}, "each once"),
    ],
)
def test_adapters_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        LoRA(**settings)


def test_a_model_without_the_layers_is_refused():
    with pytest.raises(ConfigError, match="no layer among gate"):
        wrap(GPT(family("gpt2")), LoRA(targets=("gate",)))


def test_every_target_is_named_by_its_layers():
    known = {"query", "key", "value", "output", "gate", "up", "down"}
    assert {layer for layers in TARGETS.values() for layer in layers} == known
