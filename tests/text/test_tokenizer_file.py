"""tokenizer.json opens everywhere with the same ids, and only what we can promise is read."""

import json

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.errors import StorageError, TokenizerError, UsageError
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import END_TOKEN, Tokenizer
from bardling.text.tokenizer_file import (
    load_tokenizer,
    parse_tokenizer,
    save_tokenizer,
    tokenizer_files,
    train_tokenizer,
)

ODD = "\n\t\r\x00\x7f \u00a0ab.,'é́e\u0301\u200d\u2028\u2029\ufeff\ufffd😀👩\U0010ffff<|>"


@pytest.fixture(params=["plain", "end", "bpe", "bpe end"])
def tokenizer(request) -> Tokenizer:
    end = "end" in request.param
    if "bpe" in request.param:
        return BPETokenizer.train([ODD * 2], vocab_size=300, end_token=end)
    return CharacterTokenizer.train([ODD], end_token=end)


def test_a_saved_tokenizer_is_the_same_when_loaded(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path / "run")
    assert load_tokenizer(tmp_path / "run") == tokenizer
    assert load_tokenizer(tmp_path / "run" / "tokenizer.json") == tokenizer
    files = tokenizer_files(tokenizer)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in files} == files
    assert parse_tokenizer(files["tokenizer.json"]).sha256 == tokenizer.sha256


def test_tokenizers_reads_it_with_identical_ids(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert theirs.get_vocab_size() == tokenizer.vocab_size
    for text in (*ODD, ODD, ODD[::-1], "a \n\n a", "<|aé"):
        assert theirs.encode(text).ids == tokenizer.encode(text)
        assert theirs.decode(tokenizer.encode(text)) == text
    if tokenizer.end_token is not None:
        assert theirs.token_to_id(END_TOKEN) == tokenizer.end_token


def test_what_tokenizers_saves_is_read_again(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path)
    tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json")).save(str(tmp_path / "theirs"))
    assert load_tokenizer(tmp_path / "theirs") == tokenizer


@pytest.mark.parametrize("model_type", [None, "gpt2", "qwen3"])
def test_transformers_reads_it_with_identical_ids(tokenizer, tmp_path, model_type):
    """Beside a model's config.json, AutoTokenizer would guess another class if ours said none."""
    save_tokenizer(tokenizer, tmp_path)
    if model_type is not None:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in (ODD, "a , b . '\n"):
        known = "".join(c for c in text if c in ODD)
        assert theirs(known)["input_ids"] == tokenizer.encode(known)
        assert theirs.decode(tokenizer.encode(known)) == known
    if tokenizer.end_token is not None:
        assert theirs.eos_token_id == theirs.bos_token_id == tokenizer.end_token


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.booleans())
def test_any_vocabulary_survives_the_file_and_agrees_with_tokenizers(text, end_token):
    tokenizer = CharacterTokenizer.train([text], end_token=end_token)
    data = tokenizer_files(tokenizer)["tokenizer.json"]
    assert parse_tokenizer(data) == tokenizer
    theirs = tokenizers.Tokenizer.from_str(data.decode())
    assert theirs.encode(text).ids == tokenizer.encode(text)


def changed(**changes) -> bytes:
    value = CharacterTokenizer.train(["ab"], end_token=True).to_json()
    return json.dumps(value | changes).encode()


def with_vocab(vocab, **more) -> bytes:
    return changed(model={"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"} | more)


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"\x80\x04", "not strict JSON"),
        (b"[]", "what 'model' it holds"),
        (b'{"model": {"type": 1}}', "what 'model' it holds"),
        (b'{"model": {"type": "Unigram"}}', "type 'Unigram'"),
        (b'{"model": {"type": "WordLevel"}}', "'added_tokens'"),
        (with_vocab({"a": 0, "b": 2}), "not 0 to 1, each once"),
        (with_vocab({"a": 0, "b": 0}), "not 0 to 1, each once"),
        (with_vocab({"a": 0, "bc": 1}), "'bc' in tokenizer.json is not a single character"),
        (with_vocab({"a": 0, "": 1}), "'' in tokenizer.json is not a single character"),
        (with_vocab({"a": 0, "b": 1.0}), "the id of 'b'"),
        (with_vocab({"a": False, "b": 1}), "the id of 'a'"),
        (with_vocab({}), "at least one character"),
        (with_vocab({"\ud800": 0}), "half a surrogate pair"),
        (with_vocab({"a": 0, "b": 1}, unk_token="a"), "'model' in tokenizer.json"),
        (changed(version="2.0"), "'version'"),
        (changed(normalizer={"type": "Lowercase"}), "'normalizer'"),
        (changed(pre_tokenizer=None), "'pre_tokenizer'"),
        (changed(decoder=None), "'decoder'"),
        (changed(added_tokens=[{"id": 9}]), "'added_tokens'"),
        (changed(more=1), "'more' in tokenizer.json has no meaning"),
    ],
)
def test_what_we_cannot_promise_is_refused(data, reason, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(TokenizerError, match=f"tokenizer.json: .*{reason}"):
        load_tokenizer(tmp_path)


def test_a_key_that_is_missing_is_refused():
    value = CharacterTokenizer.train(["ab"]).to_json()
    del value["normalizer"]
    with pytest.raises(TokenizerError, match=r"'normalizer' .* expected None, found nothing"):
        parse_tokenizer(json.dumps(value).encode())


def test_a_missing_or_giant_file_is_named(tmp_path):
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is not there"):
        load_tokenizer(tmp_path)
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(StorageError, match="at most"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_by_name(tmp_path):
    texts = ["ab", "c"]
    trained = train_tokenizer("char", texts, end_token=True)
    assert trained == CharacterTokenizer.train(texts, end_token=True)
    save_tokenizer(trained, tmp_path)
    assert train_tokenizer(str(tmp_path), ["other"], end_token=False) == trained
    assert train_tokenizer(str(tmp_path / "tokenizer.json"), [], end_token=False) == trained


def test_bpe_is_trained_to_the_size_that_its_name_says():
    trained = train_tokenizer("bpe:270", ["abc abc " * 9, "bc"], end_token=True)
    assert trained == BPETokenizer.train(["abc abc " * 9, "bc"], vocab_size=270, end_token=True)


@pytest.mark.parametrize("name", ["bpe", "bpe:", "bpe:x", "bpe:256", "bpe:99999999", "bpe:²"])
def test_a_size_that_is_none_is_refused(name):
    with pytest.raises(UsageError, match="names no size: give one of 257"):
        train_tokenizer(name, ["a"], end_token=False)


def test_the_end_token_keeps_its_name(tmp_path):
    foreign = BPETokenizer(merges=((64, 65),), special=("<pad>", "</s>"))
    save_tokenizer(foreign, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    assert (theirs.eos_token, theirs.eos_token_id, len(theirs)) == ("</s>", 258, 259)
    assert foreign.end_token == 258


def test_the_split_is_part_of_the_name():
    trained = train_tokenizer("bpe:270:qwen2", ["12 123 12"], end_token=False)
    assert (trained.split, trained.merges) == ("qwen2", ())  # digit by digit
    assert train_tokenizer("bpe:270:gpt2", ["12 12"], end_token=False).merges
    with pytest.raises(UsageError, match="'bpe:270:gpt5' names no split: gpt2, llama3, qwen2"):
        train_tokenizer("bpe:270:gpt5", ["a"], end_token=False)


@pytest.mark.parametrize(
    "name, hint", [("chars", ", did you mean 'char'"), ("x" * 5000, "a tokenizer$")]
)
def test_an_unknown_name_is_refused(name, hint):
    with pytest.raises(UsageError, match=hint):
        train_tokenizer(name, ["a"], end_token=False)
