"""An exported ONNX file says what the model says, in any number of goes, and as others call it.

transformers' model, loaded from our other export, is the judge beside our own. transformers.js
itself, which needs node, is not run here; what it hands to a file is imitated.
"""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from bardling.data.token_folder import Index, write_index, write_split
from bardling.errors import ExportError, UsageError
from bardling.generation.decode import decode
from bardling.generation.sampling import Greedy
from bardling.interchange import exporting, onnx_graph
from bardling.interchange.exporting import export
from bardling.interchange.family import restate
from bardling.interchange.huggingface import huggingface_files
from bardling.interchange.onnx_check import logits_in_goes, nothing_kept, open_session, read_on
from bardling.interchange.onnx_files import MODEL, QUANTIZED, onnx_files
from bardling.interchange.onnx_graph import onnx_model
from bardling.model.gpt import GPT
from bardling.text.characters import CharacterTokenizer
from families import TEXT, TOKENIZERS, family, randomised, run_of

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ALPHABET = CharacterTokenizer.train(["abcdefghijklmnopqrstuvwxyz .\n"])
BPE = TOKENIZERS["bpe"]
NAMES = ("gpt2", "llama", "qwen3")
VOCAB, BLOCK = ALPHABET.vocab_size, 16
CASES = {
    **{name: family(name) for name in NAMES},
    **{f"{name}, untied": family(name, tie_embeddings=False) for name in NAMES},
    "llama, a head for each": family("llama", n_kv_head=4),
    "llama, one head for all": family("llama", n_kv_head=1),
    "llama with biases": family("llama", bias=True, qkv_bias=True),
    "qwen3, a head for each": family("qwen3", n_kv_head=4),
    "gpt2, relu": family("gpt2", feedforward="relu"),
    "gpt2, gelu": family("gpt2", feedforward="gelu"),
    "gpt2, gelu_sigmoid": family("gpt2", feedforward="gelu_sigmoid"),
    "gpt2, restated": family("gpt2", position="sinusoidal_scaled", n_kv_head=2, bias=False),
}


def graph_of(name: str, **sizes):
    return onnx_model(restate(randomised(family(name, **sizes))))


def opened(model: GPT, folder):
    """Return the float32 file of a model, ready to run."""
    path = folder / "model.onnx"
    path.write_bytes(onnx_model(restate(model)).SerializeToString())
    return open_session(path)[0]


def loaded_by_transformers(model: GPT, folder):
    folder.mkdir()
    for name, data in huggingface_files(restate(model), ALPHABET, "").items():
        (folder / name).write_bytes(data)
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def random_ids(*shape: int) -> torch.Tensor:
    return torch.randint(VOCAB, shape, generator=torch.Generator().manual_seed(3))


def read(session, ids: torch.Tensor) -> torch.Tensor:
    """Return the logits of a text that is read in one go."""
    return torch.from_numpy(read_on(session, ids.numpy(), nothing_kept(session, len(ids)))[0])


def greedy(session, ids: torch.Tensor, count: int) -> list[int]:
    """Return what a file writes, a token a go."""
    written, kept, new = [], nothing_kept(session, 1), ids.numpy()
    for _ in range(count):
        logits, kept = read_on(session, new, kept)
        new = logits[:, -1:].argmax(axis=-1)
        written.append(int(new[0, 0]))
    return written


def with_validation(run):
    """Give a run a text that it kept back."""
    ids = np.array(run.tokenizer.encode(TEXT), dtype=np.uint16)
    shards = {name: write_split(run.folder.tokens_path, name, [ids], run.tokenizer)
              for name in ("train", "val")}  # fmt: skip
    write_index(run.folder.tokens_path, Index(tokenizer_sha256=run.tokenizer.sha256, shards=shards))
    return run


@pytest.mark.parametrize("config", CASES.values(), ids=CASES)
def test_the_logits_are_ours_and_those_of_transformers(config, tmp_path):
    assert config.vocab_size == VOCAB and config.block_size == BLOCK
    model = randomised(config)
    session, theirs = opened(model, tmp_path), loaded_by_transformers(model, tmp_path / "theirs")
    for length in (1, 5, BLOCK):
        ids = random_ids(3, length)
        with torch.no_grad():
            found, ours, judge = read(session, ids), model(ids), theirs(input_ids=ids).logits
        assert ours.std() > 0.3  # equal logits should mean something
        assert (found - ours).abs().max() <= 1e-5
        assert (found - judge).abs().max() <= 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_text_may_be_read_in_any_number_of_goes(name, tmp_path):
    session = opened(randomised(family(name)), tmp_path)
    ids = random_ids(2, BLOCK)
    whole = read(session, ids)
    for cuts in ((0, 1, 16), (0, 7, 9, 16), tuple(range(17))):
        kept, parts = nothing_kept(session, 2), []
        for start, end in pairwise(cuts):
            logits, kept = read_on(session, ids.numpy()[:, start:end], kept)
            parts.append(torch.from_numpy(logits))
        assert all(array.shape[2] == BLOCK for array in kept.values())
        torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=5e-6, rtol=0)
    torch.testing.assert_close(logits_in_goes(session, ids), whole, atol=5e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_padding_on_the_left_changes_nothing(name, tmp_path):
    """The places are those that transformers.js makes out of the mask: 1 where it is 0."""
    session, ids, n_padded, n_first = (
        opened(randomised(family(name)), tmp_path),
        random_ids(1, 9),
        4,
        7,
    )
    alone = read(session, ids)[0]
    other = random_ids(1, 13)
    batch = torch.cat((torch.cat((torch.full((1, n_padded), 5), ids), dim=1), other)).numpy()
    mask = np.ones((2, 13), dtype=np.int64)
    mask[0, :n_padded] = 0
    places = np.where(mask == 0, 1, mask.cumsum(axis=1) - 1)
    kept, found = nothing_kept(session, 2), []
    names = [output.name for output in session.get_outputs()]
    for part in (slice(0, n_first), slice(n_first, 13)):
        fed = {
            "input_ids": batch[:, part],
            "attention_mask": mask[:, : part.stop],
            "position_ids": places[:, part],
        }
        out = dict(zip(names, session.run(names, fed | kept)))
        found.append(torch.from_numpy(out.pop("logits")))
        kept = {n.replace("present", "past_key_values"): array for n, array in out.items()}
    logits = torch.cat(found, dim=1)
    assert logits.isfinite().all()
    torch.testing.assert_close(logits[0, n_padded:], alone, atol=5e-6, rtol=0)
    torch.testing.assert_close(logits[1], read(session, other)[0], atol=5e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "heads", "channels"), [("gpt2", 4, 6), ("llama", 2, 6), ("qwen3", 2, 8)]
)
def test_inputs_and_outputs_are_those_that_transformers_js_hands_in(
    name, heads, channels, tmp_path
):
    """By these names, in these kinds; it gives what the file calls batch_size, and 0 elsewhere."""
    session = opened(randomised(family(name)), tmp_path)
    both = "past_sequence_length + sequence_length"
    past = ["batch_size", heads, "past_sequence_length", channels]
    inputs = {
        "input_ids": (["batch_size", "sequence_length"], "tensor(int64)"),
        "attention_mask": (["batch_size", both], "tensor(int64)"),
        "position_ids": (["batch_size", "sequence_length"], "tensor(int64)"),
    }
    outputs = {"logits": (["batch_size", "sequence_length", VOCAB], "tensor(float)")}
    for layer in range(2):
        for kind in ("key", "value"):
            inputs[f"past_key_values.{layer}.{kind}"] = past, "tensor(float)"
            outputs[f"present.{layer}.{kind}"] = [*past[:2], both, channels], "tensor(float)"
    assert {i.name: (i.shape, i.type) for i in session.get_inputs()} == inputs
    assert {o.name: (o.shape, o.type) for o in session.get_outputs()} == outputs


@pytest.mark.parametrize("config", CASES.values(), ids=CASES)
def test_the_graph_is_valid_old_and_readable(config):
    model = onnx_model(restate(randomised(config)))
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    nodes = model.graph.node
    assert max(Counter(node.name for node in nodes).values()) == 1
    places = {node.name.split("/")[0] for node in nodes}
    turning = {"rotation"} if config.position == "rotary" else set()
    assert places == {
        "embedding", "visible", "block.0", "block.1", "final_norm", "output", *turning
    }  # fmt: skip
    assert {"block.1/attention/scores", "block.1/feedforward/residual"} <= {n.name for n in nodes}
    used = {name for node in nodes for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= used


@pytest.mark.parametrize("name", NAMES)
def test_a_tied_matrix_is_there_once(name):
    sizes = {}
    for tied in (True, False):
        graph = graph_of(name, tie_embeddings=tied).graph
        sizes[tied] = sum(int(np.prod(t.dims)) for t in graph.initializer if "weight" in t.name)
    assert sizes[False] - sizes[True] == VOCAB * family(name).n_embd


def test_a_place_beyond_the_context_is_refused(tmp_path):
    session = opened(randomised(family("llama")), tmp_path)
    with pytest.raises(Exception, match="out of data bounds"):
        read(session, random_ids(1, BLOCK + 1))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_the_folder_is_whole_and_checked(name, tied, tmp_path):
    config = family(name, vocab_size=BPE.vocab_size, block_size=224, tie_embeddings=tied)
    model = randomised(config)
    (written,) = export(with_validation(run_of(model, BPE, tmp_path / "run")), "onnx")
    files = {str(p.relative_to(written.path)) for p in written.path.rglob("*") if p.is_file()}
    assert files == {
        "README.md", "config.json", "generation_config.json", "tokenizer.json",
        "tokenizer_config.json", MODEL, QUANTIZED,
    }  # fmt: skip
    exact, rounded = written.checks
    assert exact.relative <= 1e-5 and exact.greedy == exact.written == 200
    assert abs(exact.loss_difference) <= 1e-5
    assert 1e-4 < rounded.relative <= 0.4 and abs(rounded.loss_difference) <= 0.05
    assert "the loss is +0.0000" in exact.told or "the loss is -0.0000" in exact.told
    assert MODEL in exact.read_by and QUANTIZED in rounded.read_by

    session, _ = open_session(written.path / MODEL)
    start = torch.tensor([BPE.encode(TEXT)[:8]])
    ours = torch.stack(list(decode(model, start, Greedy(), max_new_tokens=200, seeds=[0])), dim=1)
    assert greedy(session, start, 200) == ours[0].tolist()

    card = (written.path / "README.md").read_text()
    assert 'library_name: "transformers.js"' in card and "224 tokens" in card
    config = json.loads((written.path / "config.json").read_text())
    assert config["model_type"] == name and config["vocab_size"] == BPE.vocab_size


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_in_eight_bits_are_the_matrices_and_nothing_else(name, tied):
    said = restate(randomised(family(name, tie_embeddings=tied)))
    model = onnx.load_from_string(onnx_files(said)[QUANTIZED])
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    matrices = {
        kind: {
            t.name: t for t in model.graph.initializer if t.data_type == kind and len(t.dims) == 2
        }
        for kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    }
    floats, signed, unsigned = matrices.values()
    tables = {"gpt2": {"embedding/table"}}
    assert floats.keys() == tables.get(name, {"rotation/cos/table", "rotation/sin/table"})
    assert len(signed) == {"gpt2": 6}.get(name, 7) * 2 + (not tied)
    assert unsigned.keys() == {"embedding/weight_quantized"}
    for tensor in signed.values():  # of 7 bits, with which nothing overflows
        assert np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max() == 64


def test_a_run_without_a_text_is_exported_without_a_loss(tmp_path):
    (written,) = export(run_of(randomised(family("llama")), ALPHABET, tmp_path), "onnx")
    assert all(check.loss_difference is None for check in written.checks)


def test_more_than_a_file_can_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_graph, "MOST_BYTES", 20_000)
    with pytest.raises(ExportError, match="one ONNX file holds at most 20,000"):
        export(run_of(randomised(family("llama")), ALPHABET, tmp_path), "onnx")
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("which", [MODEL, QUANTIZED])
def test_a_file_that_says_another_thing_does_not_stay(which, tmp_path, monkeypatch):
    model, other = (randomised(family("qwen3"), seed) for seed in (1, 2))
    wrong = onnx_files(restate(other))[which]
    monkeypatch.setattr(exporting, "onnx_files", lambda said: onnx_files(said) | {which: wrong})
    with pytest.raises(ExportError, match=f"{which} was not written: read by onnxruntime"):
        export(run_of(model, ALPHABET, tmp_path), "onnx")
    assert list((tmp_path / "exports").iterdir()) == []


def test_without_the_library_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("bardling.extras.import_module", missing)
    with pytest.raises(UsageError, match=r"onnx needs onnx: pip install 'bardling\[export\]'"):
        export(run_of(randomised(family("llama")), ALPHABET, tmp_path), "onnx")
