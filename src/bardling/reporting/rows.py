"""What experiments compare: rows of outcomes, one for each seed, read from the folders of runs."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bardling.model.size import count_multiplied, count_parameters
from bardling.run_folder import RunFolder

State = Literal["ended", "diverged", "not ended"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of a run; losses are of the whole validation split, in nats per token."""

    seed: int
    parameters: int
    weights: int
    """Those of the parameters that take part in products."""
    tokens: int
    """Tokens trained on."""
    seconds: float
    """Of training."""
    last: float | None
    """The loss after the last step; None where training diverged."""
    best: float | None
    bits_per_byte: float | None
    """Of the last step."""
    floor: float | None = None
    """What the language leaves to chance, where that is known."""
    curve: tuple[tuple[int, float], ...] = ()
    """(tokens, validation loss) of each validation."""
    state: State = "ended"

    @property
    def per_byte(self) -> float | None:
        """The last loss in nats for each byte of text, which compares over tokenizers."""
        return None if self.bits_per_byte is None else self.bits_per_byte * math.log(2)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Outcomes that differ in nothing but the seed."""

    name: str
    about: str
    outcomes: tuple[Outcome, ...]
    stated: float | None = None
    """The loss that a source states for it."""

    @property
    def mean(self) -> float | None:
        """The mean of the last losses; None where a run diverged."""
        return _mean([outcome.last for outcome in self.outcomes])

    @property
    def best(self) -> float | None:
        """The mean of the best losses."""
        return _mean([outcome.best for outcome in self.outcomes])

    @property
    def spread(self) -> float | None:
        """The standard deviation of the last losses over seeds; None for fewer than two."""
        losses = self.losses
        return statistics.stdev(losses) if len(losses) > 1 else None

    @property
    def losses(self) -> list[float]:
        """The last losses of the runs that did not diverge."""
        return [outcome.last for outcome in self.outcomes if outcome.last is not None]

    @property
    def per_byte(self) -> float | None:
        """The mean of the last losses in nats per byte."""
        return _mean([outcome.per_byte for outcome in self.outcomes])

    @property
    def ratio(self) -> float | None:
        """Nats per byte over nats per token, which tokenizers differ in."""
        return None if self.mean is None or self.per_byte is None else self.per_byte / self.mean

    @property
    def bits_per_byte(self) -> float | None:
        """The mean of the last losses in bits per byte."""
        return _mean([outcome.bits_per_byte for outcome in self.outcomes])

    @property
    def excess(self) -> float | None:
        """How far the mean is above what the language leaves to chance, where that is known."""
        floor = _mean([outcome.floor for outcome in self.outcomes])
        return None if self.mean is None or floor is None else self.mean - floor

    @property
    def state(self) -> State:
        """How the run that got least far ended."""
        found = {outcome.state for outcome in self.outcomes}
        return "diverged" if "diverged" in found else "not ended" if found - {"ended"} else "ended"

    @property
    def seconds(self) -> float:
        """Mean seconds of training."""
        return statistics.fmean(outcome.seconds for outcome in self.outcomes)

    @property
    def parameters(self) -> int:
        """Those of the model."""
        return self.outcomes[0].parameters

    @property
    def tokens(self) -> int:
        """Tokens that each run was trained on."""
        return max(outcome.tokens for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, with the means beside the outcomes."""
        means = {
            name: getattr(self, name) for name in ("mean", "spread", "best", "per_byte", "excess")
        }
        return {**asdict(self), **means}


def tokenizers_differ(rows: Sequence[Row]) -> bool:
    """Tell whether the losses of rows are per tokens of different lengths."""
    return len({round(row.ratio, 3) for row in rows if row.ratio is not None}) > 1


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def read_outcome(run: RunFolder) -> Outcome:
    """Return what came out of a run, as far as it got."""
    config, result, records = run.config(), run.result(), run.metrics()
    newest: dict[str, Any] = records[-1] if records else {"tokens": 0, "seconds": 0.0}
    ended = newest if result is None else result
    last, best = ({}, {}) if result is None else (result["last"], result["best"])
    broken = result is not None and result["stopped"] == "diverged"
    state: State = "diverged" if broken else "not ended" if result is None else "ended"
    return Outcome(
        seed=config.training.seed,
        parameters=count_parameters(config.model).total,
        weights=count_multiplied(config.model),
        tokens=ended["tokens"],
        seconds=ended["seconds"],
        last=last.get("val_loss"),
        best=best.get("val_loss"),
        bits_per_byte=last.get("val_bits_per_byte"),
        floor=last.get("val_floor"),
        curve=tuple((r["tokens"], r["val_loss"]) for r in records if r.get("val_loss") is not None),
        state=state,
    )
