"""A small trained run and a way to call the command line in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import bardling
from bardling.cli import main
from tiny import SETTINGS, write_text

ODD = "[red] and [/] make :cat:.\n[bold]one[/bold]\\[a] is less than [two].\n"

OPTIONS = (
    *("--model.n-layer", 1, "--model.n-head", 2, "--model.n-embd", 16, "--model.block-size", 16),
    *("--batch-size", 8, "--sample-tokens", 2, "--log-interval-steps", 1, "--budget", "4steps"),
    *("--machine.precision", "fp32", "--machine.compile", "off", "--no-quick-checks"),
    *("--optimizer", "adamw"),
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path) -> Cli:
    """Call the command line; runs live in a folder of the test's own."""
    monkeypatch.setenv("BARDLING_RUNS", str(tmp_path / "runs"))

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        got = capsys.readouterr()
        assert "Traceback" not in got.err
        assert "\x1b" not in got.out + got.err
        return Outcome(code, got.out, got.err)

    return call


@pytest.fixture
def train(cli: Cli, text: Path) -> Cli:
    """Call `bardling train` on the small text with small settings; later options win."""

    def call(*words: object) -> Outcome:
        return cli("train", text, *OPTIONS, *words)

    return call


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path)


@pytest.fixture(scope="session")
def odd_text(tmp_path_factory) -> Path:
    """Return a corpus whose text and name look like markup."""
    folder = tmp_path_factory.mktemp("odd")
    path = folder / "odd [red] :cat: [bold].txt"
    path.write_text(write_text(folder).read_text() + ODD * 30)
    return path


@pytest.fixture(scope="session")
def trained(odd_text: Path) -> bardling.Run:
    """Return a run that no test changes."""
    settings = SETTINGS | {"n_layer": 1, "keep_at": (4,)}
    return bardling.train(odd_text, name="demo", runs_dir=odd_text.parent / "runs", **settings)
