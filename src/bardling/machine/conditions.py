"""What the bits of a run depend on besides its settings. No torch here.

The same settings give the same bits on the same kind of processor, with the same number of
threads, numbers of the same precision, compiled or not as before, and the same torch. Every
checkpoint keeps these facts; a run that goes on under others says so.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The facts that exactness rests on."""

    device: str
    """Kind of device: cuda, mps or cpu."""
    processor: str
    """The device's name and, on a CPU, its widest instructions and its units for bf16."""
    precision: str
    compiled: bool
    kernels: str = "plain"
    """Whose work lies between the products: plain (torch's, as in all older runs), or native and
    the hash of what those were made from."""
    threads: int
    processes: int = 1
    """How many shared the work; their sums are added in another order."""
    parallel: str = "ddp"
    """fsdp where they shared out the weights."""
    torch: str
    """Version of torch."""

    def changes(self, now: "Conditions") -> list[str]:
        """Return, in words, what differs in `now`."""
        words = []
        for field in fields(self):
            before, after = getattr(self, field.name), getattr(now, field.name)
            if before != after:
                words.append(f"{field.name} {_word(before)} before, {_word(after)} now")
        return words


def _word(value: str | int) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
