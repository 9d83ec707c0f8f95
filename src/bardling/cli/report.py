"""`bardling report RUN...`: where a run stands, or several side by side, and a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro
from rich.table import Table
from rich.text import Text

import bardling
from bardling.cli.experiments import command_of, show
from bardling.cli.options import Folder, parse
from bardling.errors import UsageError
from bardling.evaluation.standing import summary
from bardling.reporting.moments import told_of
from bardling.reporting.screen import Screen, complain
from bardling.run_folder import find_run, runs_folder


@dataclass(frozen=True, kw_only=True)
class ReportArguments:
    """Compare a model with counting and with what nobody can beat; write a page about it."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """A run by name or path; several are laid over each other."""
    num_samples: int = 100
    """Texts to let it write and to check, where the corpus has a grammar."""
    seed: int = 0
    """Decides what is drawn."""
    tokenizers: bool = True
    """Compare tokenizers on the text of the run, which takes some seconds."""
    probes: bool = False
    """Look inside the model too, as `bardling probe` does."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, measure, show the figures and say where the page is."""
    arguments = parse(ReportArguments, argv, prog="bardling report")
    if arguments.num_samples < 1:
        raise UsageError(f"{arguments.num_samples} samples are none; give at least 1")
    if not arguments.runs:
        raise UsageError("name the run to report, or several to lay over each other")
    if len(arguments.runs) > 1 and arguments.probes:
        raise UsageError("--probes looks inside one run; name one")
    if len(arguments.runs) > 1:
        command = command_of("report", argv)
        runs_dir = arguments.runs_dir
        found = bardling.side_by_side(arguments.runs, runs_dir=runs_dir, command=command)
        show(Screen(), *found)
        return 0
    folder = find_run(arguments.runs[0], runs_folder(arguments.runs_dir))
    done = bardling.report(
        folder.path,
        num_samples=arguments.num_samples,
        seed=arguments.seed,
        tokenizers=arguments.tokenizers,
        probes=arguments.probes,
        note=complain,
    )
    screen = Screen()
    screen.print(Text.assemble((folder.name, "bold"), f", step {done.step:,}: nats per token"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, loss, meaning in done.rows:
        style = "bold" if name == "this model" else ""
        table.add_row(Text(f"  {name}", style), Text(f"{loss:.4f}", style), meaning)
    screen.print(table, soft_wrap=False)
    if done.by_grammar:
        screen.print(f"  {summary(done.samples)}")
    if done.moments:
        for word, moment in zip(("best", "last"), done.moments, strict=True):
            screen.print(f"  {told_of(moment, word)}")
    screen.print(f"  page   {done.path}")
    return 0
