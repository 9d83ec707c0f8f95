"""What transformers wrote becomes a run of ours with the same logits, or one sentence."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bardling.cli import main
from bardling.errors import BardlingError, CheckpointError, UsageError
from bardling.interchange.importing import import_model
from bardling.text.tokenizer_file import save_tokenizer
from bardling.trained import load
from families import TEXT, TOKENIZERS

TOKENIZER = TOKENIZERS["bpe"]
VOCAB = TOKENIZER.vocab_size
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
LLAMA = {
    "vocab_size": VOCAB, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32, **ENDS,
}  # fmt: skip
GPT2 = {"vocab_size": VOCAB, "n_positions": 32, "n_embd": 24, "n_layer": 2, "n_head": 4, **ENDS}
MADE = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**GPT2)),
    "gpt2, untied and narrow": lambda: GPT2LMHeadModel(
        GPT2Config(**GPT2, n_inner=20, tie_word_embeddings=False, activation_function="relu")
    ),
    "gpt2, scores as they are": lambda: GPT2LMHeadModel(
        GPT2Config(**GPT2, scale_attn_weights=False, layer_norm_epsilon=0.01)
    ),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**LLAMA)),
    "llama with biases": lambda: LlamaForCausalLM(
        LlamaConfig(**LLAMA, attention_bias=True, tie_word_embeddings=True)
    ),
    "llama, all biases": lambda: LlamaForCausalLM(
        LlamaConfig(**LLAMA, attention_bias=True, mlp_bias=True, rms_norm_eps=0.01)
    ),
    "qwen3": lambda: Qwen3ForCausalLM(
        Qwen3Config(**LLAMA, head_dim=8, rope_parameters={"rope_type": "default",
                                                         "rope_theta": 777.0})
    ),
    "qwen3, tied": lambda: Qwen3ForCausalLM(
        Qwen3Config(**LLAMA, head_dim=6, tie_word_embeddings=True)
    ),
}  # fmt: skip


def made(name: str, folder: Path, **saving):
    """Write a model of transformers' with random weights, and our tokenizer beside it."""
    torch.manual_seed(1)
    model = MADE[name]().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.3)
            if "norm" in name or "ln_" in name:
                parameter += 1.0
    model.save_pretrained(folder, **saving)
    save_tokenizer(TOKENIZER, folder)
    return model


@pytest.mark.parametrize("name", MADE)
def test_the_logits_are_those_of_transformers(name, tmp_path):
    theirs = made(name, tmp_path / "theirs")
    run = import_model(tmp_path / "theirs", name="mine", runs_dir=tmp_path / "runs")
    again = load(tmp_path / "runs" / "mine")
    ids = torch.randint(VOCAB, (3, 32), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = theirs(input_ids=ids).logits
        assert expected.std() > 0.3
        for ours in (run.model, again.model):
            assert (ours(ids) - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)
    assert run.tokenizer.encode(TEXT) == TOKENIZER.encode(TEXT)
    assert isinstance(again.generate("1", max_new_tokens=5), str)


def test_weights_in_several_files_and_half_precision_are_read(tmp_path):
    theirs = made("qwen3", tmp_path / "one")
    made("qwen3", tmp_path / "several", max_shard_size="8KB")
    assert len(list((tmp_path / "several").glob("model-*.safetensors"))) > 1
    theirs.to(torch.bfloat16).save_pretrained(tmp_path / "half")
    save_tokenizer(TOKENIZER, tmp_path / "half")
    one, several, half = (
        import_model(tmp_path / name, name=name, runs_dir=tmp_path / "runs").model
        for name in ("one", "several", "half")
    )
    for name, parameter in one.named_parameters():
        assert torch.equal(parameter, several.get_parameter(name))
        assert torch.equal(parameter.bfloat16().float(), half.get_parameter(name))


def test_old_files_without_prefix_and_with_tables_are_read(tmp_path):
    """So are the files of the first GPT-2s."""
    made("gpt2", tmp_path / "new")
    old = tmp_path / "old"
    made("gpt2", old)
    tensors = {
        name.removeprefix("transformer."): tensor
        for name, tensor in load_file(old / "model.safetensors").items()
    }
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 32, 32, dtype=torch.bool).tril()
    save_file(tensors, old / "model.safetensors", metadata={"format": "pt"})
    runs = tmp_path / "runs"
    new, found = (import_model(tmp_path / n, name=n, runs_dir=runs).model for n in ("new", "old"))
    for name, parameter in new.named_parameters():
        assert torch.equal(parameter, found.get_parameter(name))


def test_rows_without_tokens_are_left_out_and_said(tmp_path):
    LLAMA["vocab_size"] += 20
    try:
        theirs = made("llama", tmp_path / "theirs")
    finally:
        LLAMA["vocab_size"] -= 20
    notes: list[str] = []
    run = import_model(
        tmp_path / "theirs", name="mine", runs_dir=tmp_path, block_size=20, note=notes.append
    )
    assert any("20 rows" in note for note in notes)
    assert any("cut to 20 of 32" in note for note in notes)
    ids = torch.randint(VOCAB, (2, 20), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = theirs(input_ids=ids).logits[..., :VOCAB]
        assert (run.model(ids) - expected).abs().max() <= 1e-5


def edit(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def drop(folder: Path, *, name: str = "model.layers.1.mlp.up_proj.weight") -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[name]
    save_file(tensors, folder / "model.safetensors")


def add(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors") | {"model.extra": torch.ones(2)}
    save_file(tensors, folder / "model.safetensors")


def spoil(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = torch.inf
    save_file(tensors, folder / "model.safetensors")


def lead_away(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = {"weight_map": {"model.norm.weight": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


FAULTS = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer"),
    "another class": (lambda f: edit(f, model_type="bert"), "'bert'; gpt2, llama, qwen3"),
    "a missing weight": (drop, "model.layers.1.mlp.up_proj.weight is missing"),
    "a weight too many": (add, "'model.extra' has no place"),
    "a weight of infinity": (spoil, "not made of finite numbers"),
    "another shape": (lambda f: edit(f, intermediate_size=41), "does not fit its config.json"),
    "more layers than there are": (lambda f: edit(f, num_hidden_layers=3), "is missing"),
    "a huge model": (lambda f: edit(f, num_hidden_layers=10**7), "GiB"),
    "another vocabulary": (lambda f: edit(f, vocab_size=9), "tokenizer has"),
    "stretched places": (
        lambda f: edit(f, rope_parameters={"rope_type": "yarn", "rope_theta": 1.0}), "'yarn'"
    ),
    "a window": (lambda f: edit(f, use_sliding_window=True), "use_sliding_window"),
    "words for numbers": (lambda f: edit(f, hidden_size="24"), "hidden_size is '24'"),
    "code to run": (lambda f: edit(f, auto_map={"AutoModel": "x.py"}), "auto_map"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "not strict JSON"),
    "cut short": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:-9]
        ),
        "no safetensors file",
    ),
    "an index that leads away": (lead_away, "no file of this folder"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_said_and_nothing_is_written(fault, tmp_path):
    folder = tmp_path / "theirs"
    made("llama", folder)
    damage, expected = FAULTS[fault]
    damage(folder)
    with pytest.raises(BardlingError, match=expected) as refused:
        import_model(folder, name="mine", runs_dir=tmp_path / "runs")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_other_words_are_refused_and_the_network_may_be_away(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="no folder and no model"):
        import_model("nothing", runs_dir=tmp_path)
    with pytest.raises(UsageError, match=r"openai-community/gpt2 could not be fetched .* online"):
        import_model("gpt2", runs_dir=tmp_path)


def test_a_class_that_is_not_read_is_named_as_transformers_names_it(tmp_path):
    (tmp_path / "config.json").write_text(BertConfig().to_json_string())
    with pytest.raises(CheckpointError, match="bert"):
        import_model(tmp_path, runs_dir=tmp_path / "runs")


def test_an_imported_run_says_what_can_be_done_with_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made("qwen3", tmp_path / "theirs")
    assert main(["import", "theirs", "--name", "mine"]) == 0
    assert "a context of 32 tokens" in capsys.readouterr().out
    assert main(["runs"]) == 0
    said = capsys.readouterr().out
    assert "imported" in said and "go on with" not in said
    for words in (["train", "--resume", "mine"], ["evaluate", "mine"]):
        assert main(words) == 2
        assert "mine was imported and has no text" in capsys.readouterr().err
    (tmp_path / "text.txt").write_text(TEXT)
    assert main(["evaluate", "mine", "--text", "text.txt"]) == 0
    assert main(["export", "mine"]) == 0
    card = (tmp_path / "runs/mine/exports/huggingface/README.md").read_text()
    assert "Trained by others: taken from `theirs`" in card
    assert main(["finetune", "mine", "text.txt", "--budget", "3steps", "--name", "tuned",
                 "--machine.compile", "off"]) == 0  # fmt: skip
    assert load(tmp_path / "runs" / "tuned").step == 3
