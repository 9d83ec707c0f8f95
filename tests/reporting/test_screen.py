"""The screen: text as it is, wide enough for a pipe, silent when nobody reads any more."""

import io
import os
import sys

import pytest
from rich.table import Table

from bardling.reporting.screen import PIPE_WIDTH, Screen, let_go, show_text

NASTY = "[red]a[/] :cat: [/nothing] \\[b] [bold]"


class Output(io.StringIO):
    mode, name = "w", "output"  # a typing.TextIO has them


class Terminal(Output):
    def isatty(self) -> bool:
        return True


class BrokenPipe(Output):
    tries = 0

    def write(self, text: str) -> int:
        self.tries += 1
        raise BrokenPipeError


@pytest.mark.parametrize("file", [Output, Terminal])
def test_text_is_never_markup(file, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    out = file()
    screen = Screen(out)
    screen.print(NASTY)
    table = Table(box=None)
    table.add_column(NASTY)
    table.add_row(NASTY)
    screen.print(table, soft_wrap=False)
    assert out.getvalue().count(NASTY) == 3


def test_lines_in_a_pipe_are_never_broken():
    out = Output()
    Screen(out).print("word " * 50)
    table = Table(box=None, show_header=False)
    table.add_row("word " * 50)
    Screen(out).print(table, soft_wrap=False)
    assert len(out.getvalue().splitlines()) == 2
    assert Screen(out).width == PIPE_WIDTH


def test_a_terminal_keeps_its_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    assert Screen(Terminal()).width == 80


def test_errors_go_to_standard_error(capsys):
    Screen(stderr=True).print("no")
    Screen().print("yes")
    assert capsys.readouterr() == ("yes\n", "no\n")


def test_a_reader_that_has_gone_is_no_reason_to_stop():
    out = BrokenPipe()
    screen = Screen(out)
    for _ in range(3):
        screen.print("still there?")
    assert out.tries == 1


def test_show_text_changes_nothing(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    monkeypatch.setattr(sys, "stdout", out)
    text = NASTY + "\t\a\r\n\x0b é \N{CAT}"
    show_text(text)
    assert out.buffer.getvalue() == text.encode()


def test_letting_go_of_a_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    stream.write("nobody reads this")
    let_go(stream.fileno)
    stream.close()  # would raise BrokenPipeError
    let_go(io.StringIO().fileno)  # not a file: nothing happens
