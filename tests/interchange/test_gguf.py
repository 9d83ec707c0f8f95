"""What stands in a GGUF file, told by the package's own reader and worked out here by hand."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch

from bardling.config import RunConfig
from bardling.errors import CheckpointError, ExportError, UsageError
from bardling.evaluation.loss import evaluate
from bardling.interchange import gguf_check, gguf_file
from bardling.interchange.exporting import export
from bardling.interchange.family import restate
from bardling.interchange.gguf_check import check_gguf
from bardling.interchange.gguf_file import KINDS, gguf_name, read_gguf, write_gguf
from bardling.interchange.parity import compare, mean_loss
from bardling.model.gpt import GPT
from bardling.run_folder import RunFolder
from bardling.trained import Run
from said_models import FAMILIES, bpe, characters, gpt2, llama, qwen3, randomised

CHARS = characters()
VOCAB = CHARS.vocab_size
F32, F16, Q8_0, Q4_0 = (gguf.GGMLQuantizationType[kind.upper()] for kind in KINDS)


@pytest.fixture(autouse=True)
def without_llama_cpp(monkeypatch):
    """Here the file is judged; llama.cpp is asked in a file of its own."""

    def missing(module: str):
        raise ImportError(module)

    monkeypatch.setattr(gguf_check, "when_needed", missing)


def written(folder: Path, model: GPT, kind: str = "f32", tokenizer=CHARS) -> gguf.GGUFReader:
    write_gguf(restate(model), tokenizer, folder / "x.gguf", kind, name="x", licence="MIT")
    return gguf.GGUFReader(folder / "x.gguf")


def told(reader: gguf.GGUFReader) -> dict:
    return {name: field.contents() for name, field in reader.fields.items()}


def tensors(reader: gguf.GGUFReader) -> dict[str, torch.Tensor]:
    assert {t.tensor_type for t in reader.tensors} == {F32}
    return {t.name: torch.from_numpy(np.array(t.data)) for t in reader.tensors}


def parts(model: GPT, number: int):
    block = model.blocks[number].sublayers
    attention, feedforward = block["attention"], block["feedforward"]
    return attention, attention.transform, feedforward, feedforward.transform.layer


def run_of(model: GPT, folder: Path, tokenizer=CHARS) -> Run:
    config = replace(RunConfig(), model=model.config)
    path = folder / "my run"
    return Run(folder=RunFolder(path), step=7, config=config, model=model, tokenizer=tokenizer)


# --- weights -----------------------------------------------------------------------------------


def test_gpt2_by_hand(tmp_path):
    model = randomised(gpt2(vocab_size=VOCAB))
    found = tensors(written(tmp_path, model))
    expected = {
        "token_embd.weight": model.embedding.weight,
        "position_embd.weight": model.places.weight,
        "output_norm.weight": model.final_norm.weight,
        "output_norm.bias": model.final_norm.bias,
    }
    for number in range(2):
        attention, layer, feedforward, inner = parts(model, number)
        query, key, value = layer.pattern.query, layer.pattern.key, layer.value
        for kind in ("weight", "bias"):
            for name, part in {
                "attn_norm": attention.norm_before,
                "attn_output": layer.output,
                "ffn_norm": feedforward.norm_before,
                "ffn_up": inner.up,
                "ffn_down": inner.down,
            }.items():
                expected[f"blk.{number}.{name}.{kind}"] = getattr(part, kind)
            joined = torch.cat([getattr(part, kind) for part in (query, key, value)])
            expected[f"blk.{number}.attn_qkv.{kind}"] = joined
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def pairs_of(matrix: torch.Tensor, n_head: int) -> torch.Tensor:
    """Put channel i and channel i + half of every head beside each other, row by row."""
    width = len(matrix) // n_head
    rows = []
    for head in range(n_head):
        for i in range(width // 2):
            rows += [matrix[head * width + i], matrix[head * width + i + width // 2]]
    return torch.stack(rows)


@pytest.mark.parametrize(("family", "biased"), [("llama", 0), ("llama", 1), ("qwen3", 0)])
def test_llama_and_qwen3_by_hand(tmp_path, family, biased):
    config = FAMILIES[family](
        vocab_size=VOCAB, tie_embeddings=False, bias=bool(biased), qkv_bias=bool(biased)
    )
    model = randomised(config)
    found = tensors(written(tmp_path, model))
    expected = {
        "token_embd.weight": model.embedding.weight,
        "output_norm.weight": model.final_norm.weight,
        "output.weight": model.output.weight,
    }
    for number in range(2):
        attention, layer, feedforward, inner = parts(model, number)
        query, key = layer.pattern.query, layer.pattern.key
        expected[f"blk.{number}.attn_norm.weight"] = attention.norm_before.weight
        expected[f"blk.{number}.ffn_norm.weight"] = feedforward.norm_before.weight
        if family == "qwen3":
            expected[f"blk.{number}.attn_q_norm.weight"] = layer.pattern.query_norm.weight
            expected[f"blk.{number}.attn_k_norm.weight"] = layer.pattern.key_norm.weight
        for kind in ("weight", "bias") if biased else ("weight",):
            named = {"attn_v": layer.value, "attn_output": layer.output, "ffn_gate": inner.gate}
            named |= {"ffn_up": inner.up, "ffn_down": inner.down}
            for name, part in named.items():
                expected[f"blk.{number}.{name}.{kind}"] = getattr(part, kind)
            for name, part, n_head in (("attn_q", query, 4), ("attn_k", key, 2)):
                rows = getattr(part, kind)
                rows = pairs_of(rows, n_head) if family == "llama" else rows
                expected[f"blk.{number}.{name}.{kind}"] = rows
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_read_back_is_the_model(tmp_path, family, tied):
    model = randomised(FAMILIES[family](vocab_size=VOCAB, tie_embeddings=tied))
    reader = written(tmp_path, model)
    assert ("output.weight" in {t.name for t in reader.tensors}) is not tied
    back = read_gguf(tmp_path / "x.gguf")
    assert (back.family, back.config.tie_embeddings) == (family, tied)
    ids = torch.randint(VOCAB, (2, 24), generator=torch.Generator().manual_seed(1))
    assert torch.equal(back.build()(ids), model(ids))
    (found,) = check_gguf(model, tmp_path / "x.gguf", CHARS, "f32")
    assert (found.largest, found.greedy) == (0.0, 23)
    assert found.unchecked == "whether llama.cpp runs it: pip install llama-cpp-python"


def test_switches_that_no_file_has_are_said_by_weights(tmp_path):
    """Waves, no projection, unscaled scores, shared heads, no biases: all in GPT-2's terms."""
    bare = {"bias": False, "qkv_bias": False, "attention_scale": False, "n_kv_head": 2}
    model = randomised(
        gpt2(vocab_size=VOCAB, position="sinusoidal_scaled", attention_output=False, **bare)
    )
    found = tensors(written(tmp_path, model))
    assert torch.equal(found["position_embd.weight"], model.places.table)
    assert torch.equal(found["blk.1.attn_output.weight"], torch.eye(32))
    assert not found["blk.0.ffn_up.bias"].any()
    (parity,) = check_gguf(model, tmp_path / "x.gguf", CHARS, "f32")
    assert parity.relative <= 1e-5


def test_the_exact_gelu_is_said_by_the_tanh_form(tmp_path):
    """No file can say which it is; they are nearer than llama.cpp's own table of the latter."""
    model = randomised(gpt2(vocab_size=VOCAB, feedforward="gelu"), std=0.1)
    written(tmp_path, model)
    assert read_gguf(tmp_path / "x.gguf").config.feedforward == "gelu_tanh"
    (found,) = check_gguf(model, tmp_path / "x.gguf", CHARS, "f32")
    assert 1e-5 < found.relative < 2e-3


# --- metadata ----------------------------------------------------------------------------------

GENERAL = {
    "general.type": "model",
    "general.name": "x",
    "general.license": "MIT",
    "general.file_type": 0,
    "general.quantization_version": 2,
}


def own(found: dict, family: str) -> dict:
    assert found["general.architecture"] == family
    assert {name: found[name] for name in GENERAL} == GENERAL
    return {
        name.removeprefix(f"{family}."): value
        for name, value in found.items()
        if name.startswith(f"{family}.")
    }


def test_the_sizes_of_gpt2(tmp_path):
    found = told(written(tmp_path, randomised(gpt2(vocab_size=VOCAB))))
    assert found["general.size_label"] == "24K"
    assert own(found, "gpt2") == {
        "vocab_size": VOCAB,
        "context_length": 24,
        "embedding_length": 32,
        "block_count": 2,
        "feed_forward_length": 96,
        "attention.head_count": 4,
        "attention.layer_norm_epsilon": np.float32(1e-5),
    }


def test_the_sizes_of_llama_and_qwen3(tmp_path):
    sizes = {
        "vocab_size": VOCAB,
        "context_length": 24,
        "embedding_length": 32,
        "block_count": 2,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
    }
    found = told(written(tmp_path, randomised(llama(vocab_size=VOCAB))))
    assert own(found, "llama") == sizes | {
        "feed_forward_length": 64,
        "attention.key_length": 8,
        "attention.value_length": 8,
        "attention.layer_norm_rms_epsilon": np.float32(1e-6),
        "rope.dimension_count": 8,
        "rope.freq_base": 10000.0,
    }
    found = told(written(tmp_path, randomised(qwen3(vocab_size=VOCAB))))
    assert own(found, "qwen3") == sizes | {
        "feed_forward_length": 96,
        "attention.key_length": 16,
        "attention.value_length": 16,
        "attention.layer_norm_rms_epsilon": np.float32(1e-4),
        "rope.dimension_count": 16,
        "rope.freq_base": 500.0,
    }
    assert read_gguf(tmp_path / "x.gguf").config.norm_eps == 1e-4


def test_an_unknown_licence_is_not_one(tmp_path):
    model = randomised(gpt2(vocab_size=VOCAB))
    write_gguf(restate(model), CHARS, tmp_path / "x.gguf", name="x")
    assert "general.license" not in told(gguf.GGUFReader(tmp_path / "x.gguf"))


# --- shorter weights ---------------------------------------------------------------------------


def types(reader: gguf.GGUFReader) -> dict:
    return {t.name: t.tensor_type for t in reader.tensors}


@pytest.mark.parametrize(("kind", "type_", "number"), [("q8_0", Q8_0, 7), ("f16", F16, 1)])
def test_matrices_are_shortened_and_nothing_else(tmp_path, kind, type_, number):
    reader = written(tmp_path, randomised(gpt2(vocab_size=VOCAB)), kind)
    assert told(reader)["general.file_type"] == number
    for name, found in types(reader).items():
        whole = "norm" in name or name.endswith(".bias") or name == "position_embd.weight"
        assert found == (F32 if whole else type_), name


@pytest.mark.parametrize("tied", [True, False])
def test_q4_0_spares_what_makes_the_logits(tmp_path, tied):
    config = llama(vocab_size=VOCAB, tie_embeddings=tied)
    reader = written(tmp_path, randomised(config), "q4_0")
    found = types(reader)
    assert told(reader)["general.file_type"] == 2
    assert found["blk.0.attn_q.weight"] == found["blk.1.ffn_down.weight"] == Q4_0
    assert found["token_embd.weight"] == (Q8_0 if tied else Q4_0)
    assert found.get("output.weight") == (None if tied else Q8_0)


@pytest.mark.parametrize("kind", ["q8_0", "q4_0"])
def test_rows_that_no_block_fits_are_float16(tmp_path, kind):
    found = types(written(tmp_path, randomised(llama(vocab_size=VOCAB, d_ff=40)), kind))
    assert found["blk.0.ffn_down.weight"] == F16
    assert found["blk.0.ffn_up.weight"] == (Q8_0 if kind == "q8_0" else Q4_0)


def test_the_bytes_of_blocks_mean_the_weights(tmp_path):
    """Blocks of 32: a scale in float16, then bytes, or nibbles of which eight is taken away."""
    model = randomised(qwen3(vocab_size=VOCAB))
    *_, inner = parts(model, 0)
    rows = inner.down.weight.detach().numpy().reshape(-1, 32)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    for kind, size in (("q8_0", 34), ("q4_0", 18)):
        reader = written(tmp_path, model, kind)
        (tensor,) = (t for t in reader.tensors if t.name == "blk.0.ffn_down.weight")
        blocks = np.array(tensor.data).reshape(-1, size)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        if kind == "q8_0":
            numbers = blocks[:, 2:].copy().view(np.int8).astype(np.float32)
            off = largest / 127 * (0.5 + 127 / 2**11)  # the scale is rounded too
        else:
            nibbles = np.concatenate((blocks[:, 2:] & 15, blocks[:, 2:] >> 4), axis=1)
            numbers = nibbles.astype(np.float32) - 8
            off = largest / 8 * 1.01
        assert (np.abs(scale * numbers - rows) <= off).all()


@pytest.mark.parametrize("kind", ["f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("family", FAMILIES)
def test_how_far_shorter_weights_are_off_is_told(tmp_path, family, kind):
    model = randomised(FAMILIES[family](vocab_size=VOCAB), std=0.1)
    written(tmp_path, model, kind)
    tokens = np.array(CHARS.encode("a cab, a bad cab!\n" * 20, unknown="skip"))
    (found,) = check_gguf(model, tmp_path / "x.gguf", CHARS, kind, tokens=tokens)
    assert found.largest > 0
    assert 0 < abs(found.loss_difference) < {"f16": 1e-3, "q8_0": 1e-2, "q4_0": 0.3}[kind]


def test_a_weight_that_is_further_off_is_found(tmp_path, monkeypatch):
    model = randomised(llama(vocab_size=VOCAB))
    write_gguf(restate(model), CHARS, tmp_path / "x.gguf", "q4_0", name="x")
    with torch.no_grad():
        model.blocks[1].sublayers["feedforward"].transform.layer.up.weight[3, 5] += 0.5
    message = r"blk\.1\.ffn_up\.weight is off by up to .*, more than rounding to q4_0 explains"
    with pytest.raises(ExportError, match=message):
        check_gguf(model, tmp_path / "x.gguf", CHARS, "q4_0")


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bend", ["relu", "gelu_sigmoid"])
def test_other_activations_are_refused(tmp_path, bend):
    run = run_of(randomised(gpt2(vocab_size=VOCAB, feedforward=bend)), tmp_path)
    with pytest.raises(ExportError, match=f"GPT-2 has no {bend}, only gelu_tanh: train with"):
        export(run, "gguf")
    assert not (run.folder.path / "exports" / "gguf").exists()


def test_the_tokenizer_is_the_models(tmp_path):
    run = run_of(randomised(gpt2(vocab_size=VOCAB + 1)), tmp_path)
    with pytest.raises(ExportError, match=f"has {VOCAB} tokens, and the model {VOCAB + 1}"):
        export(run, "gguf")


def test_a_file_that_says_another_thing_does_not_stay(tmp_path, monkeypatch):
    run = run_of(randomised(llama(vocab_size=VOCAB)), tmp_path)
    to_gguf = gguf_file.to_gguf

    def swapped(said):
        found = to_gguf(said)
        names = "blk.0.attn_k.weight", "blk.0.attn_v.weight"
        return found | dict(zip(names, (found[name] for name in reversed(names)), strict=True))

    monkeypatch.setattr(gguf_file, "to_gguf", swapped)
    with pytest.raises(ExportError, match=r"gguf: the GGUF file was not written: its blk\.0\.attn"):
        export(run, "gguf")
    assert not (run.folder.path / "exports" / "gguf").exists()


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    run = run_of(randomised(llama(vocab_size=VOCAB)), tmp_path)
    message = r"gguf needs gguf: pip install 'bardling\[export\]'"
    with pytest.raises(UsageError, match=message):
        export(run, "gguf")


def test_more_layers_than_llama_cpp_runs(tmp_path):
    run = run_of(GPT(llama(vocab_size=VOCAB, n_layer=513, n_embd=8, d_ff=1)), tmp_path)
    with pytest.raises(ExportError, match="runs 512 layers at most, and this model has 513"):
        export(run, "gguf")


def test_words_that_mean_nothing(tmp_path):
    run = run_of(randomised(llama(vocab_size=VOCAB)), tmp_path)
    with pytest.raises(UsageError, match="'q8' is no kind of GGUF file, did you mean 'q8_0'"):
        export(run, "gguf", quantization="q8")
    with pytest.raises(UsageError, match="'huggingface' has no f16; take gguf, or leave it at f32"):
        export(run, "huggingface", quantization="f16")
    assert not run.folder.path.exists()


@pytest.mark.parametrize("size", [0, 3, 20, 400, 5000, -2000])
def test_a_damaged_file_is_refused(tmp_path, size):
    path = tmp_path / "x.gguf"
    written(tmp_path, randomised(llama(vocab_size=VOCAB)))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="is no GGUF file of ours"):
        read_gguf(path)


def test_files_of_others_are_refused(tmp_path):
    path = tmp_path / "x.gguf"
    reader = written(tmp_path, randomised(llama(vocab_size=VOCAB)))
    data, name = path.read_bytes(), b"blk.0.ffn_up.weight"
    path.write_bytes(data.replace(name, b"blk.0.ffn_xy.weight"))
    with pytest.raises(CheckpointError, match=r"'blk\.0\.ffn_up\.weight' is missing, or has no pl"):
        read_gguf(path)
    path.write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0mamba"))
    with pytest.raises(CheckpointError, match=r"'mamba'.*KeyError"):
        read_gguf(path)
    key = b"llama.attention.key_length"
    place = data.index(key) + len(key) + 4
    path.write_bytes(data[:place] + b"\x10" + data[place + 1 :])
    with pytest.raises(CheckpointError, match=r"attn_q\.weight has shape \[32, 32\], which does"):
        read_gguf(path)
    assert len(reader.tensors) == 3 + 2 * 9 - 1


# --- where llama.cpp is installed ---------------------------------------------------------------


class Imitation:
    """What is called of llama_cpp.Llama, by our own reader."""

    def __init__(self, path: str, *, n_ctx: int, **how) -> None:
        assert how["type_k"] == how["type_v"] == 0 and not how["flash_attn"]
        assert (how["n_batch"], how["logits_all"], how["verbose"]) == (n_ctx, True, False)
        self.model = read_gguf(Path(path)).build()

    def reset(self) -> None:
        self.scores = None

    @torch.no_grad()
    def eval(self, ids: list[int]) -> None:
        self.scores = self.model(torch.tensor([ids]))[0].numpy()

    def tokenize(self, text: bytes, *, add_bos: bool, special: bool) -> list[int]:
        assert add_bos and not special
        return CHARS.encode(text.decode(), unknown="skip")


def installed(monkeypatch, model: type) -> None:
    library = SimpleNamespace(Llama=model, GGML_TYPE_F32=0, __version__="0")
    monkeypatch.setattr(gguf_check, "when_needed", lambda module: library)


def test_llama_cpp_is_asked_too(tmp_path, monkeypatch):
    installed(monkeypatch, Imitation)
    model = randomised(llama(vocab_size=VOCAB))
    written(tmp_path, model)
    ours, theirs = check_gguf(model, tmp_path / "x.gguf", CHARS, "f32")
    assert (ours.read_by, ours.unchecked) == ("bardling", "")
    assert (theirs.read_by, theirs.unchecked) == ("llama.cpp (llama-cpp-python 0)", "")
    assert theirs.relative <= 1e-6
    assert theirs.greedy == theirs.written == 23


def test_other_tokens_or_logits_there_are_refused(tmp_path, monkeypatch):
    model = randomised(llama(vocab_size=VOCAB))
    written(tmp_path, model)

    class Other(Imitation):
        def tokenize(self, text: bytes, **how) -> list[int]:
            return [VOCAB - 1, *super().tokenize(text, **how)]

    installed(monkeypatch, Other)
    with pytest.raises(ExportError, match=rf"makes other tokens of a text, \[{VOCAB - 1}, .* 0$"):
        check_gguf(model, tmp_path / "x.gguf", CHARS, "f32")

    class Off(Imitation):
        def eval(self, ids: list[int]) -> None:
            super().eval(ids)
            self.scores = self.scores + 0.1

    installed(monkeypatch, Off)
    with pytest.raises(
        ExportError, match=r"read by llama\.cpp .*, its logits differ by up to 0\.1 \("
    ):
        check_gguf(model, tmp_path / "x.gguf", CHARS, "f32")

    class Refusing(Imitation):
        def __init__(self, path: str, **how) -> None:
            raise ValueError("Failed to load model")

    installed(monkeypatch, Refusing)
    with pytest.raises(ExportError, match=r"llama-cpp-python 0\) says 'Failed to load model'"):
        check_gguf(model, tmp_path / "x.gguf", CHARS, "f32")


# --- a run's export ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_run(tmp_path, kind):
    model = randomised(qwen3(vocab_size=300), std=0.1)
    run = run_of(model, tmp_path, bpe())
    (found,) = export(run, "gguf", quantization=kind, licence="MIT")
    path = tmp_path / "my run" / "exports" / "gguf" / f"my-run-41K-{kind.upper()}.gguf"
    assert [*found.path.iterdir()] == [path]
    assert found.n_bytes == path.stat().st_size
    assert gguf_name("a b", restate(model), kind) == f"a-b-41K-{kind.upper()}.gguf"
    (parity,) = found.checks
    assert (parity.read_by, parity.loss_difference) == ("bardling", None)
    assert told(gguf.GGUFReader(path))["general.name"] == "my run"


def test_the_loss_is_that_of_an_evaluation():
    model = randomised(llama(vocab_size=VOCAB))
    tokens = np.array(CHARS.encode("a cab, a bad cab!\n" * 20, unknown="skip"))
    expected = evaluate(model, tokens, batch_size=3).loss
    assert mean_loss(model, tokens, 24) == pytest.approx(expected, rel=1e-6)
    some = mean_loss(model, tokens, 24, max_tokens=48)
    assert some == pytest.approx(evaluate(model, tokens, batch_size=3, max_tokens=48).loss)
    assert some != pytest.approx(expected, rel=1e-3)
    assert compare(model, model, read_by="itself", tokens=tokens[:1]).loss_difference is None


def test_losses_are_compared_on_what_was_kept_back(tmp_path, monkeypatch):
    tokens = np.array(CHARS.encode("a cab, a bad cab!\n" * 20, unknown="skip"))
    monkeypatch.setattr(Run, "kept_back", lambda run: tokens)
    run = run_of(randomised(llama(vocab_size=VOCAB)), tmp_path)
    (found,) = export(run, "gguf", out=tmp_path / "out")
    assert found.checks[0].loss_difference == 0.0
    assert found.path == tmp_path / "out" / "gguf"
