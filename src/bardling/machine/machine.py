"""The machine as a run uses it: one value that says where, in which numbers, and how.

`choose_machine` turns what is asked for into what is used. On a resume, whatever is not asked for
stays as the checkpoint had it, as far as this machine can.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch

from bardling.errors import UsageError
from bardling.machine.compiling import pick_compile
from bardling.machine.conditions import Conditions
from bardling.machine.config import MachineConfig
from bardling.machine.device import available_devices, pick_device, processor_name, short_name
from bardling.machine.exactness import exact_arithmetic
from bardling.machine.precision import autocast, number_format, pick_precision
from bardling.machine.team import ALONE, Team
from bardling.machine.threads import pick_threads, usable_cores

NATIVE_PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and how a run computes."""

    device: torch.device
    precision: str
    compiled: bool = False
    compile_reason: str = "as asked"
    """Why it is compiled, or why not."""
    kernels: str = "plain"
    """native where bardling's own kernels do what lies between products, else plain."""
    kernels_made: str = ""
    """What native kernels were made from, as a hash."""
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
            kernels=f"{self.kernels} {self.kernels_made}".strip(),
            threads=self.threads,
            processes=self.team.size,
            parallel="fsdp" if self.team.sharing else "ddp",
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
        how = f"{compiled} ({self.compile_reason})"
        if self.kernels == "native":
            how = "native kernels"
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        if self.team.size > 1:
            threads += f" in each of {self.team.size} processes"
        return f"{self.device.type} ({short_name(self.device)}), {self.precision}, {how}, {threads}"


def plain_machine() -> Machine:
    """Return the processor in float32 and nothing more, with as many threads as torch has."""
    return Machine(device=torch.device("cpu"), precision="fp32", threads=torch.get_num_threads())


def choose_machine(
    config: MachineConfig,
    *,
    train_seconds: float,
    before: Conditions | None = None,
    obstacle: Callable[[], str | None] | None = None,
    team: Team = ALONE,
) -> Machine:
    """Return what is used for a run expected to train for `train_seconds`.

    `before` are the conditions of the checkpoint that the run goes on from; `obstacle` says what
    stands in the way of native kernels, None if nothing does, and is asked only where they would
    be used; without it they are not. Raises `UsageError` when something was asked for that is not
    here.
    """
    if before is not None:
        config = _as_before(config, before)
    device = pick_device(config.device)
    precision = pick_precision(config.precision, device)
    if team.sharing:
        config, obstacle = _for_sharers(config, precision), None
    kernels, why = _pick_kernels(config, device, precision, obstacle)
    compiled, reason = False, "the native kernels are faster"
    if kernels == "plain":
        compiled, reason = pick_compile(config.compile, device, seconds=train_seconds)
    return Machine(
        device=device,
        precision=precision,
        compiled=compiled,
        compile_reason=reason if why in ("", reason) else f"{reason}; {why}",
        kernels=kernels,
        threads=pick_threads(config.threads),
        team=team,
    )


def _for_sharers(config: MachineConfig, precision: str) -> MachineConfig:
    """Return what goes with weights that are shared out."""
    if precision == "fp16":
        raise UsageError("with --machine.parallel fsdp there is no fp16: take bf16 or fp32")
    return replace(config, kernels="plain", compile="off")


def _pick_kernels(
    config: MachineConfig,
    device: torch.device,
    precision: str,
    obstacle: Callable[[], str | None] | None,
) -> tuple[str, str]:
    """Return native or plain, and what has to be told about it."""
    asked, compiling = config.kernels == "native", config.compile not in ("auto", "off")
    if obstacle is None or config.kernels == "plain" or (compiling and not asked):
        return "plain", ""
    if device.type != "cpu" or precision not in NATIVE_PRECISIONS:
        if asked:
            raise UsageError(
                f"native kernels are for processors in bf16 or fp32, not for {device.type} in "
                f"{precision}; leave --machine.kernels to auto"
            )
        return "plain", ""
    found = obstacle()
    if found is not None and asked:
        raise UsageError(f"native kernels were asked for, but {found}")
    return ("native", "") if found is None else ("plain", found)


def _as_before(config: MachineConfig, before: Conditions) -> MachineConfig:
    """Fill what is left open with what a checkpoint was computed by, where that is here."""
    filled: dict[str, Any] = {}
    if config.device == "auto" and before.device in available_devices():
        filled["device"] = before.device
    same_device = filled.get("device", config.device) == before.device
    shares = config.parallel == "fsdp"  # which goes without some of what was before
    if config.precision == "auto" and same_device and not (shares and before.precision == "fp16"):
        filled["precision"] = before.precision
    if config.compile == "auto" and not shares:
        filled["compile"] = "on" if before.compiled else "off"
    if config.kernels == "auto" and before.kernels == "plain":
        filled["kernels"] = "plain"
    if config.threads == 0 and before.threads <= usable_cores():
        filled["threads"] = before.threads
    return replace(config, **filled)
