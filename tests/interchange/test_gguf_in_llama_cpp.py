"""llama.cpp runs what is exported: the same tokens, the same logits, the same text.

This wants llama-cpp-python, which is compiled where it is installed: `pip install
llama-cpp-python`. Versions that it was seen with: 0.3.36.
"""

from functools import partial

import pytest

import bardling
from bardling.errors import ExportError
from bardling.interchange.exporting import export
from bardling.interchange.family import restate
from bardling.interchange.gguf_check import LlamaCpp, check_gguf
from bardling.interchange.gguf_file import KINDS, write_gguf
from bardling.text.bpe import BPETokenizer
from bardling.text.byte_order import BYTE_ID
from bardling.text.characters import CharacterTokenizer
from bardling.text.pretokenize import LLAMA_CPP
from said_models import CHARACTERS, FAMILIES, TEXT, bpe, characters, gpt2, llama, randomised
from tiny import SETTINGS, write_text

llama_cpp = pytest.importorskip("llama_cpp", reason="llama.cpp: pip install llama-cpp-python")
pytestmark = pytest.mark.slow
opened = partial(LlamaCpp, llama_cpp)

SIZES = {"n_embd": 32, "n_head": 4, "block_size": 256, "batch_size": 4, "budget": "150steps"}
GPT2 = {"position": "learned", "norm": "layernorm", "feedforward": "gelu_tanh", "bias": True}
RUNS = {
    "gpt2": GPT2 | {"qk_norm": False, "qkv_bias": True},
    "llama": {"qk_norm": False, "n_kv_head": 2, "tie_embeddings": False},
    "qwen3": {"head_dim": 16, "n_kv_head": 1},
}
SPANS = (
    "1c89-1c8a a7cb-a7cd a7da-a7dc 105c0-105f3 10d40-10d65 10d6f-10d85 10ec2-10ec4 11380-11389 "
    "1138b-1138b 1138e-1138e 11390-113b5 113b7-113b7 113d1-113d1 113d3-113d3 116d0-116e3 "
    "11bc0-11be0 11bf0-11bf9 13460-143fa 16100-1611d 16130-16139 16d40-16d6c 16d70-16d79 "
    "18cff-18cff 1ccf0-1ccf9 1e5d0-1e5ed 1e5f0-1e5fa"
)
UNICODE_16 = {
    code
    for first, last in (span.split("-") for span in SPANS.split())
    for code in range(int(first, 16), int(last, 16) + 1)
}
"""Letters and numbers that came with it; llama.cpp knows those before."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return trained runs by family and tokenizer; each is trained when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("runs"), {}
    text = write_text(folder, n_lines=2000)

    def run(family: str, tokenizer: str) -> bardling.Run:
        if (family, tokenizer) not in made:
            settings = SETTINGS | SIZES | RUNS[family] | {"tokenizer": tokenizer, "d_ff": 64}
            name = f"{family}-{len(made)}"
            made[family, tokenizer] = bardling.train(text, name=name, runs_dir=folder, **settings)
        return made[family, tokenizer]

    return run


@pytest.mark.parametrize("tokenizer", ["char", "bpe:300", "bpe:300:llama3", "bpe:300:qwen2"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_is_the_same_there(runs, tmp_path, family, tokenizer):
    run = runs(family, tokenizer)
    (found,) = export(run, "gguf", out=tmp_path)
    ours, theirs = found.checks
    assert (ours.largest, ours.loss_difference, ours.unchecked) == (0.0, 0.0, "")
    assert theirs.read_by == f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"
    assert theirs.relative <= (2e-3 if family == "gpt2" else 1e-5)  # GPT-2's GELU is a table there
    assert (theirs.greedy, theirs.written) == (200, 200)
    assert abs(theirs.loss_difference) < 1e-4
    (path,) = found.path.iterdir()
    model = opened(path, 256)._model
    prompt = "thirty"
    answer = model.create_completion(prompt, max_tokens=200, temperature=0.0, repeat_penalty=1.0)
    text = answer["choices"][0]["text"]
    assert text == run.generate(prompt, max_new_tokens=200, temperature=0.0)
    assert len(text) > 100


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("family", FAMILIES)
def test_shorter_weights_run_there(runs, tmp_path, family, kind):
    (found,) = export(runs(family, "char"), "gguf", out=tmp_path, quantization=kind)
    ours, theirs = found.checks
    assert abs(ours.loss_difference - theirs.loss_difference) < 0.01
    assert theirs.loss_difference < {"f16": 1e-3, "q8_0": 1e-2, "q4_0": 0.2}[kind]
    assert theirs.largest < 3 * ours.largest + 0.1


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_random_weights_and_biases(tmp_path, family, tied):
    biased = {"bias": True, "qkv_bias": True} if family == "llama" else {}
    tokenizer = characters(end_token=True)
    sizes = {"vocab_size": tokenizer.vocab_size, "tie_embeddings": tied}
    model = randomised(FAMILIES[family](**sizes, **biased))
    write_gguf(restate(model), tokenizer, tmp_path / "x.gguf", name="x")
    _, theirs = check_gguf(model, tmp_path / "x.gguf", tokenizer, "f32")
    assert theirs.relative <= (5e-3 if family == "gpt2" else 1e-5)


def asked(tokenizer, folder) -> LlamaCpp:
    model = randomised(gpt2(vocab_size=tokenizer.vocab_size))
    write_gguf(restate(model), tokenizer, folder / "x.gguf", name="x")
    return opened(folder / "x.gguf", 24)


@pytest.mark.parametrize(
    "tokenizer",
    [characters(), characters(end_token=True), CharacterTokenizer(characters="abc"), bpe()],
    ids=["characters", "with an end", "without a newline", "bpe"],
)
def test_texts_become_the_same_tokens(tmp_path, tokenizer):
    """Line ends, spaces and whatever is unknown too; the end token's name is text like any."""
    model = asked(tokenizer, tmp_path)
    for text in ("", " ", "\n\n  a", TEXT, CHARACTERS, "<|endoftext|>", TEXT[::-1], "xyzßß\x00é"):
        ids = tokenizer.encode(text, unknown="skip")
        assert model.encode(text) == ids
        assert model._model.detokenize(ids).decode("utf-8") == tokenizer.decode(ids)
    if tokenizer.end_token is not None:
        assert model._model.token_eos() == tokenizer.end_token


def test_the_splits_are_ours_but_for_unicode_16(tmp_path):
    """Byte pairs over every border of classes, so that a split elsewhere gives other tokens.

    llama.cpp's letters and numbers are those of Unicode 15.1, and its 's is no long one.
    """
    near, first, last = b"a1 .\n'sbL\r\t", range(0xC2, 0xF5), range(0x80, 0xC0)
    low = [byte for byte in range(128) if byte not in near]
    pairs = [(a, b) for ones, others in (
        (near, first), (last, near), (last, first), (near, low), (low, near), (near, near)
    ) for a in ones for b in others]  # fmt: skip
    merges = tuple((BYTE_ID[a], BYTE_ID[b]) for a, b in dict.fromkeys(pairs))
    for split in ("gpt2", "llama3", "qwen2"):
        tokenizer = BPETokenizer(merges=merges, split=split)
        model = asked(tokenizer, tmp_path)
        for code in (*range(0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x110000, 97)):
            c = chr(code)
            text = f"a{c}b {c}1{c}1 {c}{c}.{c}.\n{c}\n 's{c}"
            if (tokenizer.encode(text) == model.encode(text)) is (code in UNICODE_16):
                pytest.fail(f"U+{code:04X} in {split}")
        for text in ("it's 'LL\r\n\r\n  'd\t\t x", " \n \n\n  1234567  é", "\u3000 \x85\u2028a"):
            assert tokenizer.encode(text) == model.encode(text)


def test_other_tokens_are_found(tmp_path):
    tokenizer = characters(end_token=True)
    model = randomised(llama(vocab_size=tokenizer.vocab_size))
    other = CharacterTokenizer(characters=CHARACTERS[::-1], has_end_token=True)
    write_gguf(restate(model), other, tmp_path / "x.gguf", name="x")
    with pytest.raises(ExportError, match=r"makes other tokens of a text, \[.*\] instead of \["):
        check_gguf(model, tmp_path / "x.gguf", tokenizer, "f32")


def test_what_llama_cpp_does_not_open_is_no_export(tmp_path, monkeypatch):
    tokenizer = characters()
    model = randomised(llama(vocab_size=tokenizer.vocab_size))
    monkeypatch.setitem(LLAMA_CPP, "qwen2", "unheard-of")
    write_gguf(restate(model), tokenizer, tmp_path / "x.gguf", name="x")
    with pytest.raises(ExportError, match=r"GGUF file was not written: llama\.cpp .* says "):
        check_gguf(model, tmp_path / "x.gguf", tokenizer, "f32")
