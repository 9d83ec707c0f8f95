"""A machine that exists on paper only, with nothing to complain about."""

from dataclasses import replace

from bardling.machine.facts import MachineFacts

MACHINE = MachineFacts(
    bardling="9.8.7",
    python="3.11.7",
    torch="2.13.0",
    system="Linux x86_64",
    processor="Paper [red] 9000",
    instructions=("AVX512", "AMX"),
    cores=4,
    machine_cores=4,
    threads=4,
    threads_limit="",
    load=0.5,
    devices=("cpu",),
    device="cpu",
    gpu="",
    nvidia_driver=False,
    precision="bf16",
    precision_reason="the processor has units for it (AMX)",
    flops_per_second={"fp32": 200e9, "bf16": 1.5e12},
    elementwise_per_second=8e9,
    copied_per_second=21.5e9,
    compiler="g++",
    compiler_missing=None,
    memory_bytes=25 * 10**9,
    free_memory_bytes=20 * 10**9,
    runs="runs",
    free_disk_bytes=80 * 10**9,
    data=None,
    data_found=False,
    cache="/home/me/.cache/bardling",
    shakespeare="/texts/tinyshakespeare.txt",
    used="cpu (AMX), bf16, compiled (as asked), 4 threads",
)


def paper_machine(**changes) -> MachineFacts:
    """Return the machine with some facts changed; `fp32` and `bf16` are rates of products."""
    rates = dict(MACHINE.flops_per_second)
    rates |= {name: changes.pop(name) for name in ("fp32", "bf16", "fp16") if name in changes}
    return replace(MACHINE, flops_per_second=rates, **changes)
