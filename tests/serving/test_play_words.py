"""What the page is told of words: maps, neighbours, analogies, and how text is cut."""

import os
from pathlib import Path

import numpy as np
import pytest

from bardling.config import RunConfig
from bardling.run_folder import RunFolder
from bardling.serving import insides
from bardling.serving.models import Models
from bardling.serving.questions import MOST_TOKENIZERS
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import FILE, load_tokenizer, save_tokenizer
from bardling.trained import Run
from families import TOKENIZERS
from servers import Place, random_run, serving

TEXT = "12 plus 30 is 42 – „genau“ 🙂"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    characters = random_run(folder / "letters", tokenizer="characters")
    return [random_run(folder), characters]


@pytest.fixture(scope="module")
def place(runs: list[Run]):
    with serving(runs[0], runs_dir=runs[0].folder.path.parent) as found:
        yield found


def post(place: Place, path: str, **body):
    answer = place.ask("POST", f"/play/{path}", body)
    assert answer.status == 200, answer.body
    return answer.json


def unit(run: Run, words: list[str]) -> dict[str, np.ndarray]:
    """Return each word's direction from the mean of all, by its rows in the table."""
    table = run.model.embedding.weight.detach().double().numpy()
    rows = np.array([table[run.tokenizer.encode(f" {word}")].mean(axis=0) for word in words])
    rows -= rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return dict(zip(words, rows, strict=True))


@pytest.fixture(scope="module")
def plane(place: Place) -> dict:
    return place.ask("GET", "/play/embedding").json


def test_the_map_has_the_words_of_the_grammar_with_their_kinds(plane: dict):
    words = {one["word"]: one for one in plane["words"]}
    assert words["fox"]["kind"] == "fox" and words["king"]["kind"] == "royal"
    assert all(np.isfinite([one["x"], one["y"]]).all() for one in words.values())
    assert plane["sources"] == ["table"], "its text is not at hand"
    for example in plane["examples"]:
        assert set(example.values()) <= set(words)


def test_neighbours_are_by_the_cosine(place: Place, runs: list[Run], plane: dict):
    vectors = unit(runs[0], [one["word"] for one in plane["words"]])
    cosines = {w: float(v @ vectors["fox"]) for w, v in vectors.items() if w != "fox"}
    best = sorted(cosines.values(), reverse=True)[:4]
    found = post(place, "neighbours", word="fox", count=4)["neighbours"]
    assert [one["cosine"] for one in found] == pytest.approx(best, abs=1e-4)
    for one in found:
        assert one["cosine"] == pytest.approx(cosines[one["word"]], abs=1e-4)


def test_analogies_are_by_the_sum(place: Place, runs: list[Run], plane: dict):
    vectors = unit(runs[0], [one["word"] for one in plane["words"]])
    aim = vectors["queen"] - vectors["king"] + vectors["boy"]
    aim /= np.linalg.norm(aim)
    scores = {w: float(v @ aim) for w, v in vectors.items() if w not in ("king", "queen", "boy")}
    found = post(place, "analogy", a="king", b="queen", c="boy")["answers"]
    best = sorted(scores.values(), reverse=True)[: len(found)]
    assert [one["cosine"] for one in found] == pytest.approx(best, abs=1e-4)


def test_a_word_that_the_map_lacks_is_looked_at_too(place: Place):
    assert post(place, "neighbours", word="zwölf")["neighbours"]
    answer = place.ask("POST", "/play/neighbours", {"word": "fox", "source": "reading"})
    assert answer.status == 404 and "text of this run" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [{"word": ""}, {"word": "x" * 101}, {"word": "a", "count": 0}, {"word": "a", "count": 51},
     {"word": "a", "source": "air"}, {"word": "a", "more": 1}, {}],
)  # fmt: skip
def test_neighbours_out_of_range_are_refused(place: Place, body: dict):
    assert place.ask("POST", "/play/neighbours", body).status == 400


def test_letters_have_a_map_too(runs: list[Run]):
    with serving(runs[1], runs_dir=runs[1].folder.path.parent) as place:
        words = [one["word"] for one in place.ask("GET", "/play/embedding").json["words"]]
    assert "3" in words and " " not in words


def test_text_is_cut_by_every_tokenizer_that_differs(place: Place, runs: list[Run]):
    found = post(place, "tokens", text=TEXT)
    assert found["bytes"] == len(TEXT.encode())
    (cut,) = found["tokenizers"]
    words = TOKENIZERS["bpe"]
    assert [token["id"] for token in cut["tokens"]] == words.encode(TEXT)
    assert sum(token["bytes"] for token in cut["tokens"]) == len(TEXT.encode())
    assert cut["bytes_per_token"] == pytest.approx(len(TEXT.encode()) / len(words.encode(TEXT)))
    assert cut["kind"] == "byte pairs" and cut["names"] == ["plain"] and cut["unknown"] == 0


def test_letters_that_are_unknown_are_counted(runs: list[Run]):
    with serving(runs[1], runs_dir=runs[1].folder.path.parent) as place:
        (cut,) = post(place, "tokens", text="a€e")["tokenizers"]
    assert [token["text"] for token in cut["tokens"]] == ["a", "e"] and cut["unknown"] == 1
    assert cut["kind"] == "characters"


def test_nothing_is_cut_into_nothing(place: Place):
    (cut,) = post(place, "tokens", text="")["tokenizers"]
    assert cut["tokens"] == [] and cut["bytes_per_token"] is None


@pytest.mark.parametrize(
    "body", [{"text": "x" * 20_001}, {"text": 1}, {"text": "a", "models": ["x"] * 13}, {"a": 1}]
)
def test_texts_out_of_range_are_refused(place: Place, body: dict):
    assert place.ask("POST", "/play/tokens", body).status == 400


def test_a_tokenizer_that_is_not_there_is_named(place: Place):
    answer = place.ask("POST", "/play/tokens", {"text": "a", "models": ["plain", "../plain"]})
    assert answer.status == 404 and "../plain" in answer.json["error"]["message"]


@pytest.fixture
def loads(monkeypatch) -> list[Path]:
    """Return what is read from the disk from now on."""
    found: list[Path] = []

    def load(path: Path) -> Tokenizer:
        found.append(path)
        return load_tokenizer(path)

    insides._loaded.cache_clear()
    monkeypatch.setattr(insides, "load_tokenizer", load)
    return found


def begun(folder: Path, name: str, letters: str) -> Path:
    run = RunFolder(folder / name)
    run.path.mkdir()
    run.write_config(RunConfig())
    save_tokenizer(CharacterTokenizer.train([letters]), run.path)
    return run.path


def test_a_tokenizer_is_read_once_until_it_changes(tmp_path: Path, loads: list[Path]):
    first, second = (begun(tmp_path, name, "abc") for name in ("first", "second"))
    for _ in range(3):
        ((names, tokenizer),) = insides.tokenizers(Models([]), tmp_path, [])
        assert sorted(names) == ["first", "second"]
    assert sorted(loads) == [first, second]
    assert insides._loaded(first, (first / FILE).stat().st_mtime_ns) is tokenizer
    save_tokenizer(CharacterTokenizer.train(["abcd"]), first)
    os.utime(first / FILE, ns=(1, 1))
    assert len(insides.tokenizers(Models([]), tmp_path, [])) == 2
    assert loads[2:] == [first]


def test_no_more_tokenizers_are_read_than_are_shown(tmp_path: Path, loads: list[Path]):
    for number in range(MOST_TOKENIZERS + 3):
        begun(tmp_path, f"run-{number}", "abcdefghijklmnopqrstuvwxyz"[: number + 1])
    assert len(insides.tokenizers(Models([]), tmp_path, [])) == MOST_TOKENIZERS
    assert len(loads) == MOST_TOKENIZERS
