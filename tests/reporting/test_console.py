"""A run in a terminal and in a log file: the same facts, one with a bar, one without a colour."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bardling.reporting.console import LiveConsole, PlainConsole, clock, count, nats, open_console
from bardling.reporting.screen import Screen
from bardling.reporting.watcher import RunFacts
from bardling.training.step import StepResult

FACTS = RunFacts(
    name="demo",
    corpus="my [red] :cat: text.txt",
    train_tokens=1_000_000,
    val_tokens=100_000,
    vocab_size=65,
    parameters=1_783_936,
    decayed=1_780_480,
    start_step=0,
    total_steps=1500,
    batch_tokens=4096,
    val_subset_tokens=None,
)
RESULT = {
    "stopped": "budget",
    "last": {"step": 1500, "val_loss": 1.51},
    "best": {"step": 1400, "val_loss": 1.5},
    "tokens": 6_144_000,
    "seconds": 754.3,
}


class Output(io.StringIO):
    mode, name = "w", "output"  # a typing.TextIO has them


class Terminal(Output):
    def isatty(self) -> bool:
        return True


def step(number: int, loss: float = 2.5) -> StepResult:
    return StepResult(
        step=number, loss=loss, grad_norm=1.0, lr=1e-3, tokens=4096, applied=loss == loss
    )


def record(number: int, val_loss: float | None = 2.6) -> dict:
    return {"step": number, "train_loss": 2.5, "val_loss": val_loss}


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def tell_everything(console: PlainConsole, facts: RunFacts = FACTS) -> None:
    with console:
        console.note("a [red] :cat: note [/]")
        console.preparing(facts.name, "cpu (AVX2), fp32, not compiled (as asked), 2 threads")
        console.started(facts)
        console.validated(record(0), best=True)
        console.stepped(step(1), 8192.0)
        console.validated(record(1), best=True)
        console.validated(record(2), best=False)
        console.finished(RESULT, "my runs/demo")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0:00"), (6.6, "0:07"), (59.6, "1:00"), (750, "12:30"), (3723, "1:02:03"),
     (360_000, "100:00:00")],
)  # fmt: skip
def test_clock(seconds, said):
    assert clock(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (912, "912"), (999.4, "999"), (1000, "1k"), (85_300, "85.3k"),
     (1_590_000, "1.59M"), (2e9, "2G")],
)  # fmt: skip
def test_count(number, said):
    assert count(number) == said


def test_nats():
    assert nats(1.23456) == "1.2346"
    assert nats(None) == "not finite"


def test_the_form_is_chosen_by_where_the_output_goes(terminal, capsys):
    assert type(open_console(Console(file=terminal))) is LiveConsole
    assert type(open_console(Console(file=Output()))) is PlainConsole
    assert isinstance(open_console().console, Screen)


def test_plain_lines():
    out = Output()
    tell_everything(open_console(Screen(out)))
    assert out.getvalue() == (
        "note  a [red] :cat: note [/]\n"
        "demo\n"
        "  on     cpu (AVX2), fp32, not compiled (as asked), 2 threads\n"
        "  text   my [red] :cat: text.txt: 1,000,000 tokens to train on, 100,000 to validate\n"
        "  model  1.78M parameters; weight decay on 1,780,480, not on 3,456\n"
        "  budget 1,500 steps of 4,096 tokens, 6.14 times the training text\n"
        "  chance a model that knows nothing has a loss of ln 65 = 4.1744 nats per token\n\n"
        "step    0/1500  train 2.5000  val 2.6000\n"
        "step    1/1500  train 2.5000  val 2.6000  8.19k tokens/s  12:30 left  best\n"
        "step    2/1500  train 2.5000  val 2.6000  8.19k tokens/s  12:29 left\n"
        "\nbudget spent: 6.14M tokens in 12:34; loss on the whole validation split, nats per "
        "token:\n"
        "  best   1.5000  (step 1400)\n"
        "  last   1.5100  (step 1500)\n"
        "  next   bardling generate 'my runs/demo'\n\n"
    )


def test_what_is_said_only_sometimes():
    out = Output()
    console = open_console(Screen(out))
    facts = replace(FACTS, start_step=1200, val_subset_tokens=20_000)
    console.started(facts)
    assert "  losses on 20,000 tokens at a time, on the whole split at the end\n" in out.getvalue()
    assert "  goes on from step 1,200\n" in out.getvalue()
    console.validated(record(1300, val_loss=None), best=False)
    lost = {"step": 1500, "val_loss": None}
    console.finished({**RESULT, "stopped": "early", "best": lost, "last": lost}, "runs/demo")
    assert "val not finite" in out.getvalue()
    assert "no progress any more: " in out.getvalue()
    assert "best   not finite  (step 1500)" in out.getvalue()


def test_another_number_of_steps_is_said_and_the_same_is_not():
    out = Output()
    console = open_console(Screen(out))
    console.replanned(7)  # before anything is known
    console.started(FACTS)
    console.replanned(FACTS.total_steps)
    assert "pace" not in out.getvalue()
    console.replanned(20_000)
    console.replanned(20_000)
    assert out.getvalue().count(f"  pace   {FACTS.total_steps:,} steps become 20,000\n") == 1
    assert out.getvalue().count("pace") == 1


def test_validations_before_anything_is_known_are_said_too():
    out = Output()
    open_console(Screen(out)).validated(record(3), best=True)
    assert out.getvalue() == "step 3/0  train 2.5000  val 2.6000  best\n"


def test_a_terminal_gets_the_same_lines_with_colour_and_a_bar(terminal):
    console = open_console(Screen(terminal))
    tell_everything(console)
    shown = terminal.getvalue()
    assert "\x1b[" in shown and "step 1/1500  loss 2.5000  8.19k tokens/s  12:30 left" in shown
    assert "note\x1b[0m  a [red] :cat: note [/]\n" in shown
    assert "my [red] :cat: text.txt: 1,000,000 tokens" in shown
    assert "\x1b[32m  best\x1b[0m" in shown
    assert shown.rstrip().endswith("bardling generate 'my runs/demo'")
    assert console.bar.live.is_started is False
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor is back


def test_the_bar_goes_away_when_a_run_fails(terminal):
    console = open_console(Screen(terminal))
    with pytest.raises(RuntimeError, match="power"), console:
        console.started(FACTS)
        console.stepped(step(1, loss=float("nan")), 0.0)
        raise RuntimeError("power")
    assert console.bar.live.is_started is False
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h")
    assert "loss nan" in terminal.getvalue()


def test_a_step_before_the_start_moves_no_bar(terminal):
    console = open_console(Screen(terminal))
    console.stepped(step(1), 100.0)
    assert console.speed == 100.0 and terminal.getvalue() == ""


def test_lines_of_a_long_run_fit_eighty_columns():
    out = Output()
    console = open_console(Screen(out))
    console.started(replace(FACTS, corpus="shakespeare", total_steps=20_000))
    console.stepped(step(9), 123_456.0)
    console.validated(record(10_000), best=True)
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_a_reader_that_goes_away_does_not_stop_the_run():
    class BrokenPipe(Output):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    tell_everything(open_console(Screen(BrokenPipe())))


def test_a_known_floor_stands_beside_every_loss():
    output = Output()
    with PlainConsole(Screen(output)) as console:
        console.started(replace(FACTS, floor=0.3017, longest_document=799))
        console.validated(record(1) | {"val_floor": 0.3}, best=True)
        console.validated(record(2, None) | {"val_floor": 0.3}, best=False)
        console.finished(RESULT, "runs/demo")
    said = output.getvalue()
    assert "floor  one that knows the language has 0.3017" in said
    assert "val 2.6000 = floor 0.3000 + 2.3000" in said
    assert "val not finite = floor 0.3000" in said
    assert "best   1.5000 = floor 0.3017 + 1.1983  (step 1400)" in said


def test_a_context_too_short_for_the_floor_is_said():
    output = Output()
    with PlainConsole(Screen(output)) as console:
        console.started(replace(FACTS, longest_document=799, chats=True))
        console.finished(RESULT, "runs/demo")
    said = output.getvalue()
    assert "floor  not comparable: documents have up to 799 tokens" in said
    assert said.endswith("  next   bardling chat runs/demo\n\n")
    assert "= floor" not in said


def test_samples_are_shown_on_one_line_as_they_are():
    output = Output()
    with PlainConsole(Screen(output)) as console:
        console.started(FACTS)
        console.validated(record(1) | {"sample": "a [red]\n\n  b"}, best=False)
        console.validated(record(2) | {"sample": "long " * 50}, best=False)
        console.validated(record(3) | {"sample": " \n"}, best=False)
    lines = output.getvalue().splitlines()
    assert "  a [red] b" in lines
    assert next(line for line in lines if line.startswith("  long")).endswith("...")
    assert lines[-1].startswith("step    3/1500")
