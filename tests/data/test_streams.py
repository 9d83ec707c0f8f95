"""A corpus that is read from its files whenever it is asked for gives what one in memory gives."""

import gzip
import io
import json
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bardling
from bardling.cli.curation import run_stats
from bardling.data import corpora, encoding, prepare, reading, unpacking
from bardling.data.config import DataConfig
from bardling.data.corpora import load_corpus
from bardling.data.encoding import encode_stream
from bardling.data.prepare import Prepared
from bardling.data.reading import LongFile, first_characters
from bardling.data.split import split_corpus, text_hash
from bardling.data.statistics import measure
from bardling.data.token_folder import open_split
from bardling.errors import CorpusError, TokenizerError, UsageError
from bardling.text import lots as lots_module
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.lots import LongText, lots, whole
from bardling.text.pretokenize import PATTERNS, pieces
from bardling.text.tokenizer_file import save_tokenizer
from imitated_hub import HUB, MAIN, offline, parquet, served
from tiny import SETTINGS

LAWS = settings(derandomize=True, deadline=None, max_examples=100)
TEXT = "Über den Fluß, and over\nthe\n\nhills 😀 they went; so far…\r\n" * 60


@pytest.fixture
def small_steps(monkeypatch):
    """Let files be long and chunks be short."""
    monkeypatch.setattr(corpora, "HELD_BYTES", 100)
    monkeypatch.setattr(reading, "LONG_CHARACTERS", 100)
    for module in (reading, unpacking):
        monkeypatch.setattr(module, "CHUNK_BYTES", 7)


def write_folder(folder: Path) -> Path:
    """Write some documents in all ways that a folder may have them."""
    folder.mkdir()
    texts = [f"{word} of {number} tales, told {word}ly" for number in range(40) for word in "ab"]
    lines = [json.dumps({"text": text}) for text in texts]
    (folder / "a.jsonl").write_text("\n".join(lines[:30] + lines[:5]))
    (folder / "b.txt").write_text(TEXT)
    (folder / "c.md").write_text("short")
    (folder / "d.parquet").write_bytes(parquet(*texts[30:], ""))
    return folder


def ready(word, notes: list[str] | None = None, **settings) -> Prepared:
    note = [].append if notes is None else notes.append
    return prepare.prepare(DataConfig(corpus=str(word), **settings), data_dir=None, note=note)


def tokens_of(prepared: Prepared) -> list[list[int]]:
    return [prepared.beginning(split, 10**6).tolist() for split in ("train", "val")]


@pytest.mark.parametrize("tokenizer", ["char", "bpe:300"])
def test_a_folder_gives_the_same_tokens_in_memory_and_not(tmp_path, small_steps, tokenizer):
    folder = write_folder(tmp_path / "tales")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "HELD_BYTES", 2**26)
        patch.setattr(reading, "LONG_CHARACTERS", 2**26)
        notes_before: list[str] = []
        before = ready(folder, notes_before, tokenizer=tokenizer)
        assert isinstance(before.documents["train"], tuple)
    notes: list[str] = []
    after = ready(folder, notes, tokenizer=tokenizer)
    assert not isinstance(after.documents["train"], tuple)
    assert tokens_of(after) == tokens_of(before) and after.tokenizer == before.tokenizer
    assert notes == notes_before and len(notes) == len(set(notes)) == 2


@pytest.mark.parametrize("tokenizer", ["char", "bpe:280", "bpe:300:llama3", "bpe:300:qwen2"])
def test_a_long_text_gives_the_same_tokens_in_memory_and_not(tmp_path, small_steps, tokenizer):
    path = tmp_path / "long.txt"
    path.write_bytes(("\ufeff" + TEXT).encode())
    found = ready(path, tokenizer=tokenizer)
    (train,), (val,) = found.documents.values()
    assert isinstance(train, LongFile) and isinstance(train, LongText)
    assert whole(train) + whole(val) == TEXT and train.n_characters == int(0.9 * len(TEXT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "HELD_BYTES", 2**26)
        patch.setattr(reading, "LONG_CHARACTERS", 2**26)
        before = ready(path, tokenizer=tokenizer)
    assert tokens_of(found) == tokens_of(before) and found.tokenizer == before.tokenizer
    assert found.text("train") == TEXT[: len(found.text("train"))]


class Chunked:
    """A long text that is given in pieces."""

    def __init__(self, text: str, cuts: list[int]) -> None:
        ends = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
        self.pieces = [text[first:last] for first, last in pairwise(ends)]

    def chunks(self):
        return iter(self.pieces)


words = st.lists(
    st.sampled_from(["a", "Zeit", " ", "\n", "\n\n", "'s", "。", "7", "\r\n", "\t", "😀"])
)


@LAWS
@given(words.map("".join), st.lists(st.integers(0, 200), max_size=5), st.integers(1, 9))
def test_chunks_and_cuts_do_not_show_in_the_pieces(text, cuts, size):
    parts = [part for lot in lots([Chunked(text, cuts)], size) for part, _ in lot]
    assert "".join(parts) == text
    for split in PATTERNS:
        assert [piece for part in parts for piece in pieces(part, split)] == pieces(text, split)


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_long_texts_are_not_held_packed_or_not(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(reading, "LONG_CHARACTERS", 1000)
    path = tmp_path / f"x{suffix}"
    text = "a long text " * 100
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    (found,) = load_corpus(str(path)).documents
    assert isinstance(found, LongFile) and whole(found) == text


def test_documents_that_unpack_to_a_great_deal_are_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(corpora, "HELD_CHARACTERS", 5000)
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet(*["word " * 100] * 30))
    assert path.stat().st_size < 5000 < 30 * 500
    corpus = load_corpus(str(path))
    assert not isinstance(corpus.documents, tuple) and len(corpus.in_memory()) == 30


def test_text_without_borders_is_looked_at_once(monkeypatch):
    looked = []

    class Border:
        def search(self, text, start):
            looked.append(len(text) - start)

    monkeypatch.setattr(lots_module, "_BORDER", Border())
    text = "一" * 100_000
    (lot,) = lots([Chunked(text, list(range(0, 100_000, 100)))], 1000)
    assert lot == [(text, True)] and sum(looked) < 1.1 * len(text)


def test_text_without_spaces_is_cut_at_line_ends():
    line = "一二三四五六七八九十\n"
    sizes = [len(part) for lot in lots([Chunked(line * 99, [7, 55, 333])], 50) for part, _ in lot]
    assert len(sizes) == 20 and max(sizes) == 55


@LAWS
@given(st.binary(max_size=40), st.integers(1, 5))
def test_bytes_are_decoded_alike_in_any_chunks(data, chunk):
    path = Path("x.txt")
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as tmp:

        @contextmanager
        def opened(path):
            yield io.BytesIO(data)

        tmp.setattr(reading, "open_plain", opened)
        outcomes = []
        for size in (chunk, 2**20):
            patch.setattr(reading, "CHUNK_BYTES", max(4, size))
            notes: list[str] = []
            try:
                outcomes.append(("".join(reading._decoded(path, notes.append)), notes))
            except CorpusError as error:
                outcomes.append((str(error), []))
    assert outcomes[0] == outcomes[1]


def test_oddities_across_chunks_are_counted_once(tmp_path, small_steps):
    path = tmp_path / "odd.txt"
    data = b"\xef\xbb\xbf" + b"12345\r\n\0" * 30 + b"\r"
    path.write_bytes(data)
    notes: list[str] = []
    corpus = load_corpus(str(path), note=notes.append)
    for _ in range(2):
        assert corpus.in_memory() == (data[3:].decode(),)
    assert [note.removeprefix(f"{path}: ") for note in notes] == [
        "the byte order mark at its start was dropped",
        "30 NUL kept, the first at character 7",
        "line ends kept as they are, 30 CRLF and 1 CR alone",
    ]
    path.write_bytes(b"abcdefg" * 20 + b"\xff")
    with pytest.raises(CorpusError, match="byte 140 is 0xff"):
        load_corpus(str(path)).in_memory()
    path.write_bytes(b"abcdefg" * 20 + "é".encode()[:1])
    with pytest.raises(CorpusError, match="byte 140 is 0xc3"):
        load_corpus(str(path)).in_memory()


def test_damage_far_into_a_corpus_leaves_no_run(tmp_path, small_steps):
    folder = write_folder(tmp_path / "tales")
    with (folder / "a.jsonl").open("a") as file:
        file.write('\n{"text": 3}')
    with pytest.raises(CorpusError, match=r"a\.jsonl line 36 has no 'text'"):
        bardling.train(folder, name="x", runs_dir=tmp_path / "runs", **SETTINGS)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_LINE_BYTES", 1000)
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "short"}\n{"text": "' + "x" * 2000)
    with pytest.raises(CorpusError, match="line 2 is longer than 1,000 bytes"):
        load_corpus(str(path))


def test_the_same_documents_are_held_out_however_they_are_read(tmp_path, small_steps):
    folder = write_folder(tmp_path / "tales")
    sides = split_corpus(load_corpus(str(folder)), val_fraction=0.2)
    held = {split: [whole(text) for text in side] for split, side in sides.items()}
    assert len(held["val"]) == round(0.2 * sum(map(len, held.values())))
    assert not set(held["train"]) & set(held["val"])
    assert {text_hash(text) for text in sides["val"]} == set(map(text_hash, held["val"]))


def test_first_documents_and_first_tokens(tmp_path):
    folder = write_folder(tmp_path / "tales")
    few = ready(folder, max_documents=20)
    assert sum(len(tuple(side)) for side in few.documents.values()) == 20
    some = ready(folder, max_tokens=500)
    train, val = tokens_of(some)
    assert (len(train), len(val)) == (500, 56)
    before = ready(folder)
    assert before.tokenizer.decode(tokens_of(before)[0][:500]) == some.tokenizer.decode(train)
    assert len(tokens_of(ready(folder, max_tokens=10**7))[0]) == len(tokens_of(ready(folder))[0])


@given(st.integers(0, 9), st.lists(st.text("ab", max_size=4), max_size=5))
def test_first_characters(n, texts):
    found = [whole(text) for text in first_characters(texts, n)]
    assert "".join(found) == "".join(texts)[:n]


def test_byte_pairs_are_learned_from_a_beginning_where_there_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "LEARN_CHARACTERS", 200)
    path = tmp_path / "x.txt"
    path.write_text("in the beginning " * 20 + "ZQ" * 5000 + " at the end of it" * 200)
    assert b"ZQ" not in ready(path, tokenizer="bpe:300").tokenizer.token_bytes
    assert ready(path, tokenizer="char").tokenizer.count_unknown("ZQ") == 0


def test_statistics_of_long_texts(tmp_path, small_steps):
    corpus = load_corpus(str(write_folder(tmp_path / "tales")))
    tokenizer = CharacterTokenizer.train(corpus.documents)
    assert measure(corpus.documents, tokenizer) == measure(corpus.in_memory(), tokenizer)


def test_unknown_characters_of_a_stream_have_their_place(tmp_path, small_steps):
    save_tokenizer(CharacterTokenizer.train(["abc "]), tmp_path / "words")
    path = tmp_path / "long.txt"
    path.write_text("abc " * 100 + "!" + "abc " * 5)
    with pytest.raises(TokenizerError, match=r"long, after 399 characters: '!'"):
        ready(path, tokenizer=str(tmp_path / "words"))
    notes: list[str] = []
    found = ready(path, notes, tokenizer=str(tmp_path / "words"), unknown="skip")
    assert notes == ["1 characters are unknown to the tokenizer and left out"]
    assert sum(map(len, tokens_of(found))) == 420


# datasets of the hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with served(monkeypatch, tmp_path) as server:
        texts = [f"{number} merry words in a row, said the {number}th" for number in range(900)]
        server.trees[MAIN] = {
            **{f"train-{i}.parquet": parquet(*texts[300 * i : 300 * (i + 1)]) for i in range(3)},
            "validation.parquet": parquet("to be", "or not to be", "that is the question"),
        }
        yield server


def fetched(server) -> list[str]:
    return [path.rpartition("/")[2] for path, _ in server.asked if path.startswith("/cdn/")]


def test_a_dataset_of_the_hub_from_word_to_model(hub, tmp_path, monkeypatch):
    notes: list[str] = []
    word = f"hf:{HUB.repository}"
    found = ready(word, notes, tokenizer="bpe:300")
    train, val = tokens_of(found)
    assert found.tokenizer.decode(val) == "to beor not to bethat is the question"
    assert train.count(found.tokenizer.end_token) == 900
    assert any("fetching train-1.parquet of ann/plays" in note for note in notes)
    assert sorted(fetched(hub)) == [*(f"train-{i}.parquet" for i in range(3)), "validation.parquet"]
    offline(monkeypatch)
    settings = SETTINGS | {"tokenizer": "bpe:300", "max_tokens": 0}
    run = bardling.train(word, runs_dir=tmp_path / "runs", **settings)
    assert run.tokenizer == found.tokenizer
    assert open_split(run.folder.tokens_path, "train", run.tokenizer)[:].tolist() == train


def test_no_more_is_fetched_than_is_read(hub, monkeypatch):
    monkeypatch.setattr(encoding, "_LOT", 500)
    found = ready("hf:ann/plays", tokenizer="char", max_tokens=900)
    assert [len(ids) for ids in tokens_of(found)] == [900, 40]
    assert set(fetched(hub)) == {"train-0.parquet", "validation.parquet"}
    few = ready("hf:ann/plays", max_documents=250)
    assert len(list(few.documents["train"])) == 250
    assert set(fetched(hub)) == {"train-0.parquet", "validation.parquet"}


def test_a_stream_without_validation_holds_out_a_fraction(hub, monkeypatch):
    monkeypatch.setattr(corpora, "STREAM_BYTES", 0)
    del hub.trees[MAIN]["validation.parquet"]
    found = ready("hf:ann/plays", val_fraction=0.2)
    sizes = {split: len(list(side)) for split, side in found.documents.items()}
    assert sum(sizes.values()) == 900 and 140 < sizes["val"] < 220
    more = ready("hf:ann/plays", val_fraction=0.2, max_documents=300)  # which are no stream
    assert len(list(more.documents["val"])) == 60
    with pytest.raises(UsageError, match="give --max-documents"):
        run_stats(["hf:ann/plays"])


def test_what_is_small_is_no_stream(hub):
    hub.trees[MAIN] = {"input.txt": b"to be or not to be, that is the question " * 20}
    found = ready("hf:ann/plays")
    assert [len(ids) for ids in tokens_of(found)] == [738, 82]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_little_more_is_read_than_is_wanted(threads):
    read = []

    def texts():
        for number in range(10**6):
            read.append(number)
            yield "some words and a few more " * 4

    tokenizer = BPETokenizer.train(["some words and a few more "], vocab_size=270)
    per_text = len(tokenizer.encode("some words and a few more " * 4))
    ids = encode_stream(texts(), tokenizer, threads=threads, most=200_000)
    assert sum(map(len, ids)) == 200_000
    assert 200_000 <= per_text * len(read) < 1.4 * 200_000


def test_text_after_the_last_wanted_character_is_not_looked_at(tmp_path):
    path = tmp_path / "late.txt"
    path.write_text("plain words " * 500 + "É" * 100)
    found = ready(path, tokenizer="char", max_tokens=1000)
    assert len(tokens_of(found)[0]) == 1000


def test_files_put_there_by_hand_are_taken_instead(hub, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "plays"
    folder.mkdir(parents=True)
    (folder / "train-0.parquet").write_bytes(parquet("one fish", "two fish"))
    (folder / "validation-0.parquet").write_bytes(parquet("red fish"))
    (folder / "test-0.parquet").write_bytes(parquet("blue fish"))
    monkeypatch.setenv("BARDLING_DATA", str(tmp_path / "data"))
    found = ready("hf:ann/plays")
    assert found.documents == {"train": ("one fish", "two fish"), "val": ("red fish",)}
    assert not hub.asked
    (folder / "train-0.parquet").unlink()
    with pytest.raises(CorpusError, match="holds no texts to train on"):
        ready("hf:ann/plays")


def test_a_copy_of_a_repository_is_read_by_the_rules_of_the_hub(hub, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "ann" / "plays" / "en"
    folder.mkdir(parents=True)
    (folder / "train-0.parquet").write_bytes(parquet("one", "two", "three"))
    (folder / "README.md").write_text("a card")
    (folder.parent / "notes.txt").write_text("not in the folder")
    monkeypatch.setenv("BARDLING_DATA", str(tmp_path / "data"))
    notes: list[str] = []
    found = ready("hf:ann/plays/en", notes)
    assert sorted([*found.documents["train"], *found.documents["val"]]) == ["one", "three", "two"]
    assert notes[0] == f"ann/plays is read from {folder.parent}, as it is there"


def test_another_column_is_read_where_it_is_named(hub, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "plays"
    folder.mkdir(parents=True)
    (folder / "x.jsonl").write_text('{"body": "one"}\n{"body": "two"}\n{"body": "three"}')
    monkeypatch.setenv("BARDLING_DATA", str(tmp_path / "data"))
    found = ready("hf:ann/plays:body")
    assert sorted([*found.documents["train"], *found.documents["val"]]) == ["one", "three", "two"]
    with pytest.raises(CorpusError, match="line 1 has no 'text' that is text"):
        ready("hf:ann/plays")


def test_encoding_does_not_wait_for_the_end_of_a_stream():
    def endless():
        while True:
            yield "word " * 1000

    tokenizer = CharacterTokenizer.train(["word "])
    for threads in (1, 2):
        ids = encode_stream(endless(), tokenizer, threads=threads)
        assert np.concatenate([next(ids), next(ids)])[:5].tolist() == [4, 2, 3, 1, 0]
        ids.close()
