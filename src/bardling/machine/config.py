"""What a run asks of the machine, as a frozen value. No torch here.

The defaults leave every choice to the machine. What it chose is kept with each checkpoint
(`conditions.py`), so that a resumed run can do the same.
"""

from dataclasses import dataclass
from typing import Literal

from bardling.errors import ConfigError
from bardling.fields import check_fields

DeviceWish = Literal["auto", "cuda", "mps", "cpu"]
PrecisionWish = Literal["auto", "bf16", "fp16", "fp32", "fp64"]
CompileWish = Literal["auto", "on", "off", "graphs", "autotune"]
ParallelWish = Literal["ddp", "fsdp"]
KernelsWish = Literal["auto", "native", "plain"]
MOST_THREADS = 1024


@dataclass(frozen=True, kw_only=True)
class MachineConfig:
    """Where and how a run computes."""

    device: DeviceWish = "auto"
    """Where to compute; auto takes the first there is of cuda, mps, cpu."""
    precision: PrecisionWish = "auto"
    """Numbers to multiply in: auto takes what the device does well; fp64 is for proofs."""
    compile: CompileWish = "auto"
    """Let torch.compile write the kernels; auto does where the run is long enough to gain by it.

    `graphs` also replays them as CUDA graphs where batches are whole, `autotune` takes those that a
    clock finds fastest, so that another run may differ in its last bits.
    """
    kernels: KernelsWish = "auto"
    """Kernels between products on a processor: native ones in C++ where they can be compiled."""
    threads: int = 0
    """Processor threads; 0 takes one for each core."""
    parallel: ParallelWish = "ddp"
    """Of several processes each has all weights (ddp), or a part (fsdp), for large models."""

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.threads <= MOST_THREADS:
            raise ConfigError(f"threads is {self.threads}; it must be from 0 to {MOST_THREADS:,}")
        if self.parallel == "fsdp":
            self._check_sharing()
        if (self.device, self.precision) == ("mps", "fp64"):
            raise ConfigError("mps has no float64; take --machine.device cpu for fp64")

    def _check_sharing(self) -> None:
        """Refuse what needs all weights in one process."""
        asked = {
            "kernels native": self.kernels == "native",
            f"compile {self.compile}": self.compile not in ("auto", "off"),
            "precision fp16": self.precision == "fp16",
        }
        for name, is_asked in asked.items():
            if is_asked:
                raise ConfigError(
                    f"with --machine.parallel fsdp there is no {name}: leave one of the two away"
                )
