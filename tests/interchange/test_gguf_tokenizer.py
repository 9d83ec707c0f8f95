"""A tokenizer in a GGUF file, read by a few lines that do what llama.cpp does with one."""

from itertools import pairwise
from unittest.mock import Mock

import gguf
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bardling.errors import ExportError
from bardling.interchange.family import restate
from bardling.interchange.gguf_file import write_gguf
from bardling.interchange.gguf_tokenizer import vocabulary
from bardling.text.bpe import BPETokenizer
from bardling.text.byte_order import visible
from bardling.text.characters import CharacterTokenizer
from bardling.text.pretokenize import PATTERNS
from bardling.text.tokenizer import Tokenizer
from said_models import CHARACTERS, TEXT, bpe, characters, gpt2, llama, randomised

SPLITS = {"gpt-2": "gpt2", "llama-bpe": "llama3", "qwen2": "qwen2"}


def said_for(tokenizer):
    return restate(randomised(gpt2(vocab_size=tokenizer.vocab_size)))


def llama_cpp_ids(found, text: str) -> list[int]:
    """Split, write bytes as characters, merge by rank from the left, drop what is no token."""
    id_of = {token: number for number, token in enumerate(found.tokens)}
    assert len(id_of) == len(found.tokens), "llama.cpp ends where two tokens are written alike"
    rank = {tuple(merge.split(" ")): place for place, merge in reversed([*enumerate(found.merges)])}
    ids = []
    for piece in regex.findall(PATTERNS[SPLITS[found.split]], text):
        symbols = [*visible(piece.encode())]
        if found.split == "llama-bpe" and "".join(symbols) in id_of:
            symbols = ["".join(symbols)]
        while ranks := [rank[pair] for pair in pairwise(symbols) if pair in rank]:
            first, second = found.merges[min(ranks)].split(" ")
            place = [*pairwise(symbols)].index((first, second))
            symbols[place : place + 2] = [first + second]
        ids += [id_of[symbol] for symbol in symbols if symbol in id_of]
    return ids


@pytest.mark.parametrize("end_token", [True, False])
def test_characters_are_the_same_tokens(end_token):
    tokenizer = characters(end_token=end_token)
    found = vocabulary(tokenizer, said_for(tokenizer))
    assert llama_cpp_ids(found, CHARACTERS) == list(range(len(CHARACTERS)))
    assert llama_cpp_ids(found, TEXT) == tokenizer.encode(TEXT, unknown="skip")
    assert found.tokens[:4] == ["Ċ", "Ġ", "!", ","]
    assert found.tokens[CHARACTERS.index("é")] == "Ã©"
    assert found.merges[0:1] == ["Ã ĥ"] and "Ã ©" in found.merges
    assert [merge for merge in found.merges if "Ĥ" in merge][:3] == ["â Ĥ", "âĤ ¬", "âĤ Ń"]
    assert found.types == [1] * len(CHARACTERS) + [3] * end_token
    if end_token:
        assert found.tokens[-1] == "<|endoftext|>"
        assert found.first == found.last == len(CHARACTERS)


@given(st.text(CHARACTERS + "xyzßêÃ₭₫界界上😁\t\r", max_size=30))
def test_any_characters_known_or_not(text):
    tokenizer = characters(end_token=True)
    found = vocabulary(tokenizer, said_for(tokenizer))
    assert llama_cpp_ids(found, text) == tokenizer.encode(text, unknown="skip")


def test_without_merges_there_is_one_that_no_text_has():
    tokenizer = CharacterTokenizer(characters="\n abc", has_end_token=True)
    found = vocabulary(tokenizer, said_for(tokenizer))
    assert found.merges == ["ÿ þ"]
    assert visible(b"\xff\xfe") == "ÿþ"
    bare = BPETokenizer(merges=())
    assert vocabulary(bare, said_for(bare)).merges == ["ÿ þ"]


@pytest.mark.parametrize("split", ["gpt2", "llama3", "qwen2"])
def test_byte_pairs_are_the_same_tokens(split):
    tokenizer = bpe(split)
    found = vocabulary(tokenizer, said_for(tokenizer))
    assert SPLITS[found.split] == split
    assert llama_cpp_ids(found, TEXT) == tokenizer.encode(TEXT)
    file = tokenizer.to_json()["model"]
    assert found.tokens == [*file["vocab"], "<|endoftext|>"]
    assert [merge.split(" ") for merge in found.merges] == file["merges"]
    assert found.types == [1] * 299 + [3]


def test_ids_in_another_order_and_with_gaps():
    """As in the files of others: the end token first, and an id that is no token."""
    tokenizer = bpe()
    moved = BPETokenizer(
        merges=tokenizer.merges,
        special=tokenizer.special,
        numbering=(*(300 if number == 7 else number + 1 for number in range(299)), 0),
    )
    found = vocabulary(moved, said_for(moved))
    assert llama_cpp_ids(found, TEXT) == moved.encode(TEXT)
    assert (found.tokens[0], found.types[0], found.first, found.last) == ("<|endoftext|>", 3, 0, 0)
    assert (found.tokens[8], found.types[8]) == ("[unused 8]", 5)
    assert (found.tokens[300], found.types[300]) == (visible(moved.decode([300]).encode()), 1)


def test_where_no_token_ends_a_text_one_is_named_that_is_hardly_written():
    """llama.cpp would take token 11 for it, and stop there."""
    tokenizer = bpe(end_token=False)
    found = vocabulary(tokenizer, said_for(tokenizer))
    assert found.tokens[found.last] == "ÿ"  # the byte 255, which no UTF-8 has
    assert tokenizer.decode([found.first]) == "\n"
    tokenizer = characters()
    model = randomised(llama(vocab_size=tokenizer.vocab_size, tie_embeddings=False), std=0.1)
    model.final_norm.weight.data.fill_(0.0)
    model.final_norm.weight.data[3] = 1.0  # all that counts is the sign of one channel
    model.output.weight.data[:, 3] = 0.0
    model.blocks[-1].sublayers["feedforward"].transform.layer.down.weight.data[3] = 0.0
    model.embedding.weight.data[:, 3] = 50.0
    model.output.weight.data[17, 3] = -4.0
    found = vocabulary(tokenizer, restate(model))
    assert (found.last, found.first) == (17, tokenizer.encode("\n")[0])


def test_a_token_and_a_special_one_that_are_written_alike():
    merges = [(ord("<") - 33, ord("s") - 33), (256, ord(">") - 33)]
    tokenizer = BPETokenizer(merges=tuple(merges), special=("<s>",))
    with pytest.raises(ExportError, match="two tokens are both written '<s>', which llama"):
        vocabulary(tokenizer, said_for(tokenizer))


def test_tokenizers_of_another_kind():
    with pytest.raises(ExportError, match=r"llama\.cpp has no tokenizer like Mock"):
        vocabulary(Mock(spec=Tokenizer), said_for(characters()))


def test_merges_that_llama_cpp_would_pass_over():
    """ "bc" comes first in "abc", so the token "abc" is never made, but llama.cpp would take it."""
    a, b, c = (ord(letter) - 33 for letter in "abc")
    merges = ((b, c), (a, b), (257, c))
    odd = BPETokenizer(merges=merges, split="llama3")
    with pytest.raises(ExportError, match="this tokenizer's merges make others of some: train one"):
        vocabulary(odd, said_for(odd))
    other = BPETokenizer(merges=merges, split="qwen2")
    found = vocabulary(other, said_for(other))
    assert llama_cpp_ids(found, "abc ab") == other.encode("abc ab")


def test_what_the_file_says(tmp_path):
    tokenizer = characters(end_token=True)
    write_gguf(said_for(tokenizer), tokenizer, tmp_path / "x.gguf", name="x")
    reader = gguf.GGUFReader(tmp_path / "x.gguf")
    found = {
        name.removeprefix("tokenizer.ggml."): field.contents()
        for name, field in reader.fields.items()
        if name.startswith("tokenizer.")
    }
    known = vocabulary(tokenizer, said_for(tokenizer))
    assert found == {
        "model": "gpt2",
        "pre": "qwen2",
        "tokens": known.tokens,
        "token_type": known.types,
        "merges": known.merges,
        "bos_token_id": len(CHARACTERS),
        "eos_token_id": len(CHARACTERS),
        "add_bos_token": False,
        "add_eos_token": False,
        "add_space_prefix": False,
    }
