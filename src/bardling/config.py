"""A whole run as one frozen value, and its way to JSON and back.

The parts are declared beside what they configure; here they are only put together. Reading is
strict: an unknown key, a word of the wrong kind or a value that no run can have is an error that
names the place; how a value is read is left to `fields`. No torch is imported.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

from bardling.data.config import DataConfig
from bardling.errors import ConfigError, nearest
from bardling.fields import KIND, check_fields, read_value, write_value
from bardling.machine.config import MachineConfig
from bardling.model.config import ModelConfig
from bardling.model.lora_config import Adapter, Whole
from bardling.text.chat import ChatFormat
from bardling.training.config import TrainingConfig, steps_of_budget
from bardling.training.optimizer_config import AdamW, OptimizerConfig
from bardling.training.plan import Plan, Stretch
from bardling.training.task import Pretraining, Task

CHOICES: dict[str, Any] = {"optimizer": OptimizerConfig, "adapter": Adapter, "task": Task}
"""The parts that are one of several types."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run computes."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=AdamW)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)
    start: str = ""
    """The run whose weights this one begins with; without one they are drawn."""
    teacher: str = ""
    """The run that a distillation learns from."""
    adapter: Adapter = field(default_factory=Whole)
    task: Task = field(default_factory=Pretraining)
    chat: ChatFormat = field(default_factory=ChatFormat)
    total_steps: int = 0
    """The budget in optimizer steps; 0 until the run has worked it out."""
    eval_interval: int = 0
    """Steps between validations; 0 until the run has worked it out."""
    replanned_at: tuple[int, ...] = ()
    """The steps before which a time budget's steps were counted anew."""
    earlier_steps: tuple[int, ...] = ()
    """What `total_steps` was before each of these."""
    earlier_intervals: tuple[int, ...] = ()
    """What `eval_interval` was."""

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("total_steps", "eval_interval"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.machine.parallel == "fsdp" and not isinstance(self.adapter, Whole):
            raise ConfigError(
                "with --machine.parallel fsdp there are no adapters: leave one of the two away"
            )
        self._check_replans()

    @property
    def batch_tokens(self) -> int:
        """Tokens of one optimizer step, at most."""
        return self.training.batch_size * self.task.sequences * self.model.block_size

    def budget_steps(self, *, train_tokens: int = 1) -> int:
        """Return the optimizer steps of the budget; `train_tokens` are those of an epoch.

        Raises `UsageError` for a budget in time, see `steps_of_budget`.
        """
        budget = self.training.budget
        return steps_of_budget(budget, batch_tokens=self.batch_tokens, train_tokens=train_tokens)

    @property
    def plan(self) -> Plan:
        """The steps of the run; worked out before the first of them."""
        past = zip(self.replanned_at, self.earlier_steps, self.earlier_intervals, strict=True)
        return Plan(
            total_steps=self.total_steps,
            eval_interval=self.eval_interval,
            earlier=tuple(
                Stretch(until=until, total_steps=steps, eval_interval=interval)
                for until, steps, interval in past
            ),
        )

    def with_plan(self, plan: Plan) -> "RunConfig":
        """Return the config with its steps worked out."""
        return replace(
            self,
            total_steps=plan.total_steps,
            eval_interval=plan.eval_interval,
            replanned_at=tuple(stretch.until for stretch in plan.earlier),
            earlier_steps=tuple(stretch.total_steps for stretch in plan.earlier),
            earlier_intervals=tuple(stretch.eval_interval for stretch in plan.earlier),
        )

    def _check_replans(self) -> None:
        """Raise `ConfigError` for steps that no plan can have been changed at."""
        lengths = {len(self.replanned_at), len(self.earlier_steps), len(self.earlier_intervals)}
        if len(lengths) > 1:
            raise ConfigError(
                "replanned_at, earlier_steps and earlier_intervals must name as many plans each"
            )
        if self.replanned_at and min(self.earlier_intervals) < 1:
            raise ConfigError(
                f"earlier_intervals has {min(self.earlier_intervals)}; each must be at least 1"
            )
        before = 0
        after = (*self.earlier_steps, self.total_steps)[1:]
        for at, steps, then in zip(self.replanned_at, self.earlier_steps, after, strict=True):
            if not before < at <= steps:
                raise ConfigError(
                    f"replanned_at {at} does not lie between step {before} and the {steps} steps "
                    "that were planned then"
                )
            if not at < then:
                raise ConfigError(f"replanned_at {at} leaves none of the {then} steps after it")
            before = at

    def to_json(self) -> dict[str, Any]:
        """Return the config as JSON values."""
        return write_value(self)

    @classmethod
    def from_json(cls, values: Any) -> "RunConfig":
        """Read what `to_json` wrote; a key that is absent takes its default."""
        return read_value(cls, _newer(values), "config")

    def with_overrides(self, **overrides: Any) -> "RunConfig":
        """Return a copy with fields set by their own names: `n_layer=2, lr=3e-4, budget="2epochs"`.

        Field names are unique over all parts, so no prefix is needed. `optimizer="muon"` chooses
        that optimizer with its own defaults, to which the other overrides are applied.
        """
        values = self.to_json()
        for part in CHOICES:
            kind = overrides.pop(part, values[part][KIND])
            if kind != values[part][KIND]:
                values = type(self).from_json({**values, part: {KIND: kind}}).to_json()
        every = {
            f.name: part
            for part, choice in CHOICES.items()
            for group in get_args(choice)
            for f in fields(group)
        }
        parts = every | {name: part for part, name in settings(values)}
        for name, value in overrides.items():
            if name not in parts:
                known = [*parts, *CHOICES]
                raise ConfigError(f"there is no setting {name[:60]!r}{nearest(name, known)}")
            values[parts[name]][name] = value
        return type(self).from_json(values)


def difference(mine: RunConfig, other: RunConfig, *, besides: Collection[str] = ()) -> str | None:
    """Return the first setting in which two configs differ, in words, or None.

    What a run works out for itself (vocabulary size, steps of the budget) does not count, and
    neither does the machine: a run may go on elsewhere. Settings `besides` those do not count
    either.
    """
    left, right = mine.to_json(), other.to_json()
    for part in CHOICES:
        here, there = left[part][KIND], right[part][KIND]
        if here != there:
            return f"{part} is {here!r} here and {there!r} there"
    for word in ("start", "teacher"):
        if left[word] != right[word]:
            return f"{word} is {left[word]!r} here and {right[word]!r} there"
    for part, name in settings(left):
        here, there = left[part][name], right[part][name]
        if here != there and name not in ("vocab_size", *besides) and part != "machine":
            return f"{name} is {here!r} here and {there!r} there"
    return None


def _newer(values: Any) -> Any:
    """Return the JSON of a config, which older runs wrote with room for one changed plan."""
    if not isinstance(values, dict) or not isinstance(values.get("replanned_at"), int):
        return values
    at, steps = values["replanned_at"], values.get("first_total_steps", 0)
    rest = {name: value for name, value in values.items() if name != "first_total_steps"}
    past = {"replanned_at": [at], "earlier_steps": [steps]} if at else {"replanned_at": []}
    return rest | past | ({"earlier_intervals": [values.get("eval_interval", 0)]} if at else {})


def settings(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (part, name) of every setting in the JSON of a `RunConfig`; kinds are none."""
    groups = {part: group for part, group in values.items() if isinstance(group, dict)}
    return [(part, name) for part, group in groups.items() for name in group if name != KIND]
