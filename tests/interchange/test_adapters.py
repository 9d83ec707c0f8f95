"""Adapters go out to peft and come in from it with the same logits, or one sentence is said."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from safetensors.torch import save as tensor_bytes
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bardling import storage
from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.errors import CheckpointError, ExportError, UsageError
from bardling.interchange import adapter_export
from bardling.interchange.adapters import read_adapter
from bardling.interchange.exporting import export
from bardling.interchange.importing import import_adapter, import_model, write_run
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.lora import wrap
from bardling.model.lora_config import LoRA
from bardling.run_folder import RunFolder
from bardling.text.tokenizer_file import save_tokenizer
from bardling.trained import Run, load
from families import FAMILIES, TOKENIZERS, family, randomised, run_of

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, to peft
TOKENIZER = TOKENIZERS["bpe"]
VOCAB = TOKENIZER.vocab_size
IDS = torch.randint(VOCAB, (3, 16), generator=torch.Generator().manual_seed(1))
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
LLAMA = {
    "vocab_size": VOCAB, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32, **ENDS,
}  # fmt: skip
GPT2 = {"vocab_size": VOCAB, "n_positions": 32, "n_embd": 24, "n_layer": 2, "n_head": 4, **ENDS}
MADE = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**GPT2)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**LLAMA)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**LLAMA, head_dim=8)),
}
ATTENTION = ("query", "key", "value", "output")


def adapted_run(config: ModelConfig, adapter: LoRA, folder: Path) -> Run:
    """Return a run whose adapters say something, with its checkpoint on the disk."""
    model = wrap(randomised(config), adapter, seed=3)
    random = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(std=0.2, generator=random)
    config = RunConfig(data=DataConfig(corpus="stories"), model=config, adapter=adapter)
    write_run(RunFolder(folder), config, dict(model.named_parameters()), TOKENIZER)
    return load(folder)


def their_logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def far(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the largest difference over the largest logit, or over 1."""
    return float(((ours - theirs).abs().max() / ours.abs().max().clamp(min=1)).detach())


def base_of(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder / "base").eval()


# --- out


@pytest.mark.parametrize(
    "targets",
    [
        ATTENTION,
        ("c_attn",),
        ("query", "value"),
        ("c_attn", "output", "up", "down"),
        ("key", "up"),
        ("c_proj",),
        ("down",),
    ],
    ids=",".join,
)
@pytest.mark.parametrize("name", FAMILIES)
def test_peft_says_the_same(name, targets, tmp_path):
    adapter = LoRA(rank=3, alpha=5.0, targets=targets)
    run = adapted_run(family(name, vocab_size=VOCAB), adapter, tmp_path / "run")
    (written,) = export(run, "peft")
    assert written.path == tmp_path / "run" / "exports" / "peft"
    beside, merged = written.checks
    assert beside.read_by == f"peft {peft.__version__}" and merged.read_by.endswith(", merged")
    assert beside.greedy == beside.written and beside.relative <= 1e-5

    ours = run.model(IDS)
    base = base_of(written.path)
    assert far(ours, their_logits(base)) > 1e-2
    theirs = peft.PeftModel.from_pretrained(base, written.path).eval()
    assert far(ours, their_logits(theirs)) <= 1e-5
    assert far(ours, their_logits(theirs.merge_and_unload())) <= 1e-5


def trained_tables(name: str, folder: Path, **change) -> Run:
    """Return a run whose tables of tokens were trained beside adapters, from others that it has."""
    config = family(name, vocab_size=VOCAB, **change)
    run = adapted_run(config, LoRA(rank=2, embeddings=True), folder)
    before = {n: p.detach().flip(0).contiguous() for n, p in GPT(config).named_parameters()}
    storage.publish_folder(
        folder / "start", {"model.safetensors": tensor_bytes(before, metadata={"format": "pt"})}
    )
    return run


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_tables_that_were_trained_whole_go_out_and_come_in_again(name, tied, tmp_path):
    run = trained_tables(name, tmp_path / "run", tie_embeddings=tied)
    (written,) = export(run, "peft")
    told = json.loads((written.path / "adapter_config.json").read_text())
    assert told["modules_to_save"] == ["wte" if name == "gpt2" else "embed_tokens", "lm_head"]
    base = base_of(written.path)
    before = GPT(run.config.model).embedding.weight.flip(0)
    assert torch.equal(base.get_input_embeddings().weight, before)  # not as it was trained
    theirs = peft.PeftModel.from_pretrained(base, written.path).eval()
    assert far(run.model(IDS), their_logits(theirs)) <= 1e-5
    card = (written.path / "README.md").read_text()
    assert "embedding and output layer trained whole" in card
    wrapped = wrap(GPT(run.config.model), run.config.adapter)
    trained = sum(p.numel() for p in wrapped.parameters() if p.requires_grad)
    assert f"trained whole: {trained:,} numbers" in card

    ours = import_model(written.path / "base", name="base", runs_dir=tmp_path / "runs")
    again = import_adapter(written.path, ours, name="again", runs_dir=tmp_path / "runs")
    assert again.config.adapter.embeddings
    assert far(run.model(IDS), again.model(IDS)) <= 1e-5
    (twice,) = export(again, "peft", out=tmp_path / "twice")
    first, second = (load_file(one.path / "adapter_model.safetensors") for one in (written, twice))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "tied", "words"),
    [
        ("llama", False, ["embed_tokens", "lm_head"]),
        ("gpt2", True, ["lm_head"]),
        ("gpt2", True, ["lm_head", "wte"]),
    ],
)
def test_tables_that_peft_trained_have_the_same_logits_here(name, tied, words, tmp_path):
    target = "c_attn" if name == "gpt2" else "q_proj"
    theirs = made(name, tmp_path, [target], modules_to_save=words, ensure_weight_tying=tied)
    with torch.no_grad():
        for key, parameter in theirs.named_parameters():
            if "modules_to_save" in key:
                parameter.normal_(std=0.3)
    theirs.save_pretrained(tmp_path / "adapter")
    base = import_model(tmp_path / "base", name="base", runs_dir=tmp_path / "runs")
    run = import_adapter(tmp_path / "adapter", base, runs_dir=tmp_path / "runs")
    assert far(base.model(IDS), their_logits(theirs)) > 1e-2
    assert far(run.model(IDS), their_logits(theirs)) <= 1e-5


TABLE_FAULTS = {
    "one of the two": (
        lambda f: edit(f, modules_to_save=["lm_head"], ensure_weight_tying=False),
        r"\['lm_head'\]; embed_tokens and lm_head are read here",
    ),
    "another layer": (
        lambda f: edit(f, modules_to_save=["embed_tokens", "lm_head", "norm"]), "are read here"
    ),
    "no list": (lambda f: edit(f, modules_to_save="lm_head"), "are read here"),
    "tables that nobody names": (lambda f: edit(f, modules_to_save=None), "has no place"),
    "a missing table": (lambda f: put(f, "lm_head", None), "lm_head.weight is missing"),
    "another shape": (lambda f: put(f, "lm_head", torch.ones(3, 24)), r"shape \[3, 24\]"),
    "two tables for a model of one": (
        lambda f: put(f, "lm_head", torch.ones(VOCAB, 24)),
        "embed_tokens and lm_head differ in it, and this run's model has one",
    ),
}  # fmt: skip


def put(folder: Path, word: str, table: torch.Tensor | None) -> None:
    path = folder / "adapter_model.safetensors"
    held = load_file(path)
    del held[f"base_model.model.{word}.weight"]
    save_file(held | ({} if table is None else {f"base_model.model.{word}.weight": table}), path)


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_tables_that_are_wrong_are_refused_and_nothing_is_written(fault, tmp_path):
    run = trained_tables("llama", tmp_path / "run", tie_embeddings=True)
    (written,) = export(run, "peft", out=tmp_path)
    base = import_model(written.path / "base", name="base", runs_dir=tmp_path / "runs")
    change_files, said = TABLE_FAULTS[fault]
    change_files(written.path)
    with pytest.raises(CheckpointError, match=said) as refused:
        import_adapter(written.path, base, name="again", runs_dir=tmp_path / "runs")
    assert "\n" not in str(refused.value)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["base"]


def test_tables_for_a_model_that_scales_its_embedding_are_refused(tmp_path):
    run = trained_tables("gpt2", tmp_path / "run", position="sinusoidal_scaled")
    (written,) = export(run, "peft", out=tmp_path)
    assert all(check.relative <= 1e-5 for check in written.checks)
    with pytest.raises(CheckpointError, match="scales its embedding"):
        import_adapter(written.path, run, name="again", runs_dir=tmp_path / "runs")


@pytest.mark.parametrize(
    "change",
    [
        {"n_kv_head": 2},
        {"attention_scale": False},
        {"attention_output": False},
        {"bias": False, "qkv_bias": False, "position": "sinusoidal_scaled", "n_kv_head": 1},
    ],
    ids=str,
)
def test_what_a_restated_model_changes_is_done_to_its_adapter_too(change, tmp_path):
    adapter = LoRA(rank=2, targets=("query", "key", "value", "output", "up"))
    run = adapted_run(family("gpt2", vocab_size=VOCAB, **change), adapter, tmp_path / "run")
    (written,) = export(run, "peft")
    theirs = peft.PeftModel.from_pretrained(base_of(written.path), written.path)
    assert far(run.model(IDS), their_logits(theirs)) <= 1e-5


def test_long_queries_of_qwen3_are_left_to_their_norm(tmp_path):
    config = family("qwen3", vocab_size=VOCAB, attention_scale=False)
    (written,) = export(adapted_run(config, LoRA(), tmp_path / "run"), "peft")
    assert all(check.relative <= 1e-5 for check in written.checks)


def test_the_file_leads_to_its_base(tmp_path):
    run = adapted_run(family("llama", vocab_size=VOCAB), LoRA(), tmp_path / "run")
    (written,) = export(run, "peft", licence="mit")
    theirs = peft.AutoPeftModelForCausalLM.from_pretrained(written.path).eval()
    assert far(run.model(IDS), their_logits(theirs)) <= 1e-5
    assert sorted(path.name for path in written.path.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "base",
    ]  # fmt: skip
    card = (written.path / "README.md").read_text()
    assert card.startswith('---\nlicense: "mit"\nlibrary_name: "peft"\n')
    assert "LoRA of rank 8 and alpha 16 on query, key, value, output" in card
    told = json.loads((written.path / "adapter_config.json").read_text())
    assert told["r"] == 8 and told["lora_alpha"] == 16 and not told["fan_in_fan_out"]
    assert told["target_modules"] == ["k_proj", "o_proj", "q_proj", "v_proj"]


def test_three_adapters_of_gpt2_are_one_of_three_times_the_rank(tmp_path):
    run = adapted_run(family("gpt2", vocab_size=VOCAB), LoRA(rank=2, alpha=3.0), tmp_path / "run")
    (written,) = export(run, "peft")
    told = json.loads((written.path / "adapter_config.json").read_text())
    assert told["r"] == 6 and told["lora_alpha"] == 9 and told["fan_in_fan_out"]
    assert told["target_modules"] == ["attn.c_proj", "c_attn"]
    tensors = load_file(written.path / "adapter_model.safetensors")
    prefix = "base_model.model.transformer.h.1.attn"
    second = tensors[f"{prefix}.c_attn.lora_B.weight"]
    assert second.shape == (72, 6)
    diagonal = torch.block_diag(*(torch.ones(24, 2) for _ in range(3))).bool()
    assert torch.equal(second != 0, diagonal)
    assert torch.equal(tensors[f"{prefix}.c_proj.lora_A.weight"][2:], torch.zeros(4, 24))


def test_of_the_zeros_that_fill_up_nothing_is_learned(tmp_path):
    run = adapted_run(family("gpt2", vocab_size=VOCAB), LoRA(rank=2), tmp_path / "run")
    (written,) = export(run, "peft")
    theirs = peft.PeftModel.from_pretrained(base_of(written.path), written.path, is_trainable=True)
    theirs(input_ids=IDS, labels=IDS).loss.backward()
    layer = theirs.base_model.model.transformer.h[0].attn.c_proj
    first, second = (getattr(layer, name)["default"].weight for name in ("lora_A", "lora_B"))
    assert first.grad[:2].abs().max() > 0 and second.grad[:, :2].abs().max() > 0
    assert first.grad[2:].abs().max() == 0 and second.grad[:, 2:].abs().max() == 0


def test_joined_adapters_of_gpt2_keep_their_rank(tmp_path):
    adapter = LoRA(rank=2, targets=("c_attn", "c_proj"))
    run = adapted_run(family("gpt2", vocab_size=VOCAB), adapter, tmp_path / "run")
    (written,) = export(run, "peft")
    assert json.loads((written.path / "adapter_config.json").read_text())["r"] == 2


def test_a_run_without_adapters_is_refused_and_nothing_stays(tmp_path):
    run = run_of(randomised(family("llama", vocab_size=VOCAB)), TOKENIZER, tmp_path / "run")
    with pytest.raises(ExportError, match=r"run has no adapter.* --adapter lora") as refused:
        export(run, "peft")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.rglob("*")) == []


def test_all_formats_are_those_that_a_run_can_have(tmp_path, monkeypatch):
    from bardling.interchange import exporting

    few = {name: exporting.FORMATS[name] for name in ("huggingface", "peft")}
    monkeypatch.setattr(exporting, "FORMATS", few)
    config = family("llama", vocab_size=VOCAB)
    whole = run_of(randomised(config), TOKENIZER, tmp_path / "whole")
    assert [one.to for one in export(whole, "all")] == ["huggingface"]
    adapted = adapted_run(config, LoRA(), tmp_path / "adapted")
    assert [one.to for one in export(adapted, "all")] == ["huggingface", "peft"]


def test_a_file_that_says_another_thing_does_not_stay(tmp_path, monkeypatch):
    true_files = adapter_export.adapter_files

    def lying(*given):
        files = true_files(*given)
        config = json.loads(files["adapter_config.json"])
        return files | {"adapter_config.json": json.dumps(config | {"lora_alpha": 3}).encode()}

    monkeypatch.setattr(adapter_export, "adapter_files", lying)
    run = adapted_run(family("llama", vocab_size=VOCAB), LoRA(), tmp_path / "run")
    with pytest.raises(ExportError, match=r"the adapter was not written: read by peft .* differ"):
        export(run, "peft")
    assert not (tmp_path / "run" / "exports" / "peft").exists()


@pytest.mark.parametrize("name", FAMILIES)
def test_without_peft_our_own_import_reads_it(name, tmp_path, monkeypatch):
    monkeypatch.setattr(
        adapter_export, "find_spec", lambda library: None if library == "peft" else library
    )
    run = adapted_run(family(name, vocab_size=VOCAB), LoRA(), tmp_path / "run")
    (written,) = export(run, "peft")
    (check,) = written.checks
    assert check.read_by == "bardling" and check.told.endswith("pip install peft")


# --- in


def made(name: str, folder: Path, targets: list[str] | str, **settings):
    """Write a random model of transformers', and an adapter of peft's that says something."""
    torch.manual_seed(1)
    model = MADE[name]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.25)
    model.save_pretrained(folder / "base")
    save_tokenizer(TOKENIZER, folder / "base")
    config = peft.LoraConfig(
        **{"r": 4, "lora_alpha": 6, "target_modules": targets, "task_type": "CAUSAL_LM",
           "fan_in_fan_out": name == "gpt2", **settings}
    )  # fmt: skip
    theirs = peft.get_peft_model(model, config).eval()
    with torch.no_grad():
        for key, parameter in theirs.named_parameters():
            if "lora_B" in key:
                parameter.normal_(std=0.2)
    theirs.save_pretrained(folder / "adapter")
    return theirs


@pytest.mark.parametrize(
    ("name", "targets", "ours"),
    [
        ("gpt2", ["c_attn"], ("c_attn",)),
        ("gpt2", ["attn.c_proj"], ("output",)),
        ("gpt2", ["mlp.c_proj", "c_fc"], ("up", "down")),
        ("gpt2", "all-linear", ("output", "up", "down", "c_attn")),
        ("llama", ["q_proj", "v_proj"], ("query", "value")),
        ("llama", "all-linear", ("query", "key", "value", "output", "gate", "up", "down")),
        ("qwen3", ["q_proj", "k_proj", "o_proj", "down_proj"], ("query", "key", "output", "down")),
    ],
)
def test_what_peft_made_has_the_same_logits_here(name, targets, ours, tmp_path):
    theirs = made(name, tmp_path, targets, lora_dropout=0.25)
    runs = tmp_path / "runs"
    base = import_model(tmp_path / "base", name="base", runs_dir=runs)
    run = import_adapter(tmp_path / "adapter", base, name="adapted", runs_dir=runs)
    expected = their_logits(theirs)
    assert far(base.model(IDS), expected) > 1e-2
    for found in (run, load(runs / "adapted")):
        assert far(found.model(IDS), expected) <= 1e-5
    assert run.config.adapter == LoRA(rank=4, alpha=6.0, lora_dropout=0.25, targets=ours)
    assert run.config.start == str(base.folder.path) and run.tokenizer.sha256 == TOKENIZER.sha256
    assert isinstance(run.generate("1", max_new_tokens=3), str)


def test_halves_are_read(tmp_path):
    theirs = made("llama", tmp_path, ["q_proj"])
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({n: t.bfloat16() for n, t in load_file(path).items()}, path)
    base = import_model(tmp_path / "base", name="base", runs_dir=tmp_path / "runs")
    run = import_adapter(tmp_path / "adapter", base, runs_dir=tmp_path / "runs")
    assert run.folder.name.startswith("adapter-")
    for key, parameter in theirs.named_parameters():
        if "lora_" in key:
            parameter.data = parameter.data.bfloat16().float()
    assert far(run.model(IDS), their_logits(theirs)) <= 1e-5


@pytest.mark.parametrize("targets", [ATTENTION, ("c_attn", "c_proj")], ids=",".join)
@pytest.mark.parametrize("name", FAMILIES)
def test_what_went_out_comes_in_again(name, targets, tmp_path):
    adapter = LoRA(rank=3, alpha=5.0, targets=targets)
    run = adapted_run(family(name, vocab_size=VOCAB), adapter, tmp_path / "run")
    (written,) = export(run, "peft", out=tmp_path)
    base = import_model(written.path / "base", name="base", runs_dir=tmp_path / "runs")
    again = import_adapter(written.path, base, name="again", runs_dir=tmp_path / "runs")
    assert far(run.model(IDS), again.model(IDS)) <= 1e-5
    (twice,) = export(again, "peft", out=tmp_path / "twice")
    first, second = (load_file(one.path / "adapter_model.safetensors") for one in (written, twice))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def edit(folder: Path, **changes) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Put tensors in the place of those of layer 1's queries and values, or take them out."""
    path = folder / "adapter_model.safetensors"
    held = load_file(path)
    for short, tensor in tensors.items():
        name = f"base_model.model.model.layers.1.self_attn.{short[0]}_proj.lora_{short[1]}.weight"
        del held[name]
        if tensor is not None:
            held[name] = tensor
    save_file(held, path)


def add(folder: Path, name: str) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(load_file(path) | {name: torch.ones(4, 24)}, path)


def cut(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


LAYERS = "base_model.model.model.layers"
FAULTS = {
    "no config": (lambda f: (f / "adapter_config.json").unlink(), "adapter_config.json"),
    "no JSON": (lambda f: (f / "adapter_config.json").write_text("{"), "not strict JSON"),
    "a list": (lambda f: (f / "adapter_config.json").write_text("[]"), "no settings by name"),
    "no weights": (
        lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"),
        r"no adapter_model.safetensors",
    ),
    "cut short": (cut, "no safetensors file"),
    "another kind": (lambda f: edit(f, peft_type="LOHA"), "'peft_type' is 'LOHA'.*LORA is read"),
    "another task": (lambda f: edit(f, task_type="SEQ_CLS"), "'task_type' is 'SEQ_CLS'"),
    "biases": (lambda f: edit(f, bias="all"), "'bias' is 'all'"),
    "dora": (lambda f: edit(f, use_dora=True), "'use_dora' is True"),
    "rslora": (lambda f: edit(f, use_rslora=True), "'use_rslora' is True"),
    "whole layers": (lambda f: edit(f, modules_to_save=["lm_head"]), "'modules_to_save'"),
    "several ranks": (lambda f: edit(f, rank_pattern={"q_proj": 2}), "'rank_pattern'"),
    "several alphas": (lambda f: edit(f, alpha_pattern={"q_proj": 2}), "'alpha_pattern'"),
    "some layers": (lambda f: edit(f, layers_to_transform=[1]), "'layers_to_transform'"),
    "a base that is changed": (lambda f: edit(f, init_lora_weights="pissa"), "'pissa'"),
    "what is not known yet": (lambda f: edit(f, use_something_new=True), "'use_something_new'"),
    "a pattern": (lambda f: edit(f, target_modules=".*_proj"), "a list of names is read"),
    "no targets": (lambda f: edit(f, target_modules=None), "a list of names is read"),
    "layers that are not there": (
        lambda f: edit(f, target_modules=["c_attn"]), "'c_attn', which no block here has"
    ),
    "layers that are not named": (
        lambda f: edit(f, target_modules=["q_proj"]), "v_proj, which its target_modules do not"
    ),
    "layers without matrices": (
        lambda f: edit(f, target_modules=["q_proj", "v_proj", "up_proj"]),
        "up_proj.lora_A.weight is missing",
    ),
    "a word for a rank": (lambda f: edit(f, r="4"), "r is '4'; it must be a whole number"),
    "another rank": (lambda f: edit(f, r=5), r"has shape \[4, 24\]; \[5, 24\]"),
    "no rank": (lambda f: edit(f, r=0), "rank of an adapter is 0"),
    "a huge rank": (lambda f: edit(f, r=2**62), "has shape"),
    "an alpha of nothing": (lambda f: edit(f, lora_alpha=0), "alpha of an adapter is 0"),
    "an alpha that is no number": (lambda f: edit(f, lora_alpha="1"), "lora_alpha is '1'"),
    "a missing half": (lambda f: change(f, qB=None), f"{LAYERS}.1.self_attn.q_proj.lora_B.weight"),
    "a missing layer": (lambda f: change(f, qA=None, qB=None), "q_proj.lora_A.weight is missing"),
    "one more block": (
        lambda f: add(f, f"{LAYERS}.2.self_attn.q_proj.lora_A.weight"), "has no place"
    ),
    "the output layer": (lambda f: add(f, "base_model.model.lm_head.lora_A.weight"), "no place"),
    "another tensor": (lambda f: add(f, "model.norm.weight"), "no place"),
    "a norm's": (lambda f: add(f, f"{LAYERS}.1.input_layernorm.lora_A.weight"), "no place"),
    "infinity": (lambda f: change(f, vB=torch.full((12, 4), torch.inf)), "finite"),
    "whole numbers": (lambda f: change(f, vB=torch.ones(12, 4, dtype=torch.int32)), "finite"),
    "another shape": (lambda f: change(f, vB=torch.ones(24, 4)), r"\[12, 4\] was expected"),
    "no layer at all": (
        lambda f: (edit(f, target_modules=[]), save_file({}, f / "adapter_model.safetensors")),
        "no layer at all",
    ),
    "blocks that differ": (
        lambda f: (
            edit(f, target_modules=["v_proj", "layers.0.self_attn.q_proj"]),
            change(f, qA=None, qB=None),
        ),
        "block 1 has no adapter on query",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("theirs")
    made("llama", folder, ["q_proj", "v_proj"])
    import_model(folder / "base", name="base", runs_dir=folder / "runs")
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_said_and_nothing_is_written(fault, theirs, tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    for path in (theirs / "adapter").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    damage, expected = FAULTS[fault]
    damage(folder)
    with pytest.raises(CheckpointError, match=f"adapter cannot be imported: .*{expected}") as bad:
        import_adapter(folder, load(theirs / "runs" / "base"), runs_dir=tmp_path / "runs")
    assert "\n" not in str(bad.value)
    assert not (tmp_path / "runs").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    key=st.sampled_from(["r", "lora_alpha", "lora_dropout", "target_modules", "bias", "use_dora"]),
    value=JSON | st.lists(st.sampled_from(["q_proj", "v_proj", "", ".", "self_attn.q_proj"])),
)
@settings(max_examples=100, deadline=None)
def test_whatever_a_setting_says_an_adapter_is_read_or_refused(key, value, theirs):
    base = family("llama", vocab_size=VOCAB)
    with tempfile.TemporaryDirectory() as parent:
        for path in (theirs / "adapter").iterdir():
            (Path(parent) / path.name).write_bytes(path.read_bytes())
        edit(Path(parent), **{key: value})
        with suppress(CheckpointError):
            assert read_adapter(Path(parent), base).adapter.rank == 4


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (family("llama", vocab_size=VOCAB, n_layer=1), "layers.1.self_attn.q_proj"),
        (family("llama", vocab_size=VOCAB, n_embd=32), "has shape"),
        (family("llama", vocab_size=VOCAB, n_kv_head=4), "has shape"),
        (family("gpt2", vocab_size=VOCAB), "no place"),
        (family("gpt2", vocab_size=VOCAB, norm_place="after"), "norms after the sublayers"),
        (family("gpt2", vocab_size=VOCAB, n_kv_head=2), "heads of keys and values are shared"),
        (family("llama", vocab_size=VOCAB, attention_scale=False), "scores are not scaled.*import"),
    ],
)
def test_another_base_is_refused(config, reason, theirs, tmp_path):
    base = run_of(randomised(config), TOKENIZER, tmp_path / "base")
    with pytest.raises(CheckpointError, match=reason):
        import_adapter(theirs / "adapter", base, runs_dir=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_without_a_base_is_no_model(theirs, tmp_path):
    with pytest.raises(UsageError, match="holds an adapter and no model: say by --base"):
        import_model(theirs / "adapter", runs_dir=tmp_path / "runs")
    with pytest.raises(UsageError, match="no folder and no model"):
        import_adapter("nothing", load(theirs / "runs" / "base"), runs_dir=tmp_path / "runs")


def test_an_adapter_of_the_hub_is_two_files(theirs, tmp_path, monkeypatch):
    asked = []

    def imitated(name, *, revision, allow_patterns):
        asked.append((name, revision, allow_patterns))
        return str(theirs / "adapter")

    monkeypatch.setattr("huggingface_hub.snapshot_download", imitated)
    base = load(theirs / "runs" / "base")
    run = import_adapter("hf:ann/verse@main", base, runs_dir=tmp_path)
    assert asked == [("ann/verse", "main", ("adapter_config.json", "adapter_model.safetensors"))]
    assert run.folder.name.startswith("verse-") and isinstance(run.config.adapter, LoRA)


def test_by_the_verbs(tmp_path, capsys, monkeypatch):
    """Train, adapt, write it out, take it in, and adapt that."""
    from bardling.cli import main
    from bardling.run import start_run
    from tiny import Listener, tiny_config, write_text

    monkeypatch.chdir(tmp_path)
    config = tiny_config(write_text(tmp_path))
    start_run(config, RunFolder(tmp_path / "runs" / "base"), data_dir=None, watcher=Listener())
    words = ["--budget", "4steps", "--adapter", "lora", "--adapter.rank", "2",
             "--optimizer.lr", "0.02", "--machine.compile", "off"]  # fmt: skip
    assert main(["finetune", "base", "sums.txt", "--name", "tuned", *words]) == 0
    capsys.readouterr()
    assert main(["export", "base", "--to", "peft"]) == 1
    assert "has no adapter" in capsys.readouterr().err
    assert main(["export", "tuned", "--to", "peft"]) == 0
    assert capsys.readouterr().out.count("read by peft") == 2
    card = (tmp_path / "runs" / "tuned" / "exports" / "peft" / "README.md").read_text()
    assert "Fine-tuned from" in card and "bardling finetune" in card
    folder = "runs/tuned/exports/peft"
    assert main(["import", folder, "--base", "base", "--name", "again"]) == 0
    assert "of an adapter beside them" in capsys.readouterr().out
    tuned, again = (load(tmp_path / "runs" / name) for name in ("tuned", "again"))
    ids = IDS % tuned.tokenizer.vocab_size
    assert far(tuned.model(ids), again.model(ids)) <= 1e-5
    assert main(["import", folder, "--base", "base", "--block-size", "4"]) == 2
    assert "leave --block-size away" in capsys.readouterr().err
    assert main(["import", folder]) == 2
    assert "say by --base" in capsys.readouterr().err
    assert main(["finetune", "again", "sums.txt", "--name", "more", *words]) == 0
    assert main(["runs"]) == 0
