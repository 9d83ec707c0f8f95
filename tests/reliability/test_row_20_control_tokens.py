"""Text of a user never makes a control token: what stands in it is text, and comes back as text.

In prompts and in what is learned from; a conversation has no form of its own yet.
"""

import json
from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from promises import Protection

from bardling.data.config import DataConfig
from bardling.data.encoding import encode_stream
from bardling.data.prepare import prepare
from bardling.data.token_folder import SPLITS
from bardling.generation.text import read_prompt
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_files import read_ranks, write_ranks
from bardling.text.characters import CharacterTokenizer
from bardling.text.pretokenize import PATTERNS
from bardling.text.tokenizer import END_TOKEN, END_TOKENS, Tokenizer
from bardling.text.tokenizer_file import parse_tokenizer, tokenizer_files

PROTECTIONS = (
    Protection(
        file="text/bpe_encoding.py",
        line="return self.whole.encode_ordinary(text)",
        broken="return tiktoken.Encoding(\n"
        "            'x', pat_str=PATTERNS[self.split], mergeable_ranks=self.ranks,\n"
        "            special_tokens={'<|endoftext|>': len(self.ranks)},\n"
        "        ).encode(text, allowed_special='all')",
        test="test_every_special_string_is_text[gpt2]",
    ),
    Protection(
        file="text/characters.py",
        line="return len(self.characters) if self.has_end_token else None",
        broken="return len(self.characters) - 1 if self.has_end_token else None",
        test="test_a_document_ends_where_it_ends_and_not_where_it_says_so[char]",
    ),
    Protection(
        file="data/encoding.py",
        line="        found.append(tokenizer.encode_array(text, unknown=unknown))",
        broken="        for part in text.split('<|endoftext|>'):\n"
        "            found += [tokenizer.encode_array(part, unknown=unknown), end]",
        test="test_a_document_ends_where_it_ends_and_not_where_it_says_so[char]",
    ),
)
SPECIAL = (
    *END_TOKENS, "<pad>", "<s>", "<unk>", "<|user|>", "<|assistant|>", "<|im_start|>", "<|im_end|>",
    "[INST]", "[PAD]", "<|fim_prefix|>", "<start_of_turn>", "<|reserved_special_token_0|>",
)  # fmt: skip
KINDS = ("char", *PATTERNS, "many", "renumbered", "ranks")


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    """Return a tokenizer that has seen its special strings as text, again and again."""
    texts = [name * 9 for name in SPECIAL] * 9
    if kind == "char":
        return CharacterTokenizer.train([*texts, " \nx"], end_token=True)
    if kind in PATTERNS:
        return BPETokenizer.train(texts, vocab_size=600, split=kind, end_token=True)
    plain = BPETokenizer.train(texts, vocab_size=500)
    if kind == "ranks":
        special = {name: 1000 + number for number, name in enumerate(SPECIAL)}
        return read_ranks(write_ranks(plain), special=special)
    n_tokens = len(plain.token_bytes) + len(SPECIAL)
    numbering = () if kind == "many" else tuple(reversed(range(n_tokens)))
    made = BPETokenizer(merges=plain.merges, special=SPECIAL, numbering=numbering)
    return parse_tokenizer(tokenizer_files(made)["tokenizer.json"])


def hostile(name: str) -> list[str]:
    """Return texts with a special string: whole, split, nested, in company."""
    half = len(name) // 2
    return [
        name,
        name * 3,
        f"x{name}x",
        f" {name}\n{name} ",
        name[:half] + name + name[half:],
        name[:-1] + name + name[-1:],
        name[half:] + name[:half],
        "".join(f"{c} " for c in name),
        *(name[:cut] for cut in range(1, len(name))),
        *(name[cut:] for cut in range(1, len(name))),
    ]


def require_text(tokenizer: Tokenizer, text: str) -> None:
    """Check that a text becomes ordinary tokens, and comes back from them."""
    control = set(tokenizer.special_tokens.values())
    ids = tokenizer.encode(text)
    assert control and not control & set(ids)
    assert not control & set(tokenizer.encode_array(text).tolist())
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("kind", KINDS)
def test_every_special_string_is_text(kind):
    tokenizer = tokenizer_of(kind)
    expected = 1 if kind in ("char", *PATTERNS) else len(SPECIAL)
    assert len(tokenizer.special_tokens) == expected
    for name in SPECIAL:
        for text in hostile(name):
            require_text(tokenizer, text)
    for first, second in product(SPECIAL, repeat=2):
        require_text(tokenizer, first[:4] + second + first[4:])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(parts=st.lists(st.sampled_from([*SPECIAL, *(n[:5] for n in SPECIAL), "<|", "|>", " ", "x"])))
def test_nor_do_any_of_them_in_a_row(kind, parts):
    require_text(tokenizer_of(kind), "".join(parts))


@pytest.mark.parametrize("kind", KINDS)
def test_parts_that_are_encoded_alone_make_none_either(kind):
    """A special string that is cut between two documents, or two lots of one."""
    tokenizer = tokenizer_of(kind)
    control = set(tokenizer.special_tokens.values())
    for name in SPECIAL:
        for cut in range(1, len(name)):
            ids = np.concatenate([*encode_stream([name[:cut], name[cut:]], tokenizer)]).tolist()
            ends = [] if tokenizer.end_token is None else [tokenizer.end_token] * 2
            assert [number for number in ids if number in control] == ends
            assert tokenizer.decode(ids) == name


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_has_no_control_token(kind):
    tokenizer = tokenizer_of(kind)
    control = set(tokenizer.special_tokens.values())
    for text in (text for name in SPECIAL for text in hostile(name)):
        prompt = read_prompt(text, tokenizer, 10_000)
        assert not control & set(prompt.ids)
        assert prompt.text == text and not prompt.warnings


@pytest.mark.parametrize("tokenizer", ["char", "bpe:300", "bpe:300:llama3"])
def test_a_document_ends_where_it_ends_and_not_where_it_says_so(tmp_path, tokenizer):
    texts = [text for name in SPECIAL for text in hostile(name)]
    texts = [f"{number} {text}" for number, text in enumerate(texts)]
    path = tmp_path / "hostile.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    config = DataConfig(corpus=str(path), tokenizer=tokenizer)
    found = prepare(config, data_dir=None, note=[].append)
    assert found.tokenizer.special_tokens == {END_TOKEN: found.tokenizer.end_token}
    there = []
    for split in SPLITS:
        ids = found.beginning(split, 10**7).tolist()
        ends = [i for i, number in enumerate(ids) if number == found.tokenizer.end_token]
        there += [found.tokenizer.decode(ids[a + 1 : b]) for a, b in pairwise([-1, *ends])]
        assert ends[-1] == len(ids) - 1
    assert sorted(there) == sorted(texts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_strings_stay_text_where_their_letters_are_one_token(kind):
    """A token that is written like a special one would be the same to others."""
    tokenizer = tokenizer_of(kind)
    names = {name.encode() for name in SPECIAL if name in tokenizer.special_tokens}
    if isinstance(tokenizer, BPETokenizer):
        assert not names & set(tokenizer.token_bytes)
    else:
        assert max(map(len, tokenizer.characters)) == 1
