"""Tokenizers in the files of others: read with the ids that they have there, or refused."""

import json
from base64 import b64encode

import pytest
import tiktoken
import tokenizers
from tiktoken.load import load_tiktoken_bpe
from tokenizers import decoders, models, pre_tokenizers, trainers

from bardling.data.known import find
from bardling.data.pretrained import GPT2_MERGES, GPT2_VOCAB, gpt2_tokenizer
from bardling.data.stories.corpus import stories
from bardling.errors import CorpusError, TokenizerError
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_files import read_gpt2_files, read_ranks, write_ranks
from bardling.text.pretokenize import PATTERNS
from bardling.text.tokenizer_file import load_tokenizer

TALES = stories(0, 40)
TEXTS = [*TALES[:5], "naïve\n\n  123 <|endoftext|> \x00"]


@pytest.fixture(scope="module")
def trained():
    return BPETokenizer.train(TALES, vocab_size=400, end_token=True)


def gpt2_files(tokenizer) -> tuple[bytes, bytes]:
    model = tokenizer.to_json()["model"]
    vocab = model["vocab"] | tokenizer.special_tokens
    lines = ["#version: 0.2", *(" ".join(merge) for merge in model["merges"]), ""]
    return json.dumps(vocab).encode(), "\n".join(lines).encode()


def test_gpt2_s_two_files(trained, tmp_path):
    vocab, merges = gpt2_files(trained)
    assert read_gpt2_files(vocab, merges) == trained
    assert read_gpt2_files(vocab, merges.replace(b"\n", b"\r\n")) == trained
    (tmp_path / "vocab.json").write_bytes(vocab)
    (tmp_path / "merges.txt").write_bytes(merges)
    assert load_tokenizer(tmp_path) == trained


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v, m: (b"[]", m), "vocab.json has to be an object"),
        (lambda v, m: (b"{", m), "vocab.json"),
        (lambda v, m: (v, m + b"alone\n"), "line 145 of merges.txt is 'alone'"),
        (lambda v, m: (v, m + b"\xff"), "merges.txt is not UTF-8"),
        (lambda v, m: (v, m + "Ġ! Ġ!\n".encode()), "merged before they are made"),
        (lambda v, m: (v.replace(b'"!"', b'"Q!Q!"'), m), "no merge makes 'Q!Q!'"),
        (lambda v, m: (v, m[:-12]), "no merge makes"),
    ],
)
def test_gpt2_files_that_do_not_fit_are_refused(trained, change, said):
    with pytest.raises(TokenizerError, match=said):
        read_gpt2_files(*change(*gpt2_files(trained)))


def test_ranks_are_tiktoken_s(trained, tmp_path):
    path = tmp_path / "own.tiktoken"
    path.write_bytes(write_ranks(trained))
    ranks = load_tiktoken_bpe(str(path))
    theirs = tiktoken.Encoding(
        "own", pat_str=PATTERNS["gpt2"], mergeable_ranks=ranks, special_tokens={}
    )
    for text in TEXTS:
        assert theirs.encode_ordinary(text) == trained.encode(text)
    assert read_ranks(path.read_bytes(), special=trained.special_tokens) == trained
    assert load_tokenizer(path).merges == trained.merges


def rank_line(token: bytes, rank: int) -> bytes:
    return b64encode(token) + f" {rank}\n".encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d[:-2], "line 399 of the ranks|has rank"),
        (lambda d: d + b"!!! 400\n", "line 400 of the ranks is"),
        (lambda d: d + rank_line(b"zq", 500), "line 400 of the ranks has rank 500"),
        (lambda d: d + rank_line(b"!", 399), "line 400 of the ranks has rank 399"),
        (lambda d: d + rank_line(b"zqj", 399), "do not make two parts of it"),
        (lambda d: b"".join(d.splitlines(True)[:-200]), "has no token for the byte"),
        (lambda d: b"", "has no token for the byte 0x00"),
    ],
)
def test_ranks_that_are_none_are_refused(trained, change, said):
    with pytest.raises(TokenizerError, match=said.replace("has no", "have no")):
        read_ranks(change(write_ranks(trained)))


def foreign(**options):
    """Train Hugging Face's own tokenizer, special tokens first, as its course does."""
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = options.get(
        "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    theirs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|endoftext|>", "<|user|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(TALES, trainer)
    return theirs


@pytest.mark.parametrize("split", PATTERNS)
def test_a_tokenizer_of_others_keeps_its_ids(split, tmp_path):
    by_pattern = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PATTERNS[split]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    theirs = foreign(pre_tokenizer=by_pattern)
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = load_tokenizer(tmp_path)
    assert isinstance(ours, BPETokenizer) and ours.split == split
    assert ours.special_tokens == {"<|endoftext|>": 0, "<|user|>": 1}
    assert (ours.end_token, ours.vocab_size) == (0, theirs.get_vocab_size())
    for text in TEXTS:
        expected = [i for part in text.split("<|endoftext|>") for i in theirs.encode(part).ids]
        found = [i for part in text.split("<|endoftext|>") for i in ours.encode(part)]
        assert found == expected and theirs.decode(found) == text.replace("<|endoftext|>", "")
        assert ours.decode([0, *ours.encode(text), 1]) == text
    copied = tokenizers.Tokenizer.from_str(json.dumps(ours.to_json()))
    assert copied.get_vocab() == theirs.get_vocab()
    assert copied.encode("so <|user|> it is").ids == theirs.encode("so <|user|> it is").ids
    again = BPETokenizer.from_json(json.loads(json.dumps(ours.to_json())))
    assert again == ours and again.sha256 == ours.sha256


def test_merges_may_be_written_as_in_older_files(trained):
    value = json.loads(json.dumps(trained.to_json()))
    value["model"]["merges"] = [" ".join(merge) for merge in value["model"]["merges"]]
    del value["model"]["ignore_merges"], value["version"], value["pre_tokenizer"]["use_regex"]
    assert BPETokenizer.from_json(value) == trained


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(normalizer={"type": "NFC"}), "'normalizer' changes what a text"),
        (lambda v: v.update(truncation={"max_length": 3}), "'truncation' changes what a text"),
        (lambda v: v.update(padding={"pad_id": 3}), "'padding' changes what a text"),
        (lambda v: v["added_tokens"][0].update(id=2**40), "from 0 to 16,777,215"),
        (lambda v: v["model"].update(dropout=0.1), "'dropout' in its model is 0.1"),
        (lambda v: v["model"].update(novelty=1), "'novelty' in its model"),
        (lambda v: v["pre_tokenizer"].update(add_prefix_space=True), "adds no space before"),
        (lambda v: v["added_tokens"][0].update(special=False), "is taken out of any text"),
        (lambda v: v["added_tokens"].append(5), "5 is no added token"),
        (lambda v: v["model"]["vocab"].update({"zqj": 999}), r"differ in b'zqj'$"),
        (lambda v: v["model"]["vocab"].update({"你": 999}), "not how a byte-level BPE writes"),
        (lambda v: v["model"]["vocab"].update({"!": 5}), "as many different ids"),
    ],
)
def test_what_would_give_other_ids_is_refused(trained, change, said):
    value = json.loads(json.dumps(trained.to_json()))
    change(value)
    with pytest.raises(TokenizerError, match=said):
        BPETokenizer.from_json(value)


def test_an_unknown_pattern_is_refused_by_name(trained):
    value = BPETokenizer.train(TALES, vocab_size=300, split="qwen2").to_json()
    value["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\d+"
    with pytest.raises(TokenizerError, match="pattern that is not built in: gpt2, llama3, qwen2"):
        BPETokenizer.from_json(value)


def test_without_a_network_gpt2_s_files_have_a_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BARDLING_DATA", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    place = tmp_path / "bardling" / "gpt2" / "vocab.json"
    with pytest.raises(CorpusError, match=f"put the file at {place} by hand"):
        gpt2_tokenizer()


def test_gpt2_gives_gpt2_s_ids():
    """Where its files are at hand; the ids are those of the published encoder."""
    if not (find(GPT2_VOCAB) and find(GPT2_MERGES)):
        pytest.skip("GPT-2's vocab.json and merges.txt are not in BARDLING_DATA/gpt2")
    gpt2 = gpt2_tokenizer()
    assert (gpt2.vocab_size, gpt2.end_token) == (50_257, 50_256)
    assert gpt2.encode("Hello world") == [15496, 995]
    assert gpt2.encode("<|endoftext|>") == [27, 91, 437, 1659, 5239, 91, 29]
