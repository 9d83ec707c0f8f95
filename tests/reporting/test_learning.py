"""The bars of a tokenizer that learns: moving in a terminal, and nothing at all elsewhere."""

import io

import pytest

from bardling.data.stories.corpus import stories
from bardling.reporting.learning import learning_bars
from bardling.reporting.screen import Screen
from bardling.text.bpe import BPETokenizer

TALES = stories(0, 20)


class Output(io.StringIO):
    mode, name = "w", "output"  # a typing.TextIO has them


class Terminal(Output):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("file", [Output, Terminal])
def test_bars_are_shown_where_there_is_a_terminal(file, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    out = file()
    n_characters = sum(map(len, TALES))
    with learning_bars(n_characters, Screen(out)) as heard:
        trained = BPETokenizer.train(TALES, vocab_size=340, heard=heard)
    assert trained == BPETokenizer.train(TALES, vocab_size=340)
    shown = out.getvalue()
    if file is Output:
        assert shown == ""
        return
    for text in ("counting words", "characters", "merging pairs", "84 of 84 merges"):
        assert text in shown
    assert shown.endswith("\x1b[2K")  # the bars are taken away


def test_a_text_of_unknown_length_has_a_bar_too(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    with learning_bars(None, Screen(out)) as heard:
        heard("counting", 4_200_000, None)
    assert "4.2M characters" in out.getvalue()


def test_a_terminal_that_cannot_move_shows_nothing(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    with learning_bars(3, Screen(out)) as heard:
        heard("counting", 3, None)
    assert out.getvalue() == ""
