"""Everything that bardling refuses, as a small tree of exceptions.

    BardlingError            a stated error: one sentence that says what was found, what was
    │                        expected and what to do; exit code 1
    ├── UsageError           a word that means nothing here: verb, option, preset; exit code 2
    ├── ConfigError          a value that no run can have
    ├── CorpusError          text that is missing, damaged or too short
    ├── TokenizerError       a character or a file that the tokenizer cannot take
    ├── TokenFileError       a token file that is damaged or belongs to another tokenizer
    ├── CheckpointError      a checkpoint that is missing, damaged or of another model
    ├── GenerationError      a way of sampling that has no meaning
    ├── ExportError          a format that cannot say a model, or a file that says another thing
    ├── KernelError          C++ that cannot be compiled or loaded here
    ├── OutOfMemory          a model or batch that does not fit, even in the smallest parts
    ├── TeamLost             another process of the run is gone
    ├── StorageError         the disk refused: absent, unreadable, full
    ├── TrainingDiverged     three steps in a row without a finite loss; exit code 3
    └── Interrupted          stopped by a signal after saving; exit code 128 + signal (130, 143)

The command line prints the message alone, without a traceback, and exits with `exit_code`.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class BardlingError(Exception):
    """A stated error: its message is one sentence for the person at the keyboard."""

    exit_code = 1
    by_all = False
    """Whether all processes that train together raise it alike, so that one tells it."""


class UsageError(BardlingError):
    """A word on the command line that means nothing here."""

    exit_code = 2


class ConfigError(BardlingError):
    """A value that no run can have."""


class CorpusError(BardlingError):
    """Text that is missing, damaged or too short."""


class TokenizerError(BardlingError):
    """A character or a file that the tokenizer cannot take."""


class TokenFileError(BardlingError):
    """A token file that is damaged or belongs to another tokenizer."""


class CheckpointError(BardlingError):
    """A checkpoint that is missing, damaged or of another model."""


class GenerationError(BardlingError):
    """A way of sampling that has no meaning."""


class ExportError(BardlingError):
    """A format that cannot say a model, or an exported file that says another thing."""


class KernelError(BardlingError):
    """C++ that cannot be compiled or loaded here; plain torch does the work then."""


class OutOfMemory(BardlingError):
    """A model or batch that does not fit into memory, even in the smallest parts."""


class TeamLost(BardlingError):
    """Another process of the run is gone, or the way to it; the last checkpoint stands."""

    by_all = True


class StorageError(BardlingError):
    """The disk refused: absent, unreadable, full."""


class TrainingDiverged(BardlingError):
    """The loss was not finite three steps in a row; the last good checkpoint stays."""

    exit_code = 3
    by_all = True


class Interrupted(BardlingError):
    """A signal stopped the run, which was saved first.

    `signal_number` is 2 (SIGINT) or 15 (SIGTERM); the exit code is 128 more, as shells have it.
    """

    by_all = True

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


_LONGEST_SLIP = 100  # characters; comparing takes time and memory in proportion


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'x'?` for the known word closest to `word`, or nothing."""
    if len(word) > _LONGEST_SLIP:
        return ""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f", did you mean '{matches[0]}'?" if matches else ""
