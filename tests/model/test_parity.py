"""Our two families are the models that others call GPT-2 and Qwen3.

The weights go from theirs into ours by hand here, name by name, so that the export code is not
the judge of the model, nor the model of the export code. All weights are random, those of the
norms and biases too, and every number that has a default is another one.
"""

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT

BLOCK = 16
VOCAB = 29
TOLERANCE = 1e-5

Weights = dict[str, torch.Tensor]


def _randomise(model: nn.Module) -> Weights:
    """Give every parameter a value that no default has, and return them all."""
    random = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.3, generator=random)
            if name.endswith("weight") and parameter.dim() == 1:
                parameter += 1.0  # norms
    return dict(model.state_dict())


def _difference(ours: GPT, theirs: nn.Module) -> float:
    """Return the largest difference of logits over short, middling and full texts."""
    worst = 0.0
    for length in (1, 5, BLOCK):
        ids = torch.randint(VOCAB, (3, length), generator=torch.Generator().manual_seed(7))
        with torch.no_grad():
            a, b = ours(ids), theirs(input_ids=ids).logits
        assert b.std() > 0.3  # equal logits should mean something
        worst = max(worst, (a - b).abs().max().item())
    return worst


def _load(config: ModelConfig, weights: Weights) -> GPT:
    model = GPT(config)
    model.load_state_dict(weights)
    return model


def _from_gpt2(hf: Weights, n_layer: int) -> Weights:
    ours = {
        "embedding.weight": hf["transformer.wte.weight"],
        "places.weight": hf["transformer.wpe.weight"],
        "output.weight": hf["lm_head.weight"],
    }
    for kind in ("weight", "bias"):
        ours[f"final_norm.{kind}"] = hf[f"transformer.ln_f.{kind}"]
        for i in range(n_layer):
            block = f"transformer.h.{i}."
            attention = f"blocks.{i}.sublayers.attention."
            feedforward = f"blocks.{i}.sublayers.feedforward."
            query, key, value = hf[f"{block}attn.c_attn.{kind}"].chunk(3, dim=-1)
            # GPT-2 stores its matrices [in, out]; .T leaves what has one axis as it is
            ours |= {
                f"{attention}norm_before.{kind}": hf[f"{block}ln_1.{kind}"],
                f"{attention}transform.pattern.query.{kind}": _turn(query),
                f"{attention}transform.pattern.key.{kind}": _turn(key),
                f"{attention}transform.value.{kind}": _turn(value),
                f"{attention}transform.output.{kind}": _turn(hf[f"{block}attn.c_proj.{kind}"]),
                f"{feedforward}norm_before.{kind}": hf[f"{block}ln_2.{kind}"],
                f"{feedforward}transform.layer.up.{kind}": _turn(hf[f"{block}mlp.c_fc.{kind}"]),
                f"{feedforward}transform.layer.down.{kind}": _turn(hf[f"{block}mlp.c_proj.{kind}"]),
            }
    return ours


def _turn(x: torch.Tensor) -> torch.Tensor:
    """Turn a matrix from [in, out] to [out, in]; biases stay."""
    return x.T if x.dim() == 2 else x


@pytest.mark.parametrize("d_ff", [None, 37])
@pytest.mark.parametrize("tied", [True, False])
def test_classic_is_gpt2(tied, d_ff) -> None:
    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCAB,
            n_positions=BLOCK,
            n_embd=24,
            n_layer=3,
            n_head=4,
            n_inner=d_ff,
            layer_norm_epsilon=0.02,
            tie_word_embeddings=tied,
            attn_implementation="eager",
            bos_token_id=0,
            eos_token_id=0,
        )
    ).eval()
    config = classic(
        vocab_size=VOCAB,
        block_size=BLOCK,
        n_embd=24,
        n_layer=3,
        n_head=4,
        d_ff=d_ff,
        norm_eps=0.02,
        tie_embeddings=tied,
    )
    ours = _load(config, _from_gpt2(_randomise(theirs), config.n_layer))
    assert _difference(ours, theirs) <= TOLERANCE


def _from_qwen3(hf: Weights, n_layer: int) -> Weights:
    ours = {
        "embedding.weight": hf["model.embed_tokens.weight"],
        "final_norm.weight": hf["model.norm.weight"],
        "output.weight": hf["lm_head.weight"],
    }
    names = {
        "attention.norm_before": "input_layernorm",
        "attention.transform.pattern.query": "self_attn.q_proj",
        "attention.transform.pattern.key": "self_attn.k_proj",
        "attention.transform.pattern.query_norm": "self_attn.q_norm",
        "attention.transform.pattern.key_norm": "self_attn.k_norm",
        "attention.transform.value": "self_attn.v_proj",
        "attention.transform.output": "self_attn.o_proj",
        "feedforward.norm_before": "post_attention_layernorm",
        "feedforward.transform.layer.gate": "mlp.gate_proj",
        "feedforward.transform.layer.up": "mlp.up_proj",
        "feedforward.transform.layer.down": "mlp.down_proj",
    }
    for i in range(n_layer):
        for our_name, their_name in names.items():
            weight = hf[f"model.layers.{i}.{their_name}.weight"]
            ours[f"blocks.{i}.sublayers.{our_name}.weight"] = weight
    return ours


@pytest.mark.parametrize(("n_kv_head", "d_ff"), [(2, 40), (1, None), (6, 17)])
@pytest.mark.parametrize("tied", [True, False])
def test_modern_is_qwen3(tied, n_kv_head, d_ff) -> None:
    config = modern(
        vocab_size=VOCAB,
        block_size=BLOCK,
        n_embd=20,
        n_layer=3,
        n_head=6,
        n_kv_head=n_kv_head,
        head_dim=8,
        d_ff=d_ff,
        rope_base=700.0,
        norm_eps=0.02,
        tie_embeddings=tied,
    )
    theirs = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCAB,
            max_position_embeddings=BLOCK,
            hidden_size=20,
            num_hidden_layers=3,
            num_attention_heads=6,
            num_key_value_heads=n_kv_head,
            head_dim=8,
            intermediate_size=config.feedforward_width,
            rope_parameters={"rope_type": "default", "rope_theta": 700.0},
            rms_norm_eps=0.02,
            tie_word_embeddings=tied,
            attention_bias=False,
            attn_implementation="eager",
        )
    ).eval()
    ours = _load(config, _from_qwen3(_randomise(theirs), config.n_layer))
    assert _difference(ours, theirs) <= TOLERANCE


def test_the_numbers_of_a_family_are_its_own():
    """The tests above set other numbers, to see that they are used."""
    assert classic().norm_eps == GPT2Config().layer_norm_epsilon
    assert classic(n_embd=768, n_head=12).feedforward_width == 4 * 768  # GPT-2's n_inner: null
    assert modern().norm_eps == Qwen3Config().rms_norm_eps
