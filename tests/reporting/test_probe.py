"""`probe`: from a run to a page."""

import re

import pytest

import bardling
from bardling.data.stories.truth import analogies, nouns
from tiny import tiny_config, write_text


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    config = tiny_config(write_text(folder), position="learned", feedforward="relu", n_layer=2)
    return bardling.train_config(config, name="sums", runs_dir=folder).folder.path


@pytest.fixture(scope="module")
def told_run(tmp_path_factory):
    return bardling.train(
        "stories:200", name="told", runs_dir=tmp_path_factory.mktemp("told"), budget="2steps",
        tokenizer="bpe:400", block_size=448, n_layer=1, n_head=2, n_embd=16, batch_size=2,
        sample_tokens=5, quick_checks=False,
    ).folder.path  # fmt: skip


def test_a_run_without_words_still_has_a_page(plain_run):
    notes = []
    done = bardling.probe(plain_run, words=["nowhere"], note=notes.append)
    assert done.path == plain_run / "probe.html" and done.analogies == ()
    assert len(done.dead) == 2 and set(done.gradients) == {"with residuals", "without"}
    assert notes == ["'nowhere' does not stand in the text that was read"]
    html = done.path.read_text()
    for heading in ("Neighbours", "Attention", "What comes next", "Places", "Gradients by block"):
        assert f"<h2>{heading}</h2>" in html
    assert "<script" not in html and not re.search(r'(src|href)="(?!#|data:)', html)


def test_stories_are_asked_their_analogies(told_run):
    done = bardling.probe(told_run, prompt="Once there was a <king>")
    asked = {(one.respect, one.source) for one in done.analogies}
    assert asked == {(r, s) for r in ("gender", "age") for s in ("table", "reading")}
    table = {one.respect: one for one in done.analogies if one.source == "table"}
    for respect in ("gender", "age"):
        assert table[respect].total == len(list(analogies(respect)))
        assert 0 <= table[respect].right <= table[respect].total
    assert {noun.text for noun in nouns()} <= set(done.vectors["table"].words)
    assert "<king>" not in done.path.read_text()
    assert done.words and done.dead == ()


def test_a_report_may_have_the_same_in_its_page(plain_run):
    found = bardling.probe(plain_run).path.read_text().partition("<h2>")[2].rpartition("</body>")[0]
    page = bardling.report(plain_run, tokenizers=False, probes=True).path.read_text()
    assert found.rstrip() in page and page.count("<h2>Attention</h2>") == 1


def test_it_is_the_same_every_time(told_run):
    first = bardling.probe(told_run).path.read_bytes()
    assert bardling.probe(told_run).path.read_bytes() == first


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("дом лес река\n" * 60, {}),
        ("123 456 789\n" * 60, {}),
        ("one two three\n" * 60, {"n_layer": 0}),
        ("one two three " * 200, {"tokenizer": "bpe:260"}),
    ],
    ids=["cyrillic", "no words", "no blocks", "one long document"],
)
def test_texts_and_models_of_other_kinds(tmp_path, content, settings):
    path = tmp_path / "text.txt"
    path.write_text(content)
    config = tiny_config(path, budget="2steps", **settings)
    run = bardling.train_config(config, name="odd", runs_dir=tmp_path).folder.path
    done = bardling.probe(run)
    assert done.path.is_file()
    assert bool(done.vectors["reading"].words) == ("123" not in content)
