"""The command line as a whole: what it shows, how it ends, and that nothing prints as markup."""

import io
import subprocess
import sys

import pytest

import bardling
from bardling import cli as command_line
from bardling.cli import EXAMPLES, VERBS, main
from bardling.cli.completion import OPTION
from bardling.cli.options import PARTED
from bardling.errors import BardlingError, Interrupted, UsageError


def replace_verb(monkeypatch, run) -> None:
    """Let `bardling runs` do what the test wants."""
    monkeypatch.setattr("bardling.cli.runs.run", run)


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",), ("help",)])
def test_overview_names_every_verb(cli, words):
    done = cli(*words)
    assert done.code == 0 and done.err == ""
    for verb, (_, about) in VERBS.items():
        assert f"  {verb}" in done.out and about in done.out
    assert "[bold]" not in done.out and "[/]" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_version(cli):
    assert cli("--version").out == f"bardling {bardling.__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(cli, verb):
    done = cli(verb, "--help")
    assert done.code == 0
    assert f"usage: bardling {verb}" in done.out
    example = f"bardling {verb} {EXAMPLES[verb]}".rstrip()
    assert done.out.endswith(f"\n\nexample: {example}\n")
    part = EXAMPLES[verb].split()[:1] if verb in PARTED else []
    told, _, last = cli(verb, *part, "--help").out.rpartition("\nexample: ")
    assert last == example + "\n"
    assert set(OPTION.findall(example)) <= set(OPTION.findall(told))


def test_examples_are_of_the_verb_or_part_that_is_asked_about(cli):
    assert EXAMPLES.keys() == VERBS.keys()
    assert "example" not in cli("data", "stats", "--help").out
    assert "example" not in cli("runs", "--nonsense").out


def test_unknown_verb_names_the_nearest(cli):
    done = cli("trian", "x.txt")
    assert done.code == 2 and done.out == ""
    assert done.err == (
        "bardling: 'trian' is no verb of bardling, did you mean 'train'?; "
        "there are train, generate, evaluate, data, tokenizer, check, ladder, sweep, scale, "
        "probe, finetune, chat, serve, distill, align, export, import, unpickle, presets, report, "
        "runs, bench, doctor, completion\n"
    )


@pytest.mark.parametrize("word", ["[red]", "[/]", ":cat:", "\\[a]", "[bold]x[/bold]"])
def test_errors_repeat_words_unharmed(cli, word):
    for words in ((word,), ("train", word), ("generate", word), ("presets", word)):
        done = cli(*words)
        assert done.code == 2
        assert f"'{word}'" in done.err


@pytest.mark.parametrize("where", [0, 1])
def test_debug_raises_wherever_it_stands(where):
    words = ["trian", "x"]
    words.insert(where, "--debug")
    with pytest.raises(UsageError, match="trian"):
        main(words)


def test_every_stated_error_is_its_message_and_its_code(cli, monkeypatch):
    for error in (BardlingError("one [red]"), UsageError("two"), Interrupted("three", 15)):

        def fail(argv, error=error):
            raise error

        replace_verb(monkeypatch, fail)
        done = cli("runs")
        assert (done.code, done.out, done.err) == (error.exit_code, "", f"bardling: {error}\n")
    assert error.exit_code == 143


def test_an_error_that_nobody_stated_is_not_hidden(monkeypatch):
    replace_verb(monkeypatch, lambda argv: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["runs"])


def test_ctrl_c_outside_training(cli, monkeypatch):
    def interrupt(argv):
        raise KeyboardInterrupt

    replace_verb(monkeypatch, interrupt)
    done = cli("runs")
    assert done.code == 130
    assert done.err == "bardling: stopped at once; what was saved before stays\n"
    with pytest.raises(KeyboardInterrupt):
        main(["runs", "--debug"])


def test_whoever_reads_may_go_in_the_middle(cli, monkeypatch):
    def broken(argv):
        raise BrokenPipeError

    replace_verb(monkeypatch, broken)
    done = cli("runs")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_closed_pipe_is_no_error_in_a_real_process():
    command = [sys.executable, "-m", "bardling", "presets"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    assert child.wait(timeout=30) == 0
    assert child.stderr.read() == b""
    child.stderr.close()


def test_a_terminal_that_lacks_a_character_shows_its_code(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    replace_verb(monkeypatch, lambda argv: out.write("é \udcff") and 0)
    assert main(["runs"]) == 0
    assert out.buffer.getvalue() == b"\\xe9 \\udcff"
    command_line._show_every_character()


def test_usage_errors_of_the_parser_end_with_2(cli):
    done = cli("train", "sums", "--batch-size", "many")
    assert done.code == 2 and "--batch-size" in done.err and "'many'" in done.err
    done = cli("train", "sums", "--schedule", "cosin")
    assert done.code == 2 and "'cosine'" in done.err
    done = cli("train", "sums", "--budget")
    assert done.code == 2 and "--budget" in done.err
    assert cli("generate").code == 2
