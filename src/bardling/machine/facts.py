"""What is known of a machine, what will be used of it, and what to do where something is off.

A plain value, so that advice can be tested without the machine it is about. How the facts are
found is left to report.py, how they look to the command line. No torch here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LOW_DISK_BYTES = 10**9
WORTH_TRYING = 1.5  # times as fast in products; elsewhere a step gains less


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """What a machine can do, as measured, and what a long run would use of it."""

    bardling: str
    python: str
    torch: str
    system: str
    """Operating system and architecture."""

    processor: str
    instructions: tuple[str, ...]
    """The widest that torch uses, and the units for bf16."""
    cores: int
    """Physical cores that this process may use."""
    machine_cores: int
    """Physical cores of the whole machine, as far as is known."""
    threads: int
    threads_limit: str
    """What OMP_NUM_THREADS says; empty where it is not set."""
    load: float | None
    """Processes that wanted to run in the minute before; None where nobody tells."""

    devices: tuple[str, ...]
    """Kinds of device there are, the best first."""
    device: str
    """The kind that is used."""
    gpu: str
    """Its name, where it is a GPU."""
    nvidia_driver: bool
    """Whether an NVIDIA driver is installed."""

    precision: str
    precision_reason: str
    flops_per_second: Mapping[str, float]
    """Of products of matrices, by precision; fp32 and bf16 are always among them."""
    elementwise_per_second: float
    """Bytes of float32 that SiLU and a product get through."""
    copied_per_second: float
    """Bytes that a copy reads and writes, both."""

    compiler: str | None
    compiler_missing: str | None
    memory_bytes: int
    free_memory_bytes: int | None
    runs: str
    """The folder of runs."""
    free_disk_bytes: int
    """There."""
    data: str | None
    """The folder that BARDLING_DATA names; None where it is not set."""
    data_found: bool
    """Whether that folder is there."""
    cache: str
    """The folder for texts that were fetched."""
    shakespeare: str | None
    """Where Tiny Shakespeare lies; None where it has to be fetched."""
    used: str
    """What a long run uses, in the words of `train`."""

    @property
    def bf16_gain(self) -> float:
        """How many times as fast as in fp32 products are in bf16."""
        return self.flops_per_second["bf16"] / self.flops_per_second["fp32"]

    @property
    def busy(self) -> bool:
        """Whether others kept more than half of the cores busy before the measurement."""
        return self.load is not None and self.load > self.machine_cores / 2

    @property
    def advice(self) -> tuple[str, ...]:
        """What is off and what to do about it, one sentence each; nothing where all is well."""
        return (*self._about_speed(), *self._about_numbers(), *self._about_files())

    def _about_speed(self) -> Iterator[str]:
        if self.busy:
            yield (
                f"the machine was busy already (load {self.load:.1f} on {self.machine_cores} "
                "cores): the figures are lower than it can do, so look again when it is quiet"
            )
        limit = self.threads_limit
        if limit.isdecimal() and 0 < int(limit) < self.cores:
            yield (
                f"OMP_NUM_THREADS is {limit}, so only {limit} of {self.cores} cores will be "
                "used; unset it, or give --machine.threads"
            )
        if self.nvidia_driver and "cuda" not in self.devices:
            yield (
                f"there is an NVIDIA driver, but torch {self.torch} finds no GPU to use; if there "
                "is one, install a CUDA build of torch: https://pytorch.org/get-started"
            )
        if self.compiler_missing is not None:
            yield (
                f"{self.compiler_missing}, so training cannot be compiled, which makes long runs "
                "faster; everything else works"
            )

    def _about_numbers(self) -> Iterator[str]:
        if self.precision == "bf16" and self.bf16_gain < 1:
            yield (
                f"products in bf16 are slower here than in fp32 ({self.bf16_gain:.2f} times as "
                "fast), though bf16 would be used; train with --machine.precision fp32"
            )
        elif self.precision == "fp32" and self.bf16_gain >= WORTH_TRYING:
            yield (
                f"products in bf16 are {self.bf16_gain:.1f} times as fast here as in fp32, which "
                "would be used; --machine.precision bf16 may be worth a try"
            )

    def _about_files(self) -> Iterator[str]:
        if self.free_disk_bytes < LOW_DISK_BYTES:
            yield (
                f"only {self.free_disk_bytes / 1e9:.1f} GB are free where runs live ({self.runs}); "
                "make room, or choose another place by --runs-dir or BARDLING_RUNS"
            )
        if self.data is not None and not self.data_found:
            yield f"BARDLING_DATA names {self.data}, which is no folder; texts are not found there"
