"""Pairs of answers are read strictly, split by their prompts, and made into documents."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bardling.data.comparisons import prepare_comparisons, read_comparisons
from bardling.data.config import DataConfig
from bardling.data.pairs import Pairs
from bardling.data.token_folder import open_split
from bardling.errors import BardlingError, CorpusError, TokenizerError, UsageError
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.chat import PLAIN_CHAT, ChatFormat
from bardling.text.tokenizer_file import save_tokenizer

GOOD = [
    {"prompt": f"{n} and", "chosen": f" {n + 1}.", "rejected": f" {n + 2}.", "more": n}
    for n in range(20)
]


def write(path: Path, values) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def prepared(folder, values, *, chat=None, block_size=32, tokenizer="char", **settings):
    path = write(folder / "pairs.jsonl", values)
    config = DataConfig(corpus=str(path), tokenizer=tokenizer, **settings)
    return prepare_comparisons(
        config, chat or ChatFormat(), block_size=block_size, data_dir=None, note=lambda text: None
    )


def test_documents_alternate_and_end(tmp_path):
    found = prepared(tmp_path, GOOD)
    index = found.put(tmp_path / "tokens")
    texts = []
    for split in ("train", "val"):
        tokens = open_split(tmp_path / "tokens", split, found.tokenizer)
        assert len(tokens) == index.n_tokens(split)
        pairs = Pairs(tokens=tokens, end_token=found.tokenizer.end_token, batch_size=1)
        assert pairs.n_pairs == {"train": 18, "val": 2}[split]
        for number in range(pairs.n_pairs):
            rows = pairs.these(np.array([number])).inputs
            texts.append([found.tokenizer.decode(row) for row in rows.tolist()])
    whole = [[p["prompt"] + p["chosen"], p["prompt"] + p["rejected"]] for p in GOOD]
    assert sorted(t[0][:5] for t in texts) == sorted(w[0][:5] for w in whole)
    assert found.epoch_tokens(index, 32) == 18 * 2 * 32
    assert found.text("val") == "0 and 1."


def test_pairs_with_one_prompt_are_on_one_side(tmp_path):
    values = [p | {"chosen": f" {i}!"} for p in GOOD for i in range(3)]
    found = prepared(tmp_path, values, val_fraction=0.3)
    sides = {
        split: {found.tokenizer.decode(d).partition(" and")[0] for d in found.documents[split]}
        for split in ("train", "val")
    }
    assert sides["train"] and sides["val"] and not sides["train"] & sides["val"]
    again = prepared(tmp_path, values[::-1], val_fraction=0.3)
    decoded = {again.tokenizer.decode(d).partition(" and")[0] for d in again.documents["val"]}
    assert decoded == sides["val"]


def test_a_conversation_is_asked_and_answered(tmp_path):
    words = BPETokenizer.train(["0 and 1 2 3."], vocab_size=300)
    special = (*words.special_tokens, *PLAIN_CHAT.tokens)
    tokenizer = replace(words, special=tuple(dict.fromkeys(special)))
    save_tokenizer(tokenizer, tmp_path / "chatty")
    found = prepared(tmp_path, GOOD, chat=PLAIN_CHAT, tokenizer=str(tmp_path / "chatty"))
    ids = tokenizer.special_tokens
    document = found.documents["train"][0].tolist()
    assert document[0] == ids["<|user|>"] and ids["<|assistant|>"] in document
    assert document[-1] == tokenizer.end_token and document.count(tokenizer.end_token) == 1


NEEDED = '{"prompt": "a", "chosen": "b", "rejected": "c"}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "line 2 has no 'prompt' that is text"),
        ('{"prompt": "a", "chosen": "b"}', "line 2 has no 'rejected' that is text"),
        ('{"prompt": "a", "chosen": 3, "rejected": "c"}', "line 2 has no 'chosen' that is text"),
        ('{"prompt": null, "chosen": "b", "rejected": "c"}', "line 2 has no 'prompt'"),
        ('{"prompt": "a", "chosen": " ", "rejected": "c"}', "line 2 has an empty answer"),
        ('{"prompt": "a", "chosen": "c", "rejected": "c"}', "line 2 has the same answer twice"),
        ('{"prompt": "a", "chosen": "\\ud800", "rejected": "c"}', "line 2 has no 'chosen'"),
        ("{", "line 2 cannot be read"),
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path, line, said):
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{NEEDED}\n{line}\n")
    with pytest.raises(CorpusError, match=said):
        read_comparisons(path, lambda text: None)


def test_other_refusals(tmp_path):
    with pytest.raises(CorpusError, match="has no pairs of answers"):
        prepared(tmp_path, [])
    with pytest.raises(BardlingError, match=r"could not read .*nothing\.jsonl"):
        read_comparisons(tmp_path / "nothing.jsonl", lambda text: None)
    with pytest.raises(CorpusError, match="same prompt everywhere"):
        prepared(tmp_path, [p | {"prompt": "x"} for p in GOOD])
    with pytest.raises(CorpusError, match=r"line 1 has 9 tokens, .* holds 8: shorten it"):
        prepared(tmp_path, GOOD, block_size=8)
    with pytest.raises(UsageError, match="by --max-documents"):
        prepared(tmp_path, GOOD, max_tokens=5)
    assert len(prepared(tmp_path, GOOD, max_documents=6).documents["train"]) == 10
    save_tokenizer(CharacterTokenizer(characters="and 0123456789."), tmp_path / "endless")
    with pytest.raises(TokenizerError, match="has no end token"):
        prepared(tmp_path, GOOD, tokenizer=str(tmp_path / "endless"))
    few = CharacterTokenizer(characters="and .", has_end_token=True)
    save_tokenizer(few, tmp_path / "few")
    with pytest.raises(TokenizerError, match="line 1: "):
        prepared(tmp_path, GOOD, tokenizer=str(tmp_path / "few"))
    with pytest.raises(CorpusError, match="the same in tokens"):
        prepared(tmp_path, GOOD, tokenizer=str(tmp_path / "few"), unknown="skip")
