"""An exported folder is what transformers opens: same class, same ids, same logits, same text."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from bardling.errors import ExportError, UsageError
from bardling.generation.decode import decode
from bardling.generation.sampling import Greedy
from bardling.interchange import exporting
from bardling.interchange.exporting import export
from bardling.text.characters import CharacterTokenizer
from families import TEXT, TOKENIZERS, family, randomised, run_of

CLASSES = {"gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}
BLOCK = 224


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("words", TOKENIZERS)
@pytest.mark.parametrize("name", CLASSES)
def test_transformers_says_the_same(name, words, tied, tmp_path):
    tokenizer = TOKENIZERS[words]
    config = family(name, vocab_size=tokenizer.vocab_size, block_size=BLOCK, tie_embeddings=tied)
    model = randomised(config)
    (written,) = export(run_of(model, tokenizer, tmp_path / "run"))
    assert written.path == tmp_path / "run" / "exports" / "huggingface"
    (check,) = written.checks
    assert check.greedy == check.written == 200 and "transformers" in check.read_by

    theirs = AutoModelForCausalLM.from_pretrained(written.path).eval()
    assert type(theirs).__name__ == CLASSES[name]
    their_tokenizer = AutoTokenizer.from_pretrained(written.path)
    ids = their_tokenizer(TEXT, return_tensors="pt").input_ids
    assert ids[0].tolist() == tokenizer.encode(TEXT)
    assert their_tokenizer.decode(ids[0]) == TEXT
    assert their_tokenizer.model_max_length == BLOCK

    ids = ids[:, :BLOCK]
    with torch.no_grad():
        difference = (model(ids) - theirs(input_ids=ids).logits).abs().max().item()
    assert difference <= 1e-5

    start = ids[:, :8]
    ours = torch.stack(list(decode(model, start, Greedy(), max_new_tokens=200, seeds=[0])), dim=1)
    text = theirs.generate(start, max_new_tokens=200, do_sample=False, eos_token_id=None)
    assert text[0, 8:].tolist() == ours[0].tolist()


@pytest.mark.parametrize("bend", ["relu", "gelu", "gelu_tanh", "gelu_sigmoid"])
def test_every_activation_of_gpt2_has_its_name_there(bend, tmp_path):
    model = randomised(family("gpt2", feedforward=bend, vocab_size=TOKENIZERS["bpe"].vocab_size))
    export(run_of(model, TOKENIZERS["bpe"], tmp_path))  # which is refused where logits differ


def test_the_files_are_those_of_the_format(tmp_path):
    tokenizer = TOKENIZERS["characters"]
    model = randomised(family("qwen3", vocab_size=tokenizer.vocab_size))
    (written,) = export(run_of(model, tokenizer, tmp_path), licence="mit")
    assert sorted(path.name for path in written.path.iterdir()) == [
        "README.md", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    config = json.loads((written.path / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 5000.0
    assert config["head_dim"] == 8 and config["num_key_value_heads"] == 2
    assert config["eos_token_id"] == tokenizer.end_token
    assert "lm_head.weight" not in load_file(written.path / "model.safetensors")
    told = json.loads((written.path / "tokenizer_config.json").read_text())
    assert told["tokenizer_class"] == "PreTrainedTokenizerFast"
    card = (written.path / "README.md").read_text()
    assert card.startswith('---\nlicense: "mit"\nlibrary_name: "transformers"\n')
    assert "bardling train " in card


def test_without_an_end_token_there_is_none_there_either(tmp_path):
    tokenizer = CharacterTokenizer.train([TEXT])
    model = randomised(family("gpt2", vocab_size=tokenizer.vocab_size))
    (written,) = export(run_of(model, tokenizer, tmp_path))
    theirs = AutoModelForCausalLM.from_pretrained(written.path)
    assert theirs.config.eos_token_id is None and theirs.generation_config.eos_token_id is None


def test_a_file_that_says_another_thing_does_not_stay(tmp_path, monkeypatch):
    true_files = exporting.huggingface_files

    def lying(*asked):
        files = true_files(*asked)
        config = json.loads(files["config.json"])
        return files | {"config.json": json.dumps(config | {"rms_norm_eps": 0.5}).encode()}

    monkeypatch.setattr(exporting, "huggingface_files", lying)
    model = randomised(family("llama", vocab_size=TOKENIZERS["bpe"].vocab_size))
    with pytest.raises(ExportError, match=r"was not written: read by transformers .* differ"):
        export(run_of(model, TOKENIZERS["bpe"], tmp_path))
    assert list(tmp_path.rglob("*.json")) == []


def test_what_cannot_be_said_is_refused_before_anything_is_written(tmp_path):
    model = randomised(family("gpt2", norm_place="after", vocab_size=TOKENIZERS["bpe"].vocab_size))
    with pytest.raises(ExportError, match=r"norms after the sublayers .* nearest preset"):
        export(run_of(model, TOKENIZERS["bpe"], tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_unknown_formats_are_named(tmp_path):
    tokenizer = TOKENIZERS["bpe"]
    run = run_of(randomised(family("llama", vocab_size=tokenizer.vocab_size)), tokenizer, tmp_path)
    (written,) = export(run, out=tmp_path / "out")
    before = (written.path / "config.json").stat().st_mtime_ns
    with pytest.raises(UsageError, match="is there already"):
        export(run, out=tmp_path / "out")
    assert (written.path / "config.json").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="did you mean 'huggingface'"):
        export(run, "hugging-face")


def test_without_transformers_our_own_import_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr("bardling.interchange.huggingface_check.find_spec", lambda name: None)
    tokenizer = TOKENIZERS["bpe"]
    model = randomised(family("qwen3", vocab_size=tokenizer.vocab_size))
    (written,) = export(run_of(model, tokenizer, tmp_path))
    (check,) = written.checks
    assert check.read_by == "bardling" and "pip install transformers" in check.told


class Hub:
    """Stands for `huggingface_hub.HfApi`."""

    sent: list

    def create_repo(self, repository, exist_ok):
        self.sent.append((repository, exist_ok))

    def upload_folder(self, repo_id, folder_path):
        self.sent.append((repo_id, sorted(path.name for path in folder_path.iterdir())))


def test_a_folder_is_pushed_when_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(Hub, "sent", [], raising=False)
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    tokenizer = TOKENIZERS["bpe"]
    run = run_of(randomised(family("llama", vocab_size=tokenizer.vocab_size)), tokenizer, tmp_path)
    (written,) = export(run, push="ann/verse")
    assert written.address == "ann/verse"
    (made, (sent, names)) = Hub.sent
    assert made == ("ann/verse", True) and sent == "ann/verse" and "model.safetensors" in names


def test_a_push_that_fails_leaves_the_folder_and_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    tokenizer = TOKENIZERS["bpe"]
    run = run_of(randomised(family("llama", vocab_size=tokenizer.vocab_size)), tokenizer, tmp_path)
    with pytest.raises(ExportError, match=r"is written, but could not be sent to ann/verse"):
        export(run, push="ann/verse")
    assert (tmp_path / "exports" / "huggingface" / "config.json").exists()
