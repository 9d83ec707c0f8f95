"""`bardling align RUN PAIRS.jsonl`: a trained model learns which of two answers is preferred."""

from collections.abc import Sequence
from dataclasses import dataclass

from bardling.cli.options import value_of
from bardling.cli.tuning import TunedRunArguments, tune
from bardling.config import RunConfig
from bardling.presets.table import config_for
from bardling.presets.tuned import aligned_config
from bardling.run_folder import RunFolder
from bardling.training.task import Preference

USAGE = "bardling align RUN PAIRS.jsonl [options]"


@dataclass(frozen=True, kw_only=True)
class AlignArguments(TunedRunArguments):
    """Let the model of RUN, or adapters in it, prefer the chosen one of two answers (DPO).

    Each line of PAIRS is a JSON object with the texts "prompt", "chosen" and "rejected".
    --batch-size counts pairs.
    """

    task: Preference


def run(argv: Sequence[str]) -> int:
    """Parse the options, train, and tell how it goes and what was forgotten."""
    return tune(argv, AlignArguments, _base, usage=USAGE, asked="where pairs of answers are")


def _base(start: RunFolder | None, pairs: str, words: Sequence[str]) -> RunConfig:
    if start is None:
        return aligned_config(config_for("demo"), "RUN", pairs)
    path, adapter = str(start.path.absolute()), value_of("--adapter", words) or "whole"
    return aligned_config(start.config(), path, pairs, adapter)
