"""The machine as a run uses it: one value that says where, in which numbers, and how.

`choose_machine` turns what is asked for into what is used. On a resume, whatever is not asked for
stays as the checkpoint had it, as far as this machine can.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch

from bardling.machine.compiling import pick_compile
from bardling.machine.conditions import Conditions
from bardling.machine.config import MachineConfig
from bardling.machine.device import available_devices, pick_device, processor_name, short_name
from bardling.machine.exactness import exact_arithmetic
from bardling.machine.precision import autocast, number_format, pick_precision
from bardling.machine.team import ALONE, Team
from bardling.machine.threads import pick_threads, usable_cores


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and how a run computes."""

    device: torch.device
    precision: str
    compiled: bool = False
    compile_reason: str = "as asked"
    """Why it is compiled, or why not."""
    threads: int
    team: Team = ALONE

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return number_format(self.precision)

    @property
    def conditions(self) -> Conditions:
        """What a resumed run has to find again to give the same bits."""
        return Conditions(
            device=self.device.type,
            processor=processor_name(self.device),
            precision=self.precision,
            compiled=self.compiled,
            threads=self.threads,
            torch=torch.__version__,
        )

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context of a forward pass in this precision."""
        return autocast(self.device, self.precision)

    def exactly(self) -> AbstractContextManager[None]:
        """Return the context in which this machine gives the same bits every time."""
        return exact_arithmetic(self.threads)

    def describe(self) -> str:
        """Say in one line what is used."""
        compiled = "compiled" if self.compiled else "not compiled"
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        return (
            f"{self.device.type} ({short_name(self.device)}), {self.precision}, "
            f"{compiled} ({self.compile_reason}), {threads}"
        )


def plain_machine() -> Machine:
    """Return the processor in float32 and nothing more, with as many threads as torch has."""
    return Machine(device=torch.device("cpu"), precision="fp32", threads=torch.get_num_threads())


def choose_machine(
    config: MachineConfig, *, train_seconds: float, before: Conditions | None = None
) -> Machine:
    """Return what is used for a run expected to train for `train_seconds`.

    `before` are the conditions of the checkpoint that the run goes on from. Raises `UsageError`
    when something was asked for that is not here.
    """
    if before is not None:
        config = _as_before(config, before)
    device = pick_device(config.device)
    compiled, reason = pick_compile(config.compile, device, seconds=train_seconds)
    return Machine(
        device=device,
        precision=pick_precision(config.precision, device),
        compiled=compiled,
        compile_reason=reason,
        threads=pick_threads(config.threads),
    )


def _as_before(config: MachineConfig, before: Conditions) -> MachineConfig:
    """Fill what is left open with what a checkpoint was computed by, where that is here."""
    filled: dict[str, Any] = {}
    if config.device == "auto" and before.device in available_devices():
        filled["device"] = before.device
    same_device = filled.get("device", config.device) == before.device
    if config.precision == "auto" and same_device:
        filled["precision"] = before.precision
    if config.compile == "auto":
        filled["compile"] = "on" if before.compiled else "off"
    if config.threads == 0 and before.threads <= usable_cores():
        filled["threads"] = before.threads
    return replace(config, **filled)
