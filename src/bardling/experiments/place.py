"""Where an experiment lies, and who hears of it. No torch here."""

from pathlib import Path
from typing import TypedDict

from bardling.experiments.cases import Listen


class Place(TypedDict, total=False):
    """What every experiment is told besides what it compares; everything has a default."""

    name: str | None
    """Name of its folder; what lies there already is not made again."""
    runs_dir: str | Path | None
    """Where runs live: else BARDLING_RUNS, else ./runs."""
    data_dir: str | Path | None
    """Where corpora are looked for first: else BARDLING_DATA."""
    listen: Listen
    """Called before each run for who hears how it goes."""
    command: str
    """What its page says it was made with."""
